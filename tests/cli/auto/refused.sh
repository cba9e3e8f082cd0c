#!/bin/sh
# What --resume auto does not take: other weights to start from, another spec, other settings.
. "$CLI"
spec s.json && data d && edgetrain fit s.json d -q -o first --epochs 1
edgetrain fit s.json d -q -o run --epochs 1 --init first/model.safetensors
cp first/model.safetensors other.safetensors
sed 's/"lr": 0.05/"lr": 0.06/' s.json >t.json

# refuses CODE TEXT ARGUMENT...: in one line, and the run stays as it is.
refuses() {
	want=$1 text=$2
	shift 2
	cp -a run before
	edgetrain fit "$@" -q >out 2>&1
	code=$?
	[ $code -eq "$want" ] || fail "$*: ended with $code: $(cat out)"
	[ "$(wc -l <out)" -eq 1 ] && grep -q -e "$text" out || fail "$*: says: $(cat out)"
	diff -r before run || fail "$*: the run has changed"
	rm -r before
}
auto="--resume auto --out run --epochs 2"
# shellcheck disable=SC2086 # words
{
	refuses 64 "the run run was started from /.*/first/model.safetensors" s.json d $auto --init other.safetensors
	refuses 64 "the run was started without it\|run run was started without it" s.json d $auto --init-partial
	refuses 64 "is not the spec that run was started with" t.json d $auto
	refuses 64 "lr: the run goes on with 0.05" s.json d $auto --lr 0.1
	refuses 64 "expected SPEC and DATA" $auto
	refuses 64 "expected --out RUN" s.json d --resume auto
	refuses 64 "exclude each other" s.json d --resume run --init first/model.safetensors
}
# The weights it was started from may be gone by now, and the line may lack them.
mv first elsewhere
# shellcheck disable=SC2086 # words
edgetrain fit s.json d -q $auto --init first/model.safetensors || fail "weights that are gone"
edgetrain fit s.json d -q --resume auto --out run --epochs 3 || fail "without the weights"
[ "$(wc -l <run/epochs.csv)" -eq 4 ] || fail "rows: $(wc -l <run/epochs.csv)"
edgetrain fit s.json d -q -o plain --epochs 1
edgetrain fit s.json d -q --resume auto --out plain --init other.safetensors 2>err
[ $? -eq 64 ] && grep -q "was started from random weights" err || fail "$(cat err)"

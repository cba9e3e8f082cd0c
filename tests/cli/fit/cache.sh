#!/bin/sh
# Features of frozen layers: kept in memory, in part, or in a file, the run ends in the same bits.
. "$CLI"
spec s.json && data d 60 30
set -- s.json d --last 2 --bn frozen --epochs 3 --augment none
edgetrain fit "$@" -q --cache off -o off || fail "off"
same() {
	cmp off/model.safetensors "$1/model.safetensors" || fail "$1: not the same bits"
	cut -d, -f1-5 off/epochs.csv | cmp - "$1/cut" || fail "$1: not the same epochs"
}
try() {
	out=$1
	want=$2
	shift 2
	edgetrain fit "$@" -o "$out" 2>err || fail "$out: $(cat err)"
	cut -d, -f1-5 "$out/epochs.csv" >"$out/cut"
	grep -q "$want" err || fail "$out: expected '$want': $(cat err)"
	same "$out"
	# Nothing of a file is left.
	[ "$(find "$out" -name 'cache*')" = '' ] || fail "$out: $(ls "$out")"
}
try auto "276.5 kB of 276.5 kB are kept in memory, 3072 bytes a picture" "$@"
try part "98.3 kB of 276.5 kB are kept in memory" "$@" --cache 100000
edgetrain fit "$@" --cache 100 -o none 2>err && ! grep -q "are kept" err || fail "none: $(cat err)"
cmp off/model.safetensors none/model.safetensors || fail "none: not the same bits"
rm -rf off && edgetrain fit "$@" -q --cache off --micro-batch 4 -o off || fail "micro-batch off"
try micro "are kept in memory" "$@" --micro-batch 4

# Memory for half of it: a file beside the run.
data big 600 30
set -- s.json big --last 2 --bn frozen --epochs 2 --augment none
peak=$(edgetrain plan --estimate 0 --format json "$@" --cache off | sed -n 's/.*"peak": \([0-9]*\).*/\1/p')
rm -rf off && edgetrain fit "$@" -q --cache off -o off || fail "big off"
try file "1.9 MB of 1.9 MB are kept in a file beside the run" "$@" --cache 10M \
	--max-memory $((peak + 1200000))

# A resumed run begins with nothing, and may be given another size.
edgetrain fit s.json d --last 2 --bn frozen --augment none --schedule constant -q --epochs 3 -o off2
edgetrain fit s.json d --last 2 --bn frozen --augment none --schedule constant -q --epochs 1 -o r
edgetrain fit --resume r -q --epochs 3 --cache off || fail "resume"
cmp off2/model.safetensors r/model.safetensors || fail "resumed: not the same bits"

# Augmented pictures are not kept, unless there are so many variants of each and no more.
set -- s.json d --last 2 --bn frozen --epochs 4 --augment flip,crop:1
edgetrain fit "$@" -o augmented 2>err || fail "augmented"
grep -q "92.2 kB of 92.2 kB are kept" err || fail "pictures to validate on: $(cat err)"
edgetrain fit "$@" -q --cache-variants 2 --cache off -o off3 || fail "variants off"
edgetrain fit "$@" --cache-variants 2 -o two 2>err || fail "variants"
grep -q "460.8 kB of 460.8 kB are kept" err || fail "two variants of each: $(cat err)"
cmp off3/model.safetensors two/model.safetensors || fail "variants: not the same bits"
! cmp -s two/model.safetensors augmented/model.safetensors || fail "variants change nothing"

# Nothing is frozen at the beginning: nothing to keep.
edgetrain fit s.json d --epochs 1 -o all 2>err && ! grep -q "are kept" err || fail "all: $(cat err)"
edgetrain fit s.json d -q --cache much -o wrong 2>err
[ $? -eq 64 ] && grep -q "cache: expected auto, off or a size such as 500M, found 'much'" err ||
	fail "much: $(cat err)"

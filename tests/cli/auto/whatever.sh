#!/bin/sh
# --resume auto is right whatever is there, always with the same line, and -q says nothing.
. "$CLI"
spec s.json && data d
edgetrain fit s.json d -q -o whole || fail "the undisturbed run failed"
go() { edgetrain fit s.json d --resume auto --out "$@" -q >said 2>&1 || fail "$*: ended with $?: $(cat said)"; }
same() {
	cmp "$1/model.safetensors" whole/model.safetensors || fail "$1: the models differ"
	[ ! -s said ] || fail "$1: says: $(cat said)"
	for name in steps epochs; do
		cut -d, -f1-6 whole/$name.csv >a
		cut -d, -f1-6 "$1/$name.csv" >b
		cmp a b || fail "$1: $name.csv differs"
	done
}
go new/run && same new/run

mkdir empty
go empty && same empty

# Killed before run.json, with a lock and a temporary file.
mkdir early && echo "1 x y" >early/lock && echo torn >early/run.json.1-0.tmp
go early && same early
[ "$(find early -name '*.tmp')" = "" ] || fail "left behind: $(ls early)"

# Killed before the first checkpoint.
mkdir bare && cp whole/run.json bare && echo torn >bare/state.next.safetensors
go bare && same bare

# In the middle: stopped after one epoch of three.
edgetrain fit s.json d -q -o middle --epochs 1 --schedule constant
edgetrain fit s.json d -q -o constant --schedule constant
edgetrain fit s.json d --resume auto --out middle --schedule constant --epochs 3 >out 2>&1 || fail "$(cat out)"
cmp middle/model.safetensors constant/model.safetensors || fail "middle: the models differ"
grep -q "run middle$" out || fail "middle: no result: $(cat out)"

# Finished: the result, and nothing changes.
cp -a whole before
edgetrain fit s.json d --resume auto --out whole >out 2>err || fail "finished: $(cat err)"
grep -q "^accuracy .* run whole$" out || fail "finished: $(cat out)"
diff -r before whole || fail "finished: changed"
go whole && [ ! -s said ] || fail "finished: says: $(cat said)"

# A run of the name auto is ./auto.
edgetrain fit s.json d -q -o auto --epochs 1 && edgetrain fit -q --resume ./auto --epochs 2 || fail "./auto"

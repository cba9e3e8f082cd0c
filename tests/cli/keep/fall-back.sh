#!/bin/sh
# A latest checkpoint that is damaged, in whatever way: the newest whole one takes its place, with a
# warning, and the run ends in the same bits.
. "$CLI"
spec s.json && data d
edgetrain fit s.json d -q -o whole --schedule constant --save-steps 2 --keep 3 || fail "the undisturbed run failed"
edgetrain fit s.json d -q -o part --schedule constant --save-steps 2 --keep 3 --epochs 2 || fail "no run"
flip() { # byte 2000 from the end, of data
	size=$(stat -c %s "$1")
	printf '\377\377' | dd of="$1" bs=1 seek=$((size - 2000)) conv=notrunc 2>/dev/null
}
# goes_on STEP WHAT: from there, saying which file is wrong, to the end.
goes_on() {
	edgetrain fit s.json d --resume auto --out run --schedule constant --epochs 3 >out 2>err || fail "$2: ended with $?: $(cat err)"
	grep -q "warning: run.*$2.*; going on from step $1," err || fail "$2: says: $(cat err)"
	cmp run/model.safetensors whole/model.safetensors || fail "$2: the models differ"
	[ "$(data_of run/state.safetensors | cksum)" = "$(data_of whole/state.safetensors | cksum)" ] || fail "$2: the states differ"
	for name in steps epochs; do
		cut -d, -f1-6 whole/$name.csv >a
		cut -d, -f1-6 run/$name.csv >b
		cmp a b || fail "$2: $name.csv differs: $(diff a b)"
	done
	diff -r run/checkpoints whole/checkpoints >/dev/null || [ "$(ls run/checkpoints)" = "$(ls whole/checkpoints)" ] || fail "$2: keeps $(ls run/checkpoints)"
}
fresh() { rm -rf run && cp -a part run; }
# The last save of `part` is of step 12, behind its epoch; kept are 12, in the epoch, and 10.
fresh && flip run/model.safetensors && goes_on 12 "state.safetensors does not belong to run/model.safetensors"
fresh && truncate -s 3000 run/model.safetensors && goes_on 12 model.safetensors
fresh && flip run/state.safetensors && goes_on 12 "state.safetensors: its checksum is"
fresh && rm run/model.safetensors && goes_on 12 model.safetensors
fresh && rm run/state.safetensors && goes_on 12 state.safetensors
fresh && rm run/state.safetensors run/model.safetensors && goes_on 12 "neither"
fresh && : >run/state.safetensors && goes_on 12 state.safetensors
fresh && cp run/checkpoints/step-00000010.state.safetensors run/state.safetensors && goes_on 12 "does not belong"
# The next one is damaged too.
fresh && flip run/model.safetensors && flip run/checkpoints/step-00000012.model.safetensors
goes_on 10 "state.safetensors does not belong"
grep -q "warning: run/checkpoints/step-00000012.state.safetensors does not belong" err || fail "$(cat err)"
# None is whole.
fresh && for f in run/model.safetensors run/checkpoints/*.model.*; do flip "$f"; done
cp -a run before
edgetrain fit -q --resume run 2>err
[ $? -eq 65 ] && [ "$(wc -l <err)" -eq 1 ] && grep -q "start a new run with --init" err || fail "$(cat err)"
diff -r run before || fail "changed"

#!/bin/sh
# Several processes begin the same new run at once: exactly one trains it, the others do nothing.
. "$CLI"
spec s.json && data d 600 30
edgetrain fit s.json d -q -o whole --epochs 20 || fail "the undisturbed run failed"
for round in 1 2 3; do
	for i in 1 2 3 4; do
		(
			edgetrain fit s.json d -q -o "run$round" --resume auto --threads 1 --epochs 20 2>"err$i"
			echo $? >"code$i"
		) &
	done
	wait
	# One that was kept waiting until the first was done finds a finished run.
	[ "$(cat code1 code2 code3 code4 | grep -cx -e 0 -e 75)" -eq 4 ] || fail "ended with $(cat code?): $(cat err?)"
	grep -qx 0 code? || fail "nobody trained: $(cat err?)"
	cmp "run$round/model.safetensors" whole/model.safetensors || fail "the models differ"
	[ "$(wc -l <"run$round/steps.csv")" -eq 1201 ] || fail "rows: $(wc -l <"run$round/steps.csv")"
done

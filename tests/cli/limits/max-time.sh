#!/bin/sh
# --max-time ends a call in time with a checkpoint and exit code 0, says so, takes one step at least,
# and the pieces end in the same bits as the whole.
. "$CLI"
spec s.json && data d 600 30
edgetrain fit s.json d -q -o whole --epochs 2 || fail "the whole run: $?"
edgetrain fit s.json d -o run --epochs 2 --max-time 0.001s >out 2>err || fail "ended with $?"
grep -q 'stopped by --max-time at step 1, in epoch 1 of 2; continue with --resume run' err || fail "$(cat err)"
grep -q '^stopped max-time  epochs 0' out || fail "$(cat out)"
[ "$(wc -l <run/steps.csv)" -eq 2 ] || fail "steps: $(cat run/steps.csv)"
calls=1
while grep -q stopped out; do
	edgetrain fit --resume run --max-time 0.001s >out 2>err || fail "$(cat err)"
	calls=$((calls + 1))
	[ $calls -lt 130 ] || fail "no end of it"
done
# 120 steps, one a call; the evaluation of an epoch may need none of its own.
[ $calls -ge 100 ] || fail "only $calls calls"
cmp run/model.safetensors whole/model.safetensors || fail "the models differ"
for file in steps epochs; do
	cut -d, -f1-6 run/$file.csv >a
	cut -d, -f1-6 whole/$file.csv | cmp - a || fail "$file.csv differs"
done

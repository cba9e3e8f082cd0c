#!/bin/sh
# SIGTERM: a checkpoint, then death by that signal; the resumed run ends in the same bits.
. "$CLI"
spec s.json && data d 600 30
edgetrain fit s.json d -q -o whole --epochs 20 || fail "the undisturbed run failed"
start fit s.json d -o run --epochs 20 2>err &
pid=$!
until_true test -s run/model.safetensors
sleep 0.2
kill -TERM $pid
wait $pid
code=$?
[ $code -eq 143 ] || fail "ended with $code: $(cat err)"
grep -q "continue with --resume run" err || fail "does not say how to go on: $(cat err)"
edgetrain eval run d -q || fail "the checkpoint cannot be read"
edgetrain fit -q --resume run || fail "cannot resume"
cmp run/model.safetensors whole/model.safetensors || fail "the models differ"
cut -d, -f1-6 run/steps.csv >a
cut -d, -f1-6 whole/steps.csv >b
cmp a b || fail "steps.csv differs"

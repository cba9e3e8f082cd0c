#!/bin/sh
# SIGTERM during the evaluation behind an epoch: a checkpoint of that moment, then 143.
. "$CLI"
spec s.json && data d 20 9000
edgetrain fit s.json d -q -o whole --epochs 2
start fit s.json d -o run --epochs 2 --threads 1 2>err &
pid=$!
# Rows reach the file with the checkpoint of the first epoch; the two steps of the second take
# milliseconds, and then it is evaluated.
until_true grep -q '^2,' run/steps.csv 2>/dev/null
sleep 0.03
kill -TERM $pid
wait $pid
code=$?
case $code in
143) ;;
0) skip "the evaluation was over too soon" ;;
*) fail "ended with $code: $(cat err)" ;;
esac
grep -q "continue with --resume run" err || fail "does not say how to go on: $(cat err)"
edgetrain fit -q --resume run || fail "cannot resume"
cmp run/model.safetensors whole/model.safetensors || fail "the models differ"

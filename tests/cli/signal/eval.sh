#!/bin/sh
# Evaluation and loading stop at once too.
. "$CLI"
spec s.json && data d 60 6000 && edgetrain fit s.json d -q -o run --epochs 1 || fail "no run"
start eval run d --batch-size 1 --threads 1 2>err >out &
pid=$!
sleep 0.05
kill -TERM $pid
wait $pid
code=$?
[ $code -eq 143 ] || [ $code -eq 0 ] || fail "ended with $code: $(cat err)"
[ $code -eq 0 ] || [ ! -s out ] || fail "printed results all the same: $(cat out)"

#!/bin/sh
# SIGHUP, as from a terminal that goes away: 129. Under nohup it is ignored.
. "$CLI"
case $(sed -n 's/^SigIgn:.*\(.\)$/\1/p' /proc/self/status) in
*[13579bdf]) skip "who runs the tests ignores SIGHUP, and no shell can undo that" ;;
esac
spec s.json && data d 600 30
start fit s.json d -q -o run --epochs 100000 2>err &
pid=$!
until_true test -s run/model.safetensors
kill -HUP $pid
wait $pid
code=$?
[ $code -eq 129 ] || fail "ended with $code: $(cat err)"
edgetrain eval run d -q || fail "the checkpoint cannot be read"

trap '' HUP
start fit s.json d -q -o other --epochs 10 2>err &
pid=$!
until_true test -s other/model.safetensors
kill -HUP $pid
wait $pid || fail "under nohup: $(cat err)"
[ "$(wc -l <other/epochs.csv)" -eq 11 ] || fail "did not train to the end"

#!/bin/sh
# Nobody reads the messages any more: the training goes on to its end.
. "$CLI"
spec s.json && data d
{ edgetrain fit s.json d -o run --epochs 20 2>&1 >out; echo $? >code; } | head -n 1 >first
[ "$(cat code)" -eq 0 ] || fail "ended with $(cat code)"
[ "$(wc -l <run/epochs.csv)" -eq 21 ] || fail "did not train to the end"

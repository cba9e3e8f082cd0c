#!/bin/sh
# Stopped between the rounds: dies by the signal, writes nothing.
. "$CLI"
spec s.json && data d 600 30
start bench s.json d --modes exact,filter:2 --steps 100000 -o out >table 2>err &
pid=$!
until_true test -d out
sleep 0.2
kill -TERM $pid
wait $pid
code=$?
[ $code -eq 143 ] || fail "ended with $code: $(cat err)"
grep -q 'stopped in round' err || fail "$(cat err)"
[ ! -e out ] || fail "left: $(ls -R out)"
[ ! -s table ] || fail "printed all the same: $(cat table)"

#!/bin/sh
# Rows without end stop by a signal, and take the meter's command with them.
. "$CLI"
start sensors --power-from "echo \$\$ >$PWD/pid; while :; do echo 5; sleep 0.1; done" --interval 0.1 >rows 2>err &
pid=$!
until_true grep -q external rows 2>/dev/null
until_true grep -q . pid 2>/dev/null
kill -TERM $pid
wait $pid
code=$?
[ $code -eq 143 ] || fail "ended with $code: $(cat err)"
kill -0 "$(cat pid)" 2>/dev/null && fail "the command goes on"
exit 0

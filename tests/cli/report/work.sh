#!/bin/sh
# A run at work: rows that are being written are passed over, the process that holds it is named.
. "$CLI"
# shellcheck source=tests/cli/runs.sh
. "${CLI%/*}/runs.sh"
made_run w done=2 later=15
printf '3,0.5,0.' >>w/epochs.csv
printf '96,3,16,0.5' >>w/steps.csv
printf '96,"' >>w/power.csv
printf '%s %s 2026-11-21 22:00:00\n' $$ "$(uname -n)" >w/lock
edgetrain report w >out || fail "$(cat out)"
grep -q '^state  *at work' out && grep -q '^epochs  *2 of 10' out && grep -q '^steps  *95' out || fail "$(cat out)"
grep -q '^this epoch  *0\.' out && grep -q '^time left  *0:0' out || fail "$(cat out)"
grep -q "process $$ is training it" out || fail "$(cat out)"
# One that was killed leaves the file behind.
sleep 0 &
gone=$!
wait $gone
printf '%s %s 2026-11-21 22:00:00\n' $gone "$(uname -n)" >w/lock
edgetrain report w >out || fail "$(cat out)"
grep -q '^state  *stopped' out && grep -q "fit --resume w" out || fail "$(cat out)"
# Nothing but run.json yet.
rm w/*.csv
edgetrain report w >out || fail "$(cat out)"
grep -q '^epochs  *0 of 10' out && grep -q '^accuracy  *-' out || fail "$(cat out)"

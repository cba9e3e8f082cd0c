#!/bin/sh
# A signal ends the measuring; the memory is printed by then. A bad picture is named.
. "$CLI"
spec s.json && data d
start plan s.json d --estimate 10000 --batch-size 60 --threads 1 >text 2>err &
pid=$!
until_true grep -q '^memory' text
kill -TERM $pid
wait $pid
code=$?
[ $code -eq 143 ] || fail "exit code $code: $(cat err)"
grep -q 'plan: stopped' err || fail "$(cat err)"
pictures p && colour_spec c.json
for picture in p/disc/*; do printf bad >"$picture"; done
edgetrain plan c.json p --on-bad-image fail >text 2>err
[ $? -eq 65 ] && grep -q 'p/disc' err || fail "$(cat err)"

#!/bin/sh
# A second process is told whose the run is, with exit code 75, and touches nothing; a killed one's
# lock is in nobody's way.
. "$CLI"
spec s.json && data d 600 30
start fit s.json d -q -o run --epochs 100000 2>err &
pid=$!
until_true test -s run/steps.csv
[ "$(cut -d' ' -f1 run/lock)" = $pid ] || [ -n "$RUNNER" ] || fail "the lock says: $(cat run/lock)"
for how in "--resume run" "s.json d -o run" "s.json d --out ./run/ --resume auto"; do
	# shellcheck disable=SC2086 # words
	edgetrain fit $how --epochs 1 2>said >out
	code=$?
	[ $code -eq 75 ] || fail "$how: ended with $code: $(cat said)"
	[ "$(wc -l <said)" -eq 1 ] && [ ! -s out ] || fail "$how: says more: $(cat said out)"
	grep -Eq "run/?: process $(cut -d' ' -f1 run/lock) on .* has been training it since [0-9]{4}-" said ||
		fail "$how: says: $(cat said)"
done
kill -0 $pid || fail "the first one is gone: $(cat err)"
kill -KILL $pid
wait $pid
[ -s run/lock ] || fail "a process that was killed has cleaned up"
echo "999999 elsewhere long ago" >run/lock
edgetrain fit -q --resume run --epochs 1 2>err || fail "a stale lock: $(cat err)"
[ ! -e run/lock ] || fail "the lock stays"

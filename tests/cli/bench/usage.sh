#!/bin/sh
# What is missing or too much; the settings that bench sets itself are no options here.
. "$CLI"
spec s.json
for args in '' 's.json' 's.json d e --modes exact' 's.json d' 's.json d --modes exact --mode exact' \
	's.json d --modes exact --save-steps 3' 's.json d --modes exact --steps 0' \
	's.json d --modes exact, '; do
	# shellcheck disable=SC2086 # words
	edgetrain bench $args 2>err
	[ $? -eq 64 ] || fail "accepted '$args'"
	[ "$(wc -l <err)" -eq 1 ] || fail "$args: $(cat err)"
done

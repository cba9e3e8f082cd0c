#!/bin/sh
# JSON with bytes; the total of training is the sum of its rows.
. "$CLI"
spec s.json
edgetrain plan s.json --estimate 0 --format json >json
grep -q '"fits": true' json || fail "$(cat json)"
grep '"training"' json | tr , '\n' | tr -dc '0-9\n' | awk '
	NF { n++; sum += last; last = $1 }
	END { exit !(n == 10 && sum == last && sum > 0) }' || fail "the total is not the sum: $(cat json)"
if command -v python3 >/dev/null; then
	python3 -c 'import json, sys; json.load(sys.stdin)' <json || fail "no JSON: $(cat json)"
fi

#!/bin/sh
# Where the modes fit, but not exact to compare with: said, and left out.
. "$CLI"
spec s.json && data d
peak() { edgetrain plan --estimate 0 s.json d --last 4 --bn frozen --batch-size 6000 --mode "$1" --format json | sed -n 's/.*"peak": \([0-9]*\).*/\1/p'; }
filter=$(peak filter:4) exact=$(peak exact)
edgetrain bench s.json d --last 4 --bn frozen --batch-size 6000 --modes filter:4 --steps 2 -o out \
	--max-memory $(((exact + filter) / 2)) || fail "refused"
tail -n 1 out/bench.csv | awk -F, '$18 $19 != "" { exit 1 }' || fail "$(cat out/bench.csv)"

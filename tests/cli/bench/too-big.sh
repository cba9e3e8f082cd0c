#!/bin/sh
# What does not fit is named, with exit code 80, though others before it would fit.
. "$CLI"
spec s.json && data d
peak() { edgetrain plan --estimate 0 s.json d --last 4 --bn frozen --batch-size 6000 --mode "$1" --format json | sed -n 's/.*"peak": \([0-9]*\).*/\1/p'; }
filter=$(peak filter:4) exact=$(peak exact)
[ "$exact" -gt $((filter + 8000000)) ] || fail "exact $exact, filter:4 $filter"
edgetrain bench s.json d --last 4 --bn frozen --batch-size 6000 --modes 'filter:4;exact+smd:0.5' -o out \
	--max-memory $(((exact + filter) / 2))
code=$?
[ ! -e out ] || fail "out was created"
exit $code

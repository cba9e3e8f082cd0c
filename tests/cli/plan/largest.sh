#!/bin/sh
# The largest batch that fits is named, and fits.
. "$CLI"
spec s.json
edgetrain plan s.json --estimate 0 --batch-size 4096 --format json >json
need=$(sed -n "s/.*\"peak\": \([0-9]*\).*/\1/p" json)
edgetrain plan s.json --estimate 0 --batch-size 4096 --max-memory $((need / 2)) >out 2>err
code=$?
batch=$(sed -n "s/.*the largest batch that fits is \([0-9]*\).*/\1/p" err)
[ "${batch:-0}" -gt 100 ] || fail "largest batch: $(cat err)"
# The memory of the program itself varies a little from start to start.
edgetrain plan s.json --estimate 0 --batch-size $((batch * 9 / 10)) --max-memory $((need / 2)) >out ||
	fail "a batch of 9/10 of $batch does not fit"
exit $code

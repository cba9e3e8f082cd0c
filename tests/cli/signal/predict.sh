#!/bin/sh
# Prediction stops at once; what was printed before is whole lines.
. "$CLI"
colour_spec s.json && pictures d && edgetrain fit s.json d -q -o run --epochs 1 || fail "no run"
all=d
while [ ${#all} -lt 500 ]; do all="$all $all"; done
# shellcheck disable=SC2086
start predict run $all --batch-size 1 --threads 1 --top 1 --format json 2>err >out &
pid=$!
sleep 0.1
kill -TERM $pid
wait $pid
code=$?
[ $code -eq 143 ] || [ $code -eq 0 ] || fail "ended with $code: $(cat err)"
[ ! -s out ] || [ "$(tail -c 4 out)" = '}]}' ] || fail "half a line: $(tail -n 1 out)"

#!/bin/sh
# One line each: no operand 64, no run 66, bad data 65; a bad run does not stop the others.
. "$CLI"
# shellcheck source=tests/cli/runs.sh
. "${CLI%/*}/runs.sh"
edgetrain report 2>err
[ $? -eq 64 ] || fail "$(cat err)"
mkdir empty
edgetrain report empty 2>err
[ $? -eq 66 ] && grep -q 'not a run directory' err || fail "$(cat err)"
made_run good
made_run bad
sed -i '3s/^2,1,16/2,1,sixteen/' bad/steps.csv
edgetrain report bad nowhere good >out 2>err
[ $? -eq 65 ] || fail "$(cat err)"
[ "$(wc -l <err)" -eq 2 ] || fail "$(cat err)"
grep -q 'report: bad/steps.csv:3: samples: expected an integer of at least 0, found .sixteen' err || fail "$(cat err)"
grep -q 'report: nowhere: no such run directory' err || fail "$(cat err)"
grep -q '^run  *good$' out || fail "$(cat out)"
edgetrain report bad >out 2>err
[ ! -s out ] || fail "$(cat out)"
edgetrain report good >/dev/full 2>err
[ $? -eq 74 ] || fail "$(cat err)"

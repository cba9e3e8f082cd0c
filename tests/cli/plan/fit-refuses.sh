#!/bin/sh
# fit refuses before it starts, and writes nothing.
. "$CLI"
spec s.json && data d
edgetrain fit s.json d -o run --max-memory 1M
code=$?
[ ! -e run ] || fail "run was created"
exit $code

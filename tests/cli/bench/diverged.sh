#!/bin/sh
# Names mode, step and layer.
. "$CLI"
spec s.json && data d
edgetrain bench s.json d --modes exact --lr 1e30 --steps 5 -o out
code=$?
[ ! -e out ] || fail "out is left"
exit $code

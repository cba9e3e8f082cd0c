#!/bin/sh
# Batch norm alone: modes have nothing to do.
. "$CLI"
spec s.json && data d
edgetrain bench s.json d --modes exact --trainable bn1 -o out
code=$?
[ ! -e out ] || fail "out was created"
exit $code

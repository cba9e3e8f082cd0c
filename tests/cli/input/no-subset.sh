#!/bin/sh
# A list of pictures that is not there; nothing is left behind.
. "$CLI"
spec s.json && data d
edgetrain fit s.json d -q -o run --subset none
code=$?
[ ! -e run ] || fail "there is a run"
exit $code

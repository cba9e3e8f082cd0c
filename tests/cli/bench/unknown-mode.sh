#!/bin/sh
# A recipe that is wrong is found before anything else, even the data.
. "$CLI"
spec s.json
edgetrain bench s.json nowhere --modes exact,filtr:2 -o out
code=$?
[ ! -e out ] || fail "out was created"
exit $code

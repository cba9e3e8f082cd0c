#!/bin/sh
# With -q nothing at all is printed.
. "$CLI"
spec s.json && data d
edgetrain fit s.json d -q --epochs 1 -o run >all 2>&1
[ ! -s all ] || fail "printed: $(cat all)"
edgetrain eval run d --quiet >all 2>&1
[ ! -s all ] || fail "printed: $(cat all)"

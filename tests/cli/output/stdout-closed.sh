#!/bin/sh
# A closed standard output is not mistaken for the next file opened.
. "$CLI"
spec s.json && data d
edgetrain fit s.json d -o run --epochs 1 >&-
code=$?
edgetrain eval run d -q || fail "the run is damaged"
exit $code

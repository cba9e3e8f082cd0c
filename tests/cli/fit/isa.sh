#!/bin/sh
# The generic kernels train too.
. "$CLI"
spec s.json && data d 120 60
edgetrain fit s.json d -q --isa generic -o a --epochs 4
at_least "$(edgetrain eval a d --isa generic | value accuracy)" 0.9 || fail "did not learn"

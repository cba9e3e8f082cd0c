#!/bin/sh
# The same seed gives the same bits, another one others.
. "$CLI"
spec s.json && data d
edgetrain fit s.json d -q -o a --epochs 1 && edgetrain fit s.json d -q -o b --epochs 1
cmp a/model.safetensors b/model.safetensors || fail "the same seed differs"
edgetrain fit s.json d -q -o c --epochs 1 --seed 1
cmp -s a/model.safetensors c/model.safetensors && fail "another seed gives the same"
exit 0

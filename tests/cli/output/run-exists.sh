#!/bin/sh
# A directory that holds a run is not written over.
. "$CLI"
spec s.json && data d && edgetrain fit s.json d -q -o run --epochs 1
cp run/model.safetensors before
edgetrain fit s.json d -q -o run --epochs 1
code=$?
cmp before run/model.safetensors || fail "the run was changed"
exit $code

#!/bin/sh
# The same at the end of a training; the run is there.
. "$CLI"
[ -c /dev/full ] || skip "no /dev/full"
spec s.json && data d
edgetrain fit s.json d -o run --epochs 1 >/dev/full
code=$?
[ -s run/model.safetensors ] || fail "no model"
exit $code

#!/bin/sh
# The first NaN ends the run: step, layer and files are named, the checkpoint stays.
. "$CLI"
spec s.json && data d
edgetrain fit s.json d -q -o run --epochs 1
edgetrain eval run d >before
edgetrain fit s.json d -q -o bad --init run/model.safetensors --lr 1e30 --epochs 2 2>err
code=$?
cat err >&2
edgetrain eval bad d >after || fail "the last checkpoint cannot be read"
[ "$(value loss <before)" = "$(value loss <after)" ] || fail "the checkpoint is not the last good one"
exit $code

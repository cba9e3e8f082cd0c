#!/bin/sh
# Going on with a finished run changes nothing and is no error.
. "$CLI"
spec s.json && data d && edgetrain fit s.json d -q -o run
cp run/model.safetensors before
edgetrain fit --resume run >out || fail "exit code $?"
grep -q " run run$" out || fail "no result: $(cat out)"
cmp before run/model.safetensors || fail "the run was changed"

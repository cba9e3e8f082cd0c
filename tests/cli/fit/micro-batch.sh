#!/bin/sh
# Micro-batches give the result of the whole batch within rounding.
. "$CLI"
spec s.json && data d && edgetrain fit s.json d -q -o a
edgetrain fit s.json d -q -o b --init a/model.safetensors --epochs 1
edgetrain fit s.json d -q -o c --init a/model.safetensors --epochs 1 --micro-batch 3
b=$(edgetrain eval b d | value loss) c=$(edgetrain eval c d | value loss)
awk -v b="$b" -v c="$c" "BEGIN { exit !(b - c < 0.0003 && c - b < 0.0003) }" || fail "losses $b and $c"

#!/bin/sh
# Training less needs less.
. "$CLI"
spec s.json
peak() { edgetrain plan s.json --estimate 0 --format json "$@" | sed -n "s/.*\"training\".*\"total\": \([0-9]*\)}.*/\1/p"; }
all=$(peak) last=$(peak --trainable fc --init any.safetensors) adam=$(peak --optimizer adam)
[ "$last" -lt "$all" ] || fail "the last layer alone: $last, all: $all"
[ "$adam" -gt "$all" ] || fail "adam: $adam, sgd: $all"

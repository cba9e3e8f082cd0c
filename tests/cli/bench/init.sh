#!/bin/sh
# From weights, the last layers alone.
. "$CLI"
spec s.json && data d
edgetrain fit s.json d -q -o run --epochs 1 || fail "no weights"
edgetrain bench s.json d --modes exact,filter:2 --init run/model.safetensors --last 2 --steps 6 -o out \
	>table || fail "bench"
[ "$(cut -d, -f2 out/layers.csv | sort -u | tr '\n' ' ')" = 'fc layer layer1.0.conv1 layer1.0.conv2 ' ] ||
	fail "$(cat out/layers.csv)"

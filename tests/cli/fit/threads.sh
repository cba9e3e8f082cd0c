#!/bin/sh
# The same bits for 1, 2 and 3 threads, and any number of workers.
. "$CLI"
spec s.json && data d
for n in 1 2 3; do
	edgetrain fit s.json d -q -o "run$n" --threads $n --workers $n || fail "$n threads"
done
cmp run1/model.safetensors run2/model.safetensors || fail "1 and 2 threads differ"
cmp run1/model.safetensors run3/model.safetensors || fail "1 and 3 threads differ"

#!/bin/sh
# Each round has batches of its own: the mean over five is not what the first one gives.
. "$CLI"
spec dropout.json && data d
grep -v dropout dropout.json >s.json
edgetrain bench s.json d -q --modes filter:2 --steps 1 -o one || fail "one round"
edgetrain bench s.json d -q --modes filter:2 --steps 5 -o five || fail "five rounds"
! cmp -s one/layers.csv five/layers.csv || fail "the same batch again: $(cat one/layers.csv)"

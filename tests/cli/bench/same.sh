#!/bin/sh
# The gradients compared are the same for any number of threads, and in any order of the modes.
. "$CLI"
spec s.json && data d
edgetrain bench s.json d -q --modes filter:2,filter:4 --steps 5 --threads 1 -o a || fail "a"
edgetrain bench s.json d -q --modes filter:4,filter:2 --steps 5 --threads 2 -o b || fail "b"
sort a/layers.csv >a.sorted
sort b/layers.csv | diff a.sorted - || fail "the likeness differs"
# Other batches are compared by another seed.
edgetrain bench s.json d -q --modes filter:2,filter:4 --steps 5 --seed 1 -o c || fail "c"
! cmp -s a/layers.csv c/layers.csv || fail "the seed has no effect"

#!/bin/sh
# Without --out: the next directory that is free.
. "$CLI"
spec s.json && data d
edgetrain fit s.json d --epochs 1 | grep -q " run run-s-1$" || fail "not run-s-1"
edgetrain fit s.json d --epochs 1 | grep -q " run run-s-2$" || fail "not run-s-2"
mkdir sub && edgetrain fit sub/../s.json d -q --epochs 1 && [ -s run-s-3/run.json ] || fail "not run-s-3"

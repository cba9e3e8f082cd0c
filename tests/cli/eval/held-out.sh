#!/bin/sh
# Without a test part: what the run held out.
. "$CLI"
spec s.json && data d 60 30 && rm d/t10k-*
edgetrain fit s.json d -o run >fit
grep -q "  split held out  " fit || fail "fit: $(cat fit)"
edgetrain eval run d >eval.out
[ "$(value accuracy <fit)" = "$(value accuracy <eval.out)" ] || fail "$(cat fit eval.out)"
[ "$(value images <eval.out)" -eq 6 ] || fail "$(cat eval.out)"

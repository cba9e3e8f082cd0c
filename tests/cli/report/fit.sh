#!/bin/sh
# What fit says of itself, report says of the run; killed in the middle it is a run as well.
. "$CLI"
spec s.json && data d
edgetrain fit s.json d -o run >line 2>err || fail "$(cat err)"
edgetrain report --format json run >json || fail "no report"
member() { sed -n "s/.*\"$1\": \(.*[^,]\),*\$/\1/p" json | head -n 1; }
[ "$(printf %.4f "$(member val_accuracy)")" = "$(value accuracy <line)" ] || fail "$(cat line json)"
[ "$(printf %.4f "$(member best)")" = "$(value best <line)" ] || fail "$(cat line json)"
[ "$(member epochs)" = 3 ] && [ "$(member steps)" = 18 ] && [ "$(member images)" = 180 ] || fail "$(cat json)"
[ "$(member finished)" = true ] || fail "$(cat json)"
at_least "$(member step_high_ms)" "$(member step_ms)" || fail "$(cat json)"

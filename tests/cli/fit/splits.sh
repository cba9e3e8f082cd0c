#!/bin/sh
# Folders under train, val and test.
. "$CLI"
colour_spec s.json && pictures d/train && pictures d/val && pictures d/test
rm d/val/*/b-*
edgetrain fit s.json d -o run --epochs 2 2>/dev/null | grep -q "  split val  " || fail "not validated on val"
[ "$(edgetrain eval run d | value split)" = test ] || fail "not evaluated on test"
[ "$(edgetrain eval run d --split val | value images)" = 8 ] || fail "val does not have 8 pictures"

#!/bin/sh
# SIGINT, as from the keyboard: 130.
. "$CLI"
command -v timeout >/dev/null || skip "no timeout(1)"
spec s.json && data d 600 30
# shellcheck disable=SC2086 # RUNNER may be several words
timeout --preserve-status -s INT 1 $RUNNER "$EDGETRAIN" fit s.json d -q -o run --epochs 100000 2>err
code=$?
[ $code -eq 130 ] || fail "ended with $code: $(cat err)"
edgetrain eval run d -q || fail "the checkpoint cannot be read"

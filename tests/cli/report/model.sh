#!/bin/sh
# An estimate is marked wherever a number comes from it.
. "$CLI"
# shellcheck source=tests/cli/runs.sh
. "${CLI%/*}/runs.sh"
made_run m source=model:Toaster:window
edgetrain report m >out
[ "$(grep -c '~' out)" -eq 6 ] || fail "$(cat out)"
grep -q '^energy  *~' out && grep -q '^power  *~' out && grep -q '^a picture  *~' out || fail "$(cat out)"
grep -q '^source  *model:Toaster (board)' out || fail "$(cat out)"
grep -q '^~ is not measured: model:Toaster' out || fail "$(cat out)"
grep -q '^steps are too short' out || fail "$(cat out)"
made_run r
edgetrain report m r >out
grep -q '^energy  *~[0-9.]* J  *[0-9]' out || fail "$(cat out)"
grep -q '^m: ~ is not measured' out || fail "$(cat out)"

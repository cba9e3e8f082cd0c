#!/bin/sh
# Names that hold anything: nothing of it reaches the terminal.
. "$CLI"
# shellcheck source=tests/cli/runs.sh
. "${CLI%/*}/runs.sh"
esc=$(printf '\033')
name=$(printf 'r\033[31m\303\244\377\n,"x')
made_run "$name" name='\\u001b[31mnet' mode='\\u0007'
made_run b
edgetrain report "$name" >out || fail "no report"
edgetrain report "$name" b >>out || fail "no report"
edgetrain report "$name" b b b b b >>out || fail "no report"
edgetrain report --format json "$name" >>out || fail "no report"
! grep -q "$esc" out || fail "$(cat -v out)"
grep -q '^run  *r?\[31mä??,"x$' out || fail "$(cat -v out)"

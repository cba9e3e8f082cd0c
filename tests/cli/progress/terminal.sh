#!/bin/sh
# On a terminal: one line redrawn in place, coloured unless NO_COLOR, cut to the width; on a dumb one
# and in a file plain lines.
. "$CLI"
script -qec true /dev/null >/dev/null 2>&1 || skip "no script(1) to make a terminal"
spec s.json && data d 300 30
escape=$(printf '\033')

# on_terminal TERM COLUMNS [VARIABLE=VALUE]: a training there, its output with lines for \r.
run=0
on_terminal() {
	run=$((run + 1))
	script -qec "stty cols $2; env TERM=$1 ${3:-A=b} $RUNNER $EDGETRAIN fit s.json d -o run$run --epochs 20" \
		/dev/null </dev/null | tr '\r' '\n'
}

on_terminal xterm 100 >out
grep -q "${escape}\[1mepoch ...*  step .*  loss .*  accuracy .*${escape}\[K" out || fail "no live line: $(cat -v out)"
grep -q "ETA" out || fail "no ETA"
[ "$(grep -c "^${escape}\[K${escape}\[1mepoch [0-9]*${escape}\[0m  loss" out)" -ge 1 ] || fail "no line an epoch: $(cat -v out)"
grep -q "^accuracy" out || fail "no result"

on_terminal xterm 40 >out
sed "s/$escape\[[0-9]*[mK]//g" out | grep " step \|evaluating\|^epoch [0-9]*/" | awk 'length > 39 { exit 1 }' ||
	fail "longer than the terminal is wide: $(cat -v out)"

on_terminal xterm 100 NO_COLOR=1 >out
grep -q "${escape}\[[0-9]*m" out && fail "colours in spite of NO_COLOR"
grep -q "step .*${escape}\[K" out || fail "NO_COLOR is about colours only"

on_terminal xterm 100 NO_COLOR= >out
grep -q "${escape}\[1m" out || fail "an empty NO_COLOR does not count"

on_terminal dumb 100 >out
grep -q "$escape" out && fail "escape sequences on a dumb terminal"
[ "$(grep -c "^epoch [0-9]*  loss" out)" -eq 20 ] || fail "not a line an epoch: $(cat -v out)"
exit 0

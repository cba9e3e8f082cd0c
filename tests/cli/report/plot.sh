#!/bin/sh
# PNG and SVG of runs of all kinds, whatever their names; nothing in a name is a command.
. "$CLI"
# shellcheck source=tests/cli/runs.sh
. "${CLI%/*}/runs.sh"
command -v gnuplot >/dev/null || skip "no gnuplot"
png() { [ "$(head -c 8 "$1" | od -An -tx1 | tr -d ' ')" = 89504e470d0a1a0a ]; }
evil="a';set print 'pwned';print 1;'\`touch pwned\`
\"@b{_\\n&<"
made_run "$evil" limit=50 volts=5 mode="'.system('pwd>pwned').'\`pwd>pwned\`"
made_run seg miou=1 done=3 later=7
made_run none source= val=
made_run one epochs=1 done=1
made_run begun done=0 later=9 source=model:x
for run in "$evil" seg none one begun; do
	edgetrain report "$run" --plot 1.png >out 2>err || fail "$run: $(cat err)"
	[ ! -s err ] && png 1.png || fail "$run: $(cat err)"
	grep -q '^run ' out || fail "$run: no table"
	rm 1.png
done
edgetrain report "$evil" seg none one begun seg seg seg seg seg --plot 'all of.SVG' >out 2>err || fail "$(cat err)"
grep -q '^<svg' 'all of.SVG' || fail "no SVG"
grep -qF "';print 1;'\`touch pwned\`?" 'all of.SVG' || fail "the name is not in it"
[ ! -e pwned ] || fail "a name was a command"
! command -v python3 >/dev/null || python3 -c 'import sys, xml.dom.minidom as m; m.parse("all of.SVG")' || fail "no XML"
# A panel of which nothing is known is left out.
edgetrain report none --plot n.svg >out || fail "no plot"
! grep -q 'temperature\|energy\|validation' n.svg || fail "an empty panel"
edgetrain report seg --plot s.svg >out || fail "no plot"
grep -q 'mIoU' s.svg && grep -q 'temperature' s.svg && grep -q 'energy, J' s.svg || fail "a panel is missing"
edgetrain report begun --plot b.svg >out || fail "no plot"
grep -q 'power, W (model)' b.svg || fail "an estimate looks like a measurement"

#!/bin/sh
# Wrong use of the study is refused before anything is made.
. "$CLI"
study=${CLI%/tests/cli/lib.sh}/configs/gradient-filter-study.sh
refused() {
	want=$1 text=$2
	shift 2
	code=0
	EDGETRAIN=$EDGETRAIN "$study" "$@" >out 2>err || code=$?
	[ $code -eq "$want" ] || fail "$*: exit code $code, expected $want: $(cat err)"
	grep -q -e "$text" err || fail "$*: expected '$text', found: $(cat err)"
	[ ! -e gradient-filter-study ] || fail "$*: left behind its directory"
}
refused 64 'expected WEIGHTS and DATA' w
refused 64 "unexpected operand 'x'" w d x
refused 64 "unknown option '--lats'" --lats=1 w d
refused 64 '--lr: expected a value' w d --lr
refused 64 "found 'two'" --last 'two' w d
refused 1 'w: no such file' w d
EDGETRAIN=$PWD/none refused 1 'cannot find the program' w d
"$study" --help | grep -q 'mcunet-5fps.json' || fail "no help"

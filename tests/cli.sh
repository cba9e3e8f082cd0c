#!/bin/sh
# The command as its users meet it: runs tests/cli/GROUP/CASE.sh, each in a scratch directory.
#
#   EDGETRAIN=build/edgetrain tests/cli.sh [GROUP[/CASE]]...
#
# A case passes when its exit code is that in CASE.exit (0 without one), and standard output and
# error match CASE.out and CASE.err where there are such files (a line "..." matches any lines, "..."
# within a line any text). Exit code 77: skipped. RUNNER may hold an emulator. Cases begin with
# `. "$CLI"`, which is tests/cli/lib.sh.
set -u
here=$(cd "$(dirname "$0")" && pwd)
EDGETRAIN=${EDGETRAIN:-$here/../build/edgetrain}
case $EDGETRAIN in
/*) ;;
*) EDGETRAIN=$PWD/$EDGETRAIN ;;
esac
RUNNER=${RUNNER:-}
CLI=$here/cli/lib.sh
export EDGETRAIN RUNNER CLI
[ -x "$EDGETRAIN" ] || { echo "tests/cli.sh: no program at $EDGETRAIN" >&2; exit 1; }

# What the user's own environment says must not matter.
unset ET_ISA NO_COLOR OMP_NUM_THREADS
# Waiting threads sleep: tests run beside other work, on nets too small to gain from spinning.
LC_ALL=C TERM=dumb OMP_WAIT_POLICY=passive
export LC_ALL TERM OMP_WAIT_POLICY

scratch=$(mktemp -d "${TMPDIR:-/tmp}/edgetrain-cli.XXXXXX") || exit 1
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

passed=0 failed=0 skipped=0

# Compares one stream with its sidecar and shows the difference.
compare() {
	[ -f "$1" ] || return 0
	awk -f "$here/match.awk" "$1" "$2" && return 0
	printf '    standard %s is not as expected (- expected, + found):\n' "$3"
	diff -u "$1" "$2" | sed -e 1,2d -e 's/^/    /'
	return 1
}

run_case() {
	case_file=$1 base=${1%.sh} name=${1#"$here"/cli/}
	name=${name%.sh}
	dir=$scratch/$name
	mkdir -p "$dir/work"
	(cd "$dir/work" && exec sh "$case_file") >"$dir/out" 2>"$dir/err" </dev/null
	code=$?
	want=0
	[ -f "$base.exit" ] && want=$(cat "$base.exit")
	if [ $code -eq 77 ] && [ "$want" -ne 77 ]; then
		skipped=$((skipped + 1))
		printf '  skip %s: %s\n' "$name" "$(tail -n 1 "$dir/err")"
		rm -rf "$dir"
		return
	fi
	report=$(
		[ $code -eq "$want" ] || printf '    exit code %s, expected %s\n' "$code" "$want"
		compare "$base.out" "$dir/out" output
		compare "$base.err" "$dir/err" error
	)
	if [ -z "$report" ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		printf '  FAIL %s\n%s\n' "$name" "$report"
		[ -f "$base.err" ] || tail -n 5 "$dir/err" | sed 's/^/    stderr: /'
	fi
	rm -rf "$dir"
}

[ $# -gt 0 ] || set -- ''
for want_case; do
	found=no
	for file in "$here"/cli/*/*.sh; do
		name=${file#"$here"/cli/}
		case ${name%.sh}/ in
		"${want_case:+$want_case/}"*) ;;
		*) continue ;;
		esac
		found=yes
		run_case "$file"
	done
	[ $found = yes ] || { echo "tests/cli.sh: no case named '$want_case'" >&2; failed=$((failed + 1)); }
done
printf 'command line: %d passed, %d failed, %d skipped\n' $passed $failed $skipped
[ $failed -eq 0 ]

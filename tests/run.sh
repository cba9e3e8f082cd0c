#!/bin/sh
# Every test: unit tests, layering, symbols, manual pages, command line. `make check-only` calls it.
#
#   B=build/TRIPLE-MODE tests/run.sh       RUN may hold an emulator
#
# Ends with one line, "N passed, N failed, N skipped".
set -u
cd "$(dirname "$0")/.." || exit 1
B=${B:-$(dirname "$(readlink -f build/edgetrain)")}
EDGETRAIN=$B/edgetrain
RUNNER=${RUN:-}
export B EDGETRAIN RUNNER

passed=0 failed=0 skipped=0
log=$(mktemp "${TMPDIR:-/tmp}/edgetrain-check.XXXXXX") || exit 1
trap 'rm -f "$log"' EXIT
trap 'exit 1' HUP INT TERM

count() {
	passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}

# The exit code of what ran last, and its log, as numbers of tests.
tally() {
	code=$1
	# libcheck: "98%: Checks: 50, Failures: 1, Errors: 0"; our scripts: "name: 3 passed, ..."
	numbers=$(sed -n \
		-e 's/^[0-9]*%: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\)$/check \1 \2 \3/p' \
		-e 's/^\(.*: \)\{0,1\}\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/own \2 \3 \4/p' \
		"$log" | tail -n 1)
	# shellcheck disable=SC2086 # words
	set -- $numbers
	case ${1:-} in
	check) count $(($2 - $3 - $4)) $(($3 + $4)) 0 ;;
	own) count "$2" "$3" "$4" ;;
	*)
		case $code in
		0) count 1 0 0 ;;
		77) count 0 0 1 ;;
		*) count 0 1 0 ;;
		esac
		return
		;;
	esac
	# A crash after the last test is a failure too.
	[ "$code" -eq 0 ] || [ $failed -gt 0 ] || count 0 1 0
}

run() {
	"$@" >"$log" 2>&1
	code=$?
	cat "$log"
	tally $code
}

# shellcheck disable=SC2086 # RUNNER may be several words
[ ! -x "$B/unit" ] || CK_TIMEOUT_MULTIPLIER=${CK_TIMEOUT_MULTIPLIER:-10} run $RUNNER "$B/unit"
for script in layers symbols man cli; do
	[ ! -f "tests/$script.sh" ] || run "tests/$script.sh"
done

printf '%d passed, %d failed, %d skipped\n' $passed $failed $skipped
[ $failed -eq 0 ]

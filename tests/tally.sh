# shellcheck shell=sh
# Counting of tests, for tests/run.sh and .ci/run: `run COMMAND...` adds up what the command says of
# itself; `finish` prints the one line at the end and gives the exit code.

passed=0 failed=0 skipped=0
log=$(mktemp "${TMPDIR:-/tmp}/edgetrain-check.XXXXXX") || exit 1
trap 'rm -f "$log"' EXIT
trap 'exit 1' HUP INT TERM

count() {
	passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}

# The last line of the log that is one of libcheck's ("98%: Checks: 50, Failures: 1, Errors: 0") or
# of ours ("name: 3 passed, 0 failed, 1 skipped"), as passed, failed, skipped.
numbers() {
	awk '
	/^[0-9]+%: Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+$/ {
		gsub(/[^0-9]+/, " ")
		split($0, n)
		found = (n[2] - n[3] - n[4]) " " (n[3] + n[4]) " 0"
	}
	/(^|: )[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/ {
		sub(/^.*: /, "")
		gsub(/[^0-9]+/, " ")
		found = $0
	}
	END { print found }' "$log"
}

run() {
	"$@" >"$log" 2>&1
	code=$?
	found=$(numbers)
	if [ -z "$found" ]; then
		# It counts as one, and what it says matters only if it fails.
		case $code in
		0) count 1 0 0 ;;
		77) count 0 0 1 ;;
		*) count 0 1 0 ;;
		esac
		[ $code -eq 0 ] || cat "$log"
		printf '%s: exit code %d\n' "$*" $code
		return
	fi
	cat "$log"
	before=$failed
	# shellcheck disable=SC2086 # three words
	count $found
	# A crash behind the last test is a failure too.
	[ $code -eq 0 ] || [ $failed -gt "$before" ] || count 0 1 0
}

finish() {
	printf '%d passed, %d failed, %d skipped\n' $passed $failed $skipped
	[ $failed -eq 0 ]
}

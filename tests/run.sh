#!/bin/sh
# Every test: unit tests, fuzz corpus, layering, symbols, manual pages, install, command line.
# `make check-only` calls it.
#
#   B=build/TRIPLE-MODE tests/run.sh       RUN may hold an emulator
#
# Ends with one line, "N passed, N failed, N skipped".
set -u
cd "$(dirname "$0")/.." || exit 1
B=${B:-$(dirname "$(readlink -f build/edgetrain)")}
EDGETRAIN=$B/edgetrain
RUNNER=${RUN:-}
CK_TIMEOUT_MULTIPLIER=${CK_TIMEOUT_MULTIPLIER:-10}
export B EDGETRAIN RUNNER CK_TIMEOUT_MULTIPLIER

. tests/tally.sh

# shellcheck disable=SC2086 # RUNNER may be several words
run $RUNNER "$B/unit"
for target in tests/fuzz/corpus/*; do
	# shellcheck disable=SC2086
	run $RUNNER "$B/fuzz-${target##*/}" "$target"
done
for script in layers symbols man install cli; do
	run "tests/$script.sh"
done
finish

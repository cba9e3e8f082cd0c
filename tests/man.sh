#!/bin/sh
# The manual pages against the program: every command has a page, every option stands in its
# command's page and the other way round, every setting and its default in edgetrain-spec.5, and
# mandoc finds nothing to complain about.
#
#   EDGETRAIN=build/edgetrain tests/man.sh
set -u
cd "$(dirname "$0")/.." || exit 1
EDGETRAIN=${EDGETRAIN:-build/edgetrain}
RUNNER=${RUNNER:-}
passed=0 failed=0 skipped=0

ok() { passed=$((passed + 1)); }
bad() {
	failed=$((failed + 1))
	printf '  FAIL %s\n' "$*"
}

# check WHAT COMMAND...
check() {
	what=$1
	shift
	if "$@"; then ok; else bad "$what"; fi
}

# shellcheck disable=SC2086 # RUNNER may be several words
help_of() { $RUNNER "$EDGETRAIN" "$@"; }

# "--name" and "-n" of all options in help text, and in the list items of mdoc.
help_options() {
	awk '/^ *(-., )?--/ {
		if ($1 ~ /^-.,$/) { print substr($1, 1, 2); $1 = $2 }
		sub(/=.*/, "", $1)
		print $1
	}'
}
page_options() {
	awk '{
		for (i = 1; i <= NF; i++)
			if ($i ~ /^\.?Fl$/ && $(i + 1) == "Fl")
				print "--" $(i += 2)
			else if ($i ~ /^\.?Fl$/)
				print "-" $(++i)
	}'
}

# listed ITEM LINES
listed() { printf '%s\n' "$2" | grep -qxF -e "$1"; }

check_page() {
	page=$1
	options=$(printf '%s\n' "$2" | help_options)
	defined=$(grep '^\.It' "$page" | page_options)
	[ -n "$options" ] || bad "$page: found no options in the help"
	for option in $options; do
		check "$page: does not say what $option is" listed "$option" "$defined"
	done
	for option in $defined; do
		check "$page: describes $option, which the program does not have" \
			listed "$option" "$options"
	done
}

main_help=$(help_of help) || exit 1
check_page man/edgetrain.1 "$main_help"
commands=$(printf '%s\n' "$main_help" | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
[ -n "$commands" ] || bad "found no commands in 'edgetrain help'"
for command in $commands; do
	check "man/edgetrain.1: does not name the command $command" \
		grep -qx "\.It Cm $command" man/edgetrain.1
	[ "$command" != help ] || continue # described in edgetrain.1
	page=man/edgetrain-$command.1
	if [ -f "$page" ]; then
		check_page "$page" "$(help_of "$command" --help)"
	else
		bad "there is no $page"
	fi
done

# "key default" of the settings, from the options of fit that stand under Training.
settings=$(help_of fit --help | awk '
	/^[A-Z]/ { training = /^Training/ }
	!training { next }
	/^ *--/ { flush(); key = $1; sub(/^--/, "", key); sub(/=.*/, "", key); gsub(/-/, "_", key) }
	match($0, /\[default: [^]]*\]/) { value = substr($0, RSTART + 10, RLENGTH - 11) }
	function flush() { if (key != "") print key, value; key = value = "" }
	END { flush() }')
[ -n "$settings" ] || bad "found no settings in 'edgetrain fit --help'"
rows=$(sed -n 's/^\.It Cm \([a-z0-9_]*\) Ta .* Ta \(.*\)$/\1 \2/p' man/edgetrain-spec.5 | sed 's/[\\]//')
settings_file=$(mktemp) || exit 1
printf '%s\n' "$settings" >"$settings_file"
while read -r key value; do
	row=$(printf '%s\n' "$rows" | sed -n "s/^$key //p")
	if [ -z "$row" ]; then
		bad "man/edgetrain-spec.5: no row for the setting $key"
	elif [ -n "$value" ] && [ "$row" != "$value" ]; then
		bad "man/edgetrain-spec.5: $key has default $row, the program $value"
	else
		ok
	fi
done <"$settings_file"
rm -f "$settings_file"
for key in $(printf '%s\n' "$rows" | sed 's/ .*//'); do
	check "man/edgetrain-spec.5: $key is not a setting" \
		listed "$key" "$(printf '%s\n' "$settings" | sed 's/ .*//')"
done

# Every technique has a section, and nothing else has one.
modes=$(help_of modes | sed 's/ .*//')
sections=$(sed -n 's/^\.Ss //p' man/edgetrain-modes.7)
[ -n "$modes" ] || bad "found no techniques in 'edgetrain modes'"
for mode in $modes; do
	check "man/edgetrain-modes.7: no section on $mode" listed "$mode" "$sections"
done
for section in $sections; do
	check "man/edgetrain-modes.7: $section is not a technique" listed "$section" "$modes"
done

# The page of each .Xr of ours is there.
refs=$(sed -n 's/^\.Xr \(edgetrain[a-z-]*\) \([1-9]\).*/\1.\2/p' man/*.[1-9] | sort -u)
for ref in $refs; do
	check "there is no man/$ref, which other pages refer to" test -f "man/$ref"
done

if command -v mandoc >/dev/null; then
	for page in man/*.[1-9]; do
		check "$page: mandoc complains" mandoc -T lint -W warning "$page"
	done
else
	skipped=$((skipped + 1))
	echo '  skip mandoc lint: no mandoc here'
fi

printf 'manual pages: %d passed, %d failed, %d skipped\n' $passed $failed $skipped
[ $failed -eq 0 ]

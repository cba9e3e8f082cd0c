#!/bin/sh
# CSV and JSON have all numbers; the sums are those of epochs.csv.
. "$CLI"
# shellcheck source=tests/cli/runs.sh
. "${CLI%/*}/runs.sh"
made_run a name='na\\"me,x' done=4 later=3
made_run b source=
edgetrain report --format csv a b >csv || fail "no CSV"
[ "$(wc -l <csv)" -eq 3 ] || fail "$(cat csv)"
edgetrain report --format json a b >json || fail "no JSON"
sum() { awk -F, -v name="$1" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) c = i; next } { s += $c } END { print s }' "$2"; }
member() { sed -n "s/.*\"$1\": \(.*[^,]\),*\$/\1/p" json | sed 's/}$//' | head -n 1; }
same() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a - b < 1e-3 * a && b - a < 1e-3 * a && a > 0) }'; }
same "$(member pause_s)" 0 && fail "there were no pauses"
[ "$(member steps)" = 163 ] || fail "$(cat json)"
[ "$(member name)" = '"na\"me,x"' ] || fail "$(cat json)"
[ "$(grep -c energy_j json)" -eq 1 ] || fail "what is not known is absent: $(cat json)"
# The three steps after the last row of epochs.csv count, too.
rows=$(sum energy_j a/epochs.csv) more=$(tail -n 3 a/steps.csv | awk -F, '{ s += $12 } END { print s }')
same "$(member energy_j)" "$(awk "BEGIN { print $rows + $more }")" || fail "$rows, $more: $(cat json)"
same "$(member images_per_s)" 79.9 || same "$(member images_per_s)" 80 || fail "$(cat json)"
if command -v python3 >/dev/null; then
	python3 - <<-'END' || fail "CSV and JSON differ"
	import csv, json
	rows, runs = list(csv.DictReader(open("csv"))), json.load(open("json"))
	for row, run in zip(rows, runs):
	    assert set(run) <= set(row), run
	    for name, text in row.items():
	        value = run.get(name)
	        if isinstance(value, bool):
	            assert text == str(value).lower(), name
	        elif isinstance(value, (int, float)):
	            assert float(text) == value, name
	        else:
	            assert text == (value or ""), name
	END
fi

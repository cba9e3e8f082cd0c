#!/bin/sh
# A run begun by a version without energy in epochs.csv keeps its rows: empty cells are added.
. "$CLI"
spec s.json && data d
edgetrain fit s.json d -q -o run --epochs 2 || fail "$?"
cut -d, -f1-9 run/epochs.csv >old && cp old run/epochs.csv
edgetrain fit -q --resume run --epochs 3 || fail "cannot resume"
cut -d, -f1-9 run/epochs.csv | head -n 3 | cmp - old || fail "rows were lost: $(cat run/epochs.csv)"
awk -F, 'NR == 1 { n = NF } NF != n || n < 17 { exit 1 } END { if (NR != 4) exit 1 }' run/epochs.csv ||
	fail "columns: $(cat run/epochs.csv)"
[ "$(sed -n 2p run/epochs.csv | cut -d, -f10-)" = ,,,,,,, ] || fail "old cells: $(cat run/epochs.csv)"
[ -n "$(sed -n 4p run/epochs.csv | cut -d, -f14)" ] || fail "new cells"

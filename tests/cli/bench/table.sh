#!/bin/sh
# Two tables, exact's line first wherever it was named; recipes may hold commas.
. "$CLI"
spec s.json && data d
edgetrain bench s.json d --modes 'filter:2,scale=paper,filter:4;exact' --steps 5 >out 2>err ||
	fail "$(cat err)"
awk '
	function expect(want) { if ($0 !~ want) { print NR ": " $0 " is not " want; bad = 1 } }
	length > 100 { print "too wide: " $0; bad = 1 }
	BEGIN {
		spread = " +[0-9.]+ \\([0-9.]+\\)"
		spreads = spread spread spread spread spread
		bytes = " +([0-9.]+|-) +[0-9.]+ +[0-9.]+"
	}
	NR == 1 { expect("median \\(interquartile range\\) of 5 steps in 5 rounds, batch of 10$") }
	NR == 2 { expect("^mode +step +forward +backward +update +data speedup$") }
	NR == 3 { expect("^exact" spreads "  1.000x$") }
	NR == 4 { expect("^filter:2,scale=paper" spreads " +[0-9.]+x$") }
	NR == 5 { expect("^filter:4" spreads " +[0-9.]+x$") }
	NR == 6 { expect("^$") }
	NR == 8 { expect("^mode( +peak MB)? +plan MB saved MB +cosine +norm$") }
	NR == 9 { expect("^exact" bytes "   1.0000   1.0000$") }
	NR == 10 { expect("^filter:2,scale=paper" bytes "   0[.][0-9]+   [0-9.]+$") }
	NR == 11 { expect("^filter:4" bytes "   0[.][0-9]+   [0-9.]+$") }
	END { exit bad || NR != 11 }' out || fail "$(cat out)"

#!/bin/sh
# In the confusion matrix a row is a true class: its sum is what there is of it.
. "$CLI"
spec s.json && data d && edgetrain fit s.json d -q -o run --epochs 1 --lr 0
edgetrain eval run d --per-class --confusion c.csv >out
awk -F, 'NR > 1 { sum = 0; for (i = 2; i <= NF; i++) sum += $i; if (sum != 10) exit 1 }
	END { if (NR != 4) exit 1 }' c.csv || fail "row sums: $(cat c.csv)"
# An untrained network favours some class: the columns show it, or the test would prove nothing.
awk -F, 'NR > 1 { for (i = 2; i <= NF; i++) sum[i] += $i }
	END { exit sum[2] == sum[3] && sum[3] == sum[4] }' c.csv || fail "columns: $(cat c.csv)"
[ "$(awk -F, 'NR > 1 { for (i = 2; i <= NF; i++) sum[i] += $i }
	END { print sum[2], sum[3], sum[4] }' c.csv)" = "$(awk '/^class/ { on = 1; next }
	on { printf "%s%s", sep, $5; sep = " " } END { print "" }' out)" ] || fail "predicted: $(cat out c.csv)"

#!/bin/sh
# The table of classes adds up.
. "$CLI"
spec s.json && data d 120 60 && edgetrain fit s.json d -q -o run
edgetrain eval run d --per-class --confusion c.csv >out
sed -n "/^class/,\$p" out >table
cat table
awk "NR > 1 { images += \$2; correct += \$3; predicted += \$5 }
	END { exit !(images == 60 && predicted == 60 && correct > 40) }" table || fail "does not add up: $(cat table)"
awk -F, "NR > 1 { for (i = 2; i <= NF; i++) sum += \$i; right += \$NR }
	END { printf \"%.4f\n\", right / sum; exit sum != 60 }" c.csv >ratio || fail "confusion: $(cat c.csv)"
[ "$(cat ratio)" = "$(value accuracy <out)" ] || fail "confusion says $(cat ratio): $(cat out)"
[ "$(wc -l <c.csv)" -eq 4 ] || fail "rows of the confusion matrix"
[ "$(ls)" = "$(printf "c.csv\nd\nout\nratio\nrun\ns.json\ntable\n")" ] || fail "something was left: $(ls)"

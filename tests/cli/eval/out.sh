#!/bin/sh
# The confusion matrix and the table of classes as files, beside the run or elsewhere.
. "$CLI"
spec s.json && data d 60 30 && edgetrain fit s.json d -q -o run
edgetrain eval run d --per-class --confusion c.csv --out run/test >out
cmp c.csv run/test/confusion.csv || fail "two confusion matrices"
head -n 1 run/test/classes.csv
# The same numbers as in the table, and a share is that of its counts.
awk -F, 'NR > 1 { printf "%s %d %d %.4f %d", $1, $2, $3, $4, $5
	print $6 == "" ? " -" : sprintf(" %.4f", $6)
	if ($2 && ($4 - $3 / $2) ^ 2 > 1e-10) exit 1 }' run/test/classes.csv >table || fail "$(cat run/test/classes.csv)"
sed '1,/^class/d' out | tr -s ' ' | cmp - table || fail "$(cat out table)"
: >file
edgetrain eval run d -o file/in && fail "wrote below a file"
exit 0

#!/bin/sh
# A meter that falls silent and comes back: empty cells in between, never 0, and a run that goes on.
. "$CLI"
spec s.json && data d 600 30
echo 10 >watts
(
	while [ ! -e run/epochs.csv ]; do sleep 0.1; done
	sleep 1.5
	mv watts gone
	sleep 2.5
	mv gone watts
) &
edgetrain fit s.json d -q -o run --epochs 100000 --max-time 8 --power-from "$PWD/watts" || fail "ended with $?"
wait
awk -F, '
NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
{ j = $at["energy_j"]; now = j == "" ? "empty" : "known" }
j != "" && j <= 0 { bad = "no energy is empty: " $0 }
(j == "") != ($at["energy_source"] == "") || (j == "") != ($at["power_w"] == "") { bad = "cells: " $0 }
now != before { course = course " " now; before = now }
END { if (course != " known empty known") bad = "course:" course
      if (bad != "") { print bad; exit 1 } }' run/steps.csv >said || fail "steps.csv: $(cat said)"

#!/bin/sh
# A run goes on for more epochs.
. "$CLI"
spec s.json && data d && edgetrain fit s.json d -q -o run --epochs 1
edgetrain fit -q --resume run --epochs 2
[ "$(wc -l <run/epochs.csv)" -eq 3 ] || fail "rows of epochs.csv: $(cat run/epochs.csv)"
[ "$(cut -d, -f1 run/steps.csv | tail -n 1)" = 12 ] || fail "steps: $(tail -n 1 run/steps.csv)"

#!/bin/sh
# Without a source every cell of energy is empty, and what needs one is refused before anything runs.
. "$CLI"
spec s.json && data d && mkdir nothing
edgetrain fit s.json d -q -o run --epochs 1 --sysroot nothing || fail "ended with $?"
awk -F, 'NR > 1 && ($12 $13 $14 $15 $16 $17) != "" { exit 1 }' run/steps.csv || fail "steps.csv: $(tail -n 1 run/steps.csv)"
[ "$(sed -n 2p run/epochs.csv | cut -d, -f10-13)" = ,,, ] || fail "epochs.csv"
[ ! -e run/power.csv ] || fail "a series of nothing"
! grep -q '"power"' run/run.json || fail "run.json"
for option in --max-energy=5J --max-temp=80; do
	edgetrain fit s.json d -o no --sysroot nothing $option 2>err
	[ $? -eq 64 ] && [ "$(wc -l <err)" -eq 1 ] && grep -q -e "${option%=*}: expected a s[a-z]* of [a-z]*, found none" err ||
		fail "$option: $(cat err)"
	[ ! -e no ] || fail "$option: a run was begun"
done

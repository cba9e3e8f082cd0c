#!/bin/sh
# Joules are watts times seconds, and it is said whose watts.
. "$CLI"
spec s.json && data d
edgetrain plan s.json d --format json --power-from 'while echo 5; do sleep 0.05; done' >json || fail "no plan"
member() { sed -n "s/.*\"estimate\".*\"$1\": \([^,}]*\).*/\1/p" json; }
for part in step evaluation epoch run; do
	awk -v j="$(member ${part}_j)" -v s="$(member ${part}_s)" 'BEGIN { exit !(s > 0 && j > 4.95 * s && j < 5.05 * s) }' ||
		fail "$part: $(cat json)"
done
[ "$(member energy_estimated)" = false ] || fail "$(cat json)"
edgetrain plan s.json d --power-model 2,4 >text || fail "no plan"
grep -q '^step .*~[0-9.]* m*J' text && grep -q 'power by model:.*~ is not measured' text || fail "$(cat text)"

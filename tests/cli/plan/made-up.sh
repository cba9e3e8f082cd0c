#!/bin/sh
# Without data: made-up pictures, as many an epoch as is said; with masks too.
. "$CLI"
spec s.json && pixel_spec p.json
member() { sed -n "s/.*\"estimate\".*\"$1\": \([^,}]*\).*/\1/p" json; }
edgetrain plan s.json --format json --pictures 500 >json || fail "no plan"
[ "$(member pictures)" = 500 ] && [ "$(member real_pictures)" = false ] || fail "$(cat json)"
[ "$(member val_pictures)" = 0 ] || fail "$(cat json)"
awk -v epoch="$(member epoch_s)" -v step="$(member step_s)" \
	'BEGIN { exit !(step > 0 && epoch > 49.99 * step && epoch < 50.01 * step) }' || fail "$(cat json)"
edgetrain plan p.json >text || fail "no plan"
grep -q 'made-up pictures were measured, without decoding; for 1000 pictures an epoch' text || fail "$(cat text)"
data d
edgetrain plan s.json d --pictures 5 2>err
[ $? -eq 64 ] || fail "$(cat err)"

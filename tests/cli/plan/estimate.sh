#!/bin/sh
# A few steps are taken, and the run is what they add up to; nothing is written.
. "$CLI"
spec s.json && data d
before=$(find . | sort)
edgetrain plan s.json d --format json --epochs 4 --power none >../json || fail "no plan"
[ "$(find . | sort)" = "$before" ] || fail "$(find .)"
mv ../json json
member() { sed -n "s/.*\"estimate\".*\"$1\": \([^,}]*\).*/\1/p" json; }
near() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a > 0 && a - b < 1e-4 * a && b - a < 1e-4 * a) }'; }
at_least "$(member steps)" 3 || fail "$(cat json)"
[ "$(member pictures)" = 60 ] && [ "$(member val_pictures)" = 30 ] || fail "$(cat json)"
[ "$(member real_pictures)" = true ] && [ "$(member epochs)" = 4 ] || fail "$(cat json)"
epoch=$(awk "BEGIN { print 6 * $(member step_s) + $(member evaluation_s) }")
near "$(member epoch_s)" "$epoch" || fail "an epoch of six steps: $epoch, $(cat json)"
near "$(member run_s)" "$(awk "BEGIN { print 4 * $epoch }")" || fail "$(cat json)"
! grep -q '_j"\|energy' json || fail "energy of nothing: $(cat json)"
if command -v python3 >/dev/null; then
	python3 -c 'import json, sys; json.load(sys.stdin)' <json || fail "no JSON: $(cat json)"
fi
edgetrain plan s.json d --epochs 4 >text || fail "no plan"
grep -q '^total' text && grep -q '^step  *[0-9.]* ms' text && grep -q '^evaluation  *[0-9]' text || fail "$(cat text)"
grep -q '^epoch  *[0-9]' text && grep -q '^4 epochs  *[0-9]' text || fail "$(cat text)"
# Memory alone; and what does not fit takes no step.
edgetrain plan s.json d --estimate 0 >text || fail "no plan"
! grep -q epoch text || fail "$(cat text)"
edgetrain plan s.json d --max-memory 1M >text 2>err
[ $? -eq 80 ] || fail "$(cat err)"
! grep -q '^step' text || fail "$(cat text)"

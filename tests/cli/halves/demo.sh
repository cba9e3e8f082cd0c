#!/bin/sh
# datasets/demo.sh from another directory, on little: every step runs, and the table says what the
# runs wrote down.
. "$CLI"
root=${CLI%/*}/../..
spec s.json && data d 120 30
# As the program, whatever runs it.
# shellcheck disable=SC2016
printf '#!/bin/sh\nexec $RUNNER %s "$@"\n' "$EDGETRAIN" >program && chmod +x program
EDGETRAIN=./program SPEC=s.json MODES="filter:2 filter:4" \
	"$root/datasets/demo.sh" d 'new/out dir' >out 2>log || fail "$(cat log)"

# cell FILE COLUMN [ROW]: from a CSV; without ROW the last.
cell() {
	awk -F, -v name="$2" -v row="${3:-0}" '
		NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) at = i; next }
		NR == row + 1 || !row { value = $at }
		END { print value }' "$1"
}
# in_table MODE FIELD: of the table.
in_table() { awk -v mode="$1" -v field="$2" '/^mode/ { on = 1 } on && $1 == mode { print $field }' out; }
percent() { awk -v a="$1" 'BEGIN { printf "%.1f\n", 100 * a }'; }

grep -qx 'mode      accuracy  forward ms  backward ms  step ms    saved  peak memory' out || fail "no table: $(cat out)"
[ "$(in_table before 2)" = "$(percent "$(cell "new/out dir/before/epochs.csv" val_accuracy)")" ] ||
	fail "before: $(cat out)"
for mode in exact filter:2 filter:4; do
	dir="new/out dir/$(echo $mode | tr : -)"
	[ "$(in_table $mode 2)" = "$(percent "$(cell "$dir/epochs.csv" val_accuracy)")" ] || fail "$mode: accuracy"
	# The median of the two in the middle of 18, which only sorting finds.
	tail -n +2 "$dir/steps.csv" | cut -d, -f9 | sort -n | sed -n '9p;10p' >middle
	median=$(awk '{ sum += $1 } END { print sum / NR }' middle)
	[ "$(wc -l <"$dir/steps.csv") $(awk -v mode=$mode '$1 == mode { print $4 }' "new/out dir/table")" = "19 $median" ] ||
		fail "$mode: the median is $median, not as in: $(cat "new/out dir/table")"
	[ "$(in_table $mode 5)" = "$(awk -v m="$median" 'BEGIN { printf "%.2f", m }')" ] || fail "$mode: $median is not in: $(cat out)"
	at_least "$(in_table $mode 6)" "$(in_table $mode 5)" || fail "$mode: the step is shorter than its part"
	bytes=$(./program plan --estimate 0 s.json d --init x --last 4 --mode $mode --format json |
		sed -n 's/.*"training".*"saved": \([0-9]*\),.*/\1/p')
	[ "$(in_table $mode 7)" = "$(awk -v b="$bytes" 'BEGIN { printf "%.2f\n", b / 1e6 }')" ] || fail "$mode: saved"
	at_least "$(in_table $mode 9)" 1 || fail "$mode: peak memory"
	grep -q '"subset":.*/out dir/half-b"' "$dir/run.json" || fail "$mode: not trained on half B"
	grep -q '"init":.*/out dir/before/model.safetensors"' "$dir/run.json" || fail "$mode: other weights"
done
grep -q '"subset":.*/out dir/half-a"' "new/out dir/before/run.json" || fail "not pre-trained on half A"
[ "$(grep -c '^With filter:. the backward pass was ' out)" = 2 ] || fail "no words: $(cat out)"

EDGETRAIN=./program SPEC=s.json "$root/datasets/demo.sh" d 'new/out dir' >out 2>log && fail "ran twice in one place"
EDGETRAIN=./program SPEC=s.json "$root/datasets/demo.sh" none other >out 2>log && fail "ran without data"
grep -q "^datasets/halves.sh: none: no train-labels" log && [ ! -s out ] || fail "$(cat out log)"
"$EDGETRAIN" plan --estimate 0 "$root/configs/fashion-halves.json" --last 4 --mode filter:4 >log 2>&1 || fail "$(cat log)"

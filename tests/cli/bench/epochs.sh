#!/bin/sh
# A whole training in each mode: the same as fit's, from the same weights. The same recipe twice
# has two directories.
. "$CLI"
spec s.json && data d
edgetrain fit s.json d -q -o init --epochs 1 || fail "no weights"
w="--init init/model.safetensors --lr 0.03"
# shellcheck disable=SC2086 # two options each
edgetrain bench s.json d $w --modes exact,filter:2,paper,exact --epochs 2 --steps 3 -o out >table \
	2>err || fail "$(cat err)"
grep -q 'accuracy on test' table || fail "$(cat table)"
[ "$(ls out)" = "$(printf 'bench.csv\nexact\nexact-2\nfilter-2-paper\nlayers.csv')" ] ||
	fail "$(ls out)"
cmp out/exact/model.safetensors out/exact-2/model.safetensors || fail "exact and exact differ"
# shellcheck disable=SC2086
edgetrain fit s.json d -q $w --mode filter:2,paper --epochs 2 -o fit || fail "no fit"
cmp fit/model.safetensors out/filter-2-paper/model.safetensors || fail "not what fit makes"
sed 's/^"filter:2,paper"/filter/' out/bench.csv | awk -F, '
	NR == FNR { if (FNR > 1) { last[FILENAME] = $5; if ($5 > best) best = $5 } next }
	FNR == 1 { for (i = 1; i <= NF; i++) at[$i] = i }
	$1 == "filter" {
		found = $at["val_accuracy"] == last["fit/epochs.csv"] &&
			$at["best_val_accuracy"] == best && $at["epochs"] == 2 && $at["seconds"] > 0
	}
	END { exit !found }' fit/epochs.csv - || fail "$(cat out/bench.csv)"
# The next bench does not overwrite the runs either.
rm out/bench.csv
edgetrain bench s.json d --modes exact --epochs 1 --steps 1 -o out 2>err
[ $? -eq 64 ] || fail "overwrote a run"

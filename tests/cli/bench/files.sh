#!/bin/sh
# bench.csv has a row a mode, layers.csv a row a mode and layer; exact compared with exact is 1
# everywhere, filtering is not; what is not known is empty.
. "$CLI"
spec s.json && data d
edgetrain bench s.json d --last 4 --bn frozen --modes 'filter:2,paper;exact' --steps 7 -o new/dir >out 2>err ||
	fail "$(cat err)"
[ "$(ls new/dir)" = "$(printf 'bench.csv\nlayers.csv')" ] || fail "$(ls new/dir)"

# The recipe that holds a comma is quoted; without the quoted cell each row has one field a column.
sed 's/^"filter:2,paper"/filter/' new/dir/bench.csv | awk -F, '
	NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; columns = NF; next }
	{ name[NR] = $1; if (NF != columns) bad = "fields: " $0 }
	$at["steps"] != 7 { bad = "steps: " $0 }
	!($at["step_ms"] > 0 && $at["forward_ms"] > 0 && $at["backward_ms"] > 0) { bad = "ms: " $0 }
	!($at["step_iqr_ms"] >= 0) || $at["step_ms"] < $at["forward_ms"] { bad = "ms: " $0 }
	!($at["planned_peak_bytes"] > $at["saved_bytes"] && $at["saved_bytes"] > 0) { bad = "bytes: " $0 }
	$at["energy_j"] $at["epochs"] $at["val_accuracy"] $at["seconds"] != "" { bad = "known: " $0 }
	NR == 2 && ($at["cosine"] != 1 || $at["norm_ratio"] != 1 || $at["speedup"] != 1) { bad = $0 }
	NR == 3 && !($at["cosine"] > 0.05 && $at["cosine"] < 0.95) { bad = $0 }
	{ saved[NR] = $at["saved_bytes"] }
	END {
		if (NR != 3 || name[2] != "exact" || name[3] != "filter") bad = "rows"
		if (saved[3] >= saved[2]) bad = "filtering saves nothing"
		if (bad) { print bad; exit 1 }
	}' || fail "$(cat new/dir/bench.csv)"

# Five layers with weights: two of them see dx, the first has none.
sed 's/^"filter:2,paper"/filter/' new/dir/layers.csv | awk -F, '
	NR == 1 { next }
	{ layers[$1] = layers[$1] " " $2 }
	$1 == "exact" && ($3 != 1 || $4 != 1) { bad = $0 }
	$1 == "exact" && $2 == "conv1" && $5 $6 != "" { bad = $0 }
	$1 == "exact" && $2 != "conv1" && ($5 != 1 || $6 != 1) { bad = $0 }
	$1 == "filter" && $2 == "fc" && ($3 != 1 || $4 != 1 || $5 != 1) { bad = $0 }
	$1 == "filter" && $2 == "layer1.0.conv2" && !($3 < 1 && $5 < 1 && $5 > 0) { bad = $0 }
	$7 < 0 || $7 > 1 || $7 == "" { bad = $0 }
	END {
		want = " conv1 layer1.0.downsample.0 layer1.0.conv1 layer1.0.conv2 fc"
		if (layers["exact"] != want || layers["filter"] != want) bad = "layers:" layers["exact"]
		if (bad) { print bad; exit 1 }
	}' || fail "$(cat new/dir/layers.csv)"

# A bench that is there stays.
cp -R new/dir kept
edgetrain bench s.json d --modes exact --steps 1 -o new/dir >out 2>err
[ $? -eq 64 ] || fail "overwrote a bench"
grep -q 'holds a bench already' err || fail "$(cat err)"
diff -r new/dir kept || fail "files changed"

#!/bin/sh
# Gradient modes on a network with dilation, concat and upsampling: the last convolutions filtered,
# each with its own R; batches skipped; a bench with whole trainings.
. "$CLI"
shapes d && pixel_spec s.json
set -- s.json d -q --epochs 8 --batch-size 4
edgetrain fit "$@" -o exact || fail "exact"
edgetrain fit "$@" --last 3 --modes 'head=filter:2;conv3=filter:4;conv2=filter:2' -o filter || fail "filter"
edgetrain fit "$@" --last 3 -o last || fail "last"
! cmp -s filter/model.safetensors last/model.safetensors || fail "the filter does nothing"
edgetrain eval filter d >out && at_least "$(value miou <out)" 0.5 || fail "filtered: $(cat out)"
edgetrain fit "$@" --mode smd:0.5 -o smd || fail "smd"
edgetrain bench s.json d --modes exact,filter:2,interleaved,delta --epochs 4 --steps 4 -o bench >table 2>err ||
	fail "bench: $(cat err)"
grep -q ' mIoU ' table || fail "$(cat table)"
awk -F, 'NR == FNR { last = $10; next }
	FNR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
	$1 == "exact" { found = $at["val_miou"] == last && $at["best_val_miou"] >= last && $at["best_val_accuracy"] == "" }
	END { exit !found }' bench/exact/epochs.csv bench/bench.csv || fail "$(cat bench/bench.csv)"

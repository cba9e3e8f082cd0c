#!/bin/sh
# A run's network for segmentation: a mask for each picture, its name printed, shares that add up; what
# is there is replaced, and nothing else is written.
. "$CLI"
shapes d
cat >s.json <<-'END'
	{"classes": 3, "input": {"channels": 3, "height": 16, "width": 16, "mean": 0.5, "std": 0.25},
	 "layers": [{"name": "c", "type": "conv2d", "out_channels": 3, "kernel_size": 3, "padding": 1}],
	 "train": {"epochs": 2, "batch_size": 4, "lr": 0.1}}
END
edgetrain fit s.json d -q -o run || fail "no run"
edgetrain predict run d/images/train && fail "no --out passes"
edgetrain predict run d/images/train --out d/images/train && fail "masks among pictures pass"
edgetrain predict run d/images/train --out masks --format csv >all || fail "$(cat all)"
head -n 1 all
n=$(find d/images/train -type f | wc -l)
[ "$(find masks -name '*.png' | wc -l)" -eq "$n" ] || fail "$(ls masks)"
awk -F, 'NR > 1 { sum[$1] += $NF } END { for (i in sum) { n++; if (sum[i] < 0.9999 || sum[i] > 1.0001) exit 1 }
	exit n != '"$n"' }' all || fail "$(cat all)"
one=$(find d/images/train -type f | sort | head -n 1)
edgetrain predict run "$one" --out masks --overlay --top 1 --format json | sed 's/[0-9.]*}\]}$/N}]}/; s/class":.,"label":"[^"]*"/CLASS/'
[ "$(find masks -name '*.png' | wc -l)" -eq $((n + 1)) ] || fail "$(ls masks)"
[ "$(ls)" = "$(printf 'all\nd\nmasks\nrun\ns.json')" ] || fail "left: $(ls)"

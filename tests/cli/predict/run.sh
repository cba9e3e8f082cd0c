#!/bin/sh
# A run's network on the pictures it learned: names, probabilities that add up, and as many right as
# eval says; the same whatever the batch and the number of threads.
. "$CLI"
colour_spec s.json && pictures d
edgetrain fit s.json d -q -o run
edgetrain predict run d/disc/a-disc0.png
edgetrain predict run d --format csv >all
head -n 1 all
awk -F, 'NR > 1 { sum[$1] += $5; n++ } END { for (i in sum) if (sum[i] < 0.9999 || sum[i] > 1.0001) exit 1
	exit n != 32 }' all || fail "rows or sums: $(cat all)"
right=$(awk -F, '$2 == 1 && $1 ~ "/" $4 "/" { n++ } END { printf "%.4f", n / 16 }' all)
[ "$right" = "$(edgetrain eval run d --split train --batch-size 3 | value accuracy)" ] || {
	# What was held out counts here, too.
	train=$(edgetrain eval run d --split train | tr -s ' ')
	val=$(edgetrain eval run d --split val | tr -s ' ')
	awk -v right="$right" -v a="$(echo "$train" | value accuracy)" -v n="$(echo "$train" | value images)" \
		-v b="$(echo "$val" | value accuracy)" -v m="$(echo "$val" | value images)" \
		'BEGIN { d = right - (a * n + b * m) / (n + m); exit d > 0.001 || d < -0.001 }' ||
		fail "accuracy $right, eval: $train $val"
}
for how in "--batch-size 1" "--batch-size 3 --threads 3" "--batch-size 16 --workers 3 --threads 1"; do
	# shellcheck disable=SC2086
	edgetrain predict run d --format csv $how | cmp - all || fail "other results with $how"
done
edgetrain predict run d/cross d/disc --format csv | cmp - all || fail "two directories"
[ "$(edgetrain predict run d --top 1 | wc -l)" -eq 16 ] || fail "a line a picture"
[ -z "$(edgetrain predict run d -q)" ] || fail "not quiet"
edgetrain predict run d --best --top 1 >best
edgetrain predict run d --weights run/best.safetensors --top 1 | cmp - best || fail "not the best weights"
edgetrain predict run d d d d --batch-size 1 2>err | head -n 1 >/dev/null
[ ! -s err ] || fail "complains when nobody reads any more: $(cat err)"

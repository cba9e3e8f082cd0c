#!/bin/sh
# Batch norm: by the batch with fresh weights, frozen with given ones, or as said; quiet; the same
# bytes for any number of threads.
. "$CLI"
spec s.json && data d
# 192 numbers from -2 to 2: the two bytes of a float that matter.
noise=$(awk 'BEGIN {
	for (i = 0; i < 192; i++) {
		seed = (seed * 1103 + 12345) % 65536
		printf "\\0\\0\\%03o\\%03o", seed % 256, seed < 32768 ? 63 : 191
	}
}')
# shellcheck disable=SC2059 # octal escapes
{ printf "$noise"; head -c 24 /dev/zero; } | tensors b \
	'{"input":{"dtype":"F32","shape":[3,1,8,8],"data_offsets":[0,768]},"target":{"dtype":"I64","shape":[3],"data_offsets":[768,792]}}'
edgetrain fit s.json d --epochs 1 --out run --quiet
for how in '' '--bn frozen' '--weights run/model.safetensors' \
	'--weights run/model.safetensors --bn batch' '--last 1'; do
	# shellcheck disable=SC2086 # options
	edgetrain grad s.json b $how --quiet --out g --threads 3 || fail "$how"
	printf '%s: %s\n' "$how" "$(header g | grep -o '"bn":"[a-z]*"')"
	# shellcheck disable=SC2086
	edgetrain grad s.json b $how --quiet --out h --threads 1
	cmp g h || fail "$how: other threads, other bytes"
done
[ "$(ls)" = "$(printf 'b\nd\ng\nh\nrun\ns.json')" ] || fail "files left: $(ls)"

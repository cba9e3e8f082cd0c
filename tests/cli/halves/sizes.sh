#!/bin/sh
# Classes of very different sizes: the halves still have about the same.
. "$CLI"
halves=${CLI%/*}/../../datasets/halves.sh
# Ten classes of 40, 80, ... 400 pictures; 5 and 250 stand for none.
mkdir d
awk 'BEGIN {
	printf "\\000\\000\\010\\001\\000\\000\\010\\230"
	for (k = 0; k < 10; k++)
		for (i = 0; i < 40 * (k + 1); i++)
			printf "\\%03o", (k == 5 ? 250 : k)
}' >text
# shellcheck disable=SC2059 # the text is the format: octal escapes
printf "$(cat text)" >d/train-labels-idx1-ubyte
for seed in 0 1 2 3 4 5 6 7 8 999999999; do
	"$halves" d a b --seed $seed || exit
	[ "$(grep -hv '^#' a b | sort -n | uniq | wc -l)" -eq 2200 ] || fail "seed $seed: pictures are missing"
	n=$(grep -cv '^#' a)
	[ "$n" -ge 1078 ] && [ "$n" -le 1122 ] || fail "seed $seed: half A has $n of 2200"
done

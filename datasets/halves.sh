#!/bin/sh
# Splits the training pictures of an IDX dataset into two lists for `edgetrain fit --subset`.
#
#   datasets/halves.sh DATA OUT_A OUT_B [--seed N]
#
# Each picture is in one of the two, which have about as many pictures, but not of the same classes:
# two classes of similar size make a pair, of one a share of 10 to 40 % goes to half A, of the other
# what is left to 100 %. The same seed (default 1) gives the same lists everywhere.
set -eu
LC_ALL=C
export LC_ALL

die() {
	code=$1
	shift
	printf 'datasets/halves.sh: %s\n' "$*" >&2
	exit "$code"
}
usage() { die 64 "$1; usage: datasets/halves.sh DATA OUT_A OUT_B [--seed N]"; }

seed=1 data='' a='' b=''
while [ $# -gt 0 ]; do
	case $1 in
	--seed)
		[ $# -gt 1 ] || usage "--seed needs a number"
		seed=$2
		shift
		;;
	--seed=*) seed=${1#*=} ;;
	-*) usage "unknown option '$1'" ;;
	*)
		if [ -z "$data" ]; then
			data=$1
		elif [ -z "$a" ]; then
			a=$1
		elif [ -z "$b" ]; then
			b=$1
		else
			usage "unexpected operand '$1'"
		fi
		;;
	esac
	shift
done
[ -n "$b" ] || usage "expected DATA, OUT_A and OUT_B"
[ "$a" != "$b" ] || usage "both halves cannot be written to '$a'"
case $seed in
'' | *[!0-9]* | ??????????*) usage "--seed: expected a whole number of at most 9 digits, found '$seed'" ;;
esac

labels=
for name in train-labels-idx1-ubyte train-labels.idx1-ubyte; do
	for file in "$data/$name" "$data/$name.gz"; do
		[ -n "$labels" ] || [ ! -f "$file" ] || labels=$file
	done
done
[ -n "$labels" ] || die 66 "$data: no train-labels-idx1-ubyte[.gz] in it"

# Labels as numbers, many a line; how many there are and that none is missing is checked below.
bytes() {
	case $labels in
	*.gz) zcat <"$labels" ;;
	*) cat "$labels" ;;
	esac | od -A n -v -t u1
}

# Nothing half written stays; a device does.
give_up() {
	for file in "$a" "$b"; do
		[ ! -f "$file" ] || rm -f "$file"
	done
	[ $# -eq 0 ] || die "$@"
}
for file in "$a" "$b"; do
	(: >"$file") 2>/dev/null || give_up 73 "$file: cannot write"
done
# By the environment, which unlike -v leaves backslashes alone.
bytes | name=$labels half_a=$a half_b=$b awk -v seed="$seed" '
BEGIN { name = ENVIRON["name"]; half_a = ENVIRON["half_a"]; half_b = ENVIRON["half_b"] }
function fail(text) {
	print "datasets/halves.sh: " name ": " text | "cat >&2"
	exit 65
}
# Lehmer, whose products are exact in double: the same numbers from any awk.
function random() { state = state * 16807 % 2147483647; return state / 2147483647 }
{
	for (i = 1; i <= NF; i++)
		if (seen++ < 8)
			head[seen] = $i
		else {
			label[n] = $i
			size[$i]++
			n++
		}
}
END {
	if (seen < 8 || head[1] || head[2] || head[3] != 8 || head[4] != 1)
		fail("expected the labels of an IDX dataset")
	want = ((head[5] * 256 + head[6]) * 256 + head[7]) * 256 + head[8]
	if (n != want)
		fail("its header says " want " labels, found " n + 0)
	if (!n)
		fail("there are no labels in it")
	state = seed % 2147483646 + 1
	for (i = 0; i < 10; i++)
		random()

	# Classes by size, the largest first; equal ones in an order drawn.
	for (k = 0; k < 256; k++)
		if (size[k]) {
			draw = random()
			for (at = classes++; at > 0; at--) {
				before = order[at - 1]
				if (size[before] > size[k] || (size[before] == size[k] && drawn[before] < draw))
					break
				order[at] = before
			}
			order[at] = k
			drawn[k] = draw
		}

	# Steps of the share, each pair its own, in an order drawn.
	pairs = int(classes / 2)
	for (p = 0; p < pairs; p++) {
		other = int(random() * (p + 1))
		step[p] = step[other]
		step[other] = p
	}
	# The larger class of a pair gives its larger part to the half that has less so far.
	for (p = 0; p < pairs; p++) {
		share = 0.1 + (pairs > 1 ? 0.3 * step[p] / (pairs - 1) : 0)
		if (more_in_a < 0 || (more_in_a == 0 && random() < 0.5))
			share = 1 - share
		large = order[2 * p]
		small = order[2 * p + 1]
		to_a[large] = int(size[large] * share + 0.5)
		to_a[small] = int(size[small] * (1 - share) + 0.5)
		more_in_a += 2 * (to_a[large] + to_a[small]) - size[large] - size[small]
	}
	if (classes % 2) {
		middle = order[classes - 1]
		to_a[middle] = int(size[middle] / 2)
	}

	printf "# Half A of two, seed %d.", seed >half_a
	printf "# Half B of two, seed %d.", seed >half_b
	for (k = 0; k < 256; k++)
		if (size[k]) {
			printf " Class %d: %d of %d.", k, to_a[k], size[k] >half_a
			printf " Class %d: %d of %d.", k, size[k] - to_a[k], size[k] >half_b
		}
	print "" >half_a
	print "" >half_b
	# Any choice of so many out of so many left is as likely as any other.
	for (i = 0; i < n; i++) {
		k = label[i]
		if (random() * size[k]-- < to_a[k]) {
			to_a[k]--
			print i >half_a
		} else
			print i >half_b
	}
	if (close(half_a) || close(half_b))
		exit 74
}' || {
	code=$?
	[ $code -eq 65 ] || give_up 74 "$a, $b: cannot write"
	give_up
	exit 65
}

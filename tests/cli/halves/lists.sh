#!/bin/sh
# datasets/halves.sh: two lists that are disjoint, exhaustive, of one size, and uneven by class.
. "$CLI"
halves=${CLI%/*}/../../datasets/halves.sh
spec s.json && data d 300 30

"$halves" d a b || exit
grep -hv '^#' a b | sort -n >all
seq 0 299 | cmp - all || fail "not every picture is in one of the halves"
# The class of a picture is its number modulo 3. A pair has 10 and 90 %, the third class 50 %.
for half in a b; do
	awk '!/^#/ { n[$1 % 3]++; all++ } END { for (k = 0; k < 3; k++) print n[k]; print "all", all }' $half |
		sort | tr '\n' ' ' >shares
	[ "$(cat shares)" = "10 50 90 all 150 " ] || fail "$half: $(cat shares)"
done
# Chosen from all over the set, not from its beginning.
[ "$(awk '!/^#/ && $1 < 150' a | wc -l)" -ge 55 ] || fail "a holds the later ones"
[ "$(awk '!/^#/ && $1 >= 150' a | wc -l)" -ge 55 ] || fail "a holds the earlier ones"

# The same from any awk, packed or not, wherever; another with another seed.
[ "$(cat a b | cksum)" = "2807727199 1260" ] || fail "not the lists of other machines: $(cat a b | cksum)"
mkdir 'e\n f'
gzip -c d/train-labels-idx1-ubyte >'e\n f/train-labels.idx1-ubyte.gz'
"$halves" --seed 1 'e\n f' 'e\n f/a' 'e\n f/b' || exit
cmp a 'e\n f/a' && cmp b 'e\n f/b' || fail "the packed labels give others"
"$halves" d c e --seed=2 || exit
cmp -s a c && fail "--seed does nothing"

edgetrain fit s.json d -o run --epochs 1 --subset a 2>log >/dev/null || fail "$(cat log)"
grep -q ": idx, 150 pictures to train on" log || fail "$(cat log)"

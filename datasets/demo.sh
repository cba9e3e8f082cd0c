#!/bin/sh
# What a gradient mode costs and saves, on real pictures in a minute or two: pre-trains a small
# network on one half of Fashion-MNIST, in which some classes are rare, then fine-tunes its last four
# convolutions on the other half, where others are, with exact gradients and with filtered ones.
#
#   datasets/demo.sh [DATA [OUT]]
#
# OUT is a new directory for the lists and runs; default: the first build/demo-N that is free.
# EDGETRAIN names the program, SPEC the network, MODES what to compare with exact.
set -eu
LC_ALL=C
export LC_ALL

root=$(cd "$(dirname "$0")/.." && pwd)
here=
[ "$root" = "$PWD" ] || here=$root/
edgetrain=${EDGETRAIN:-${here}build/edgetrain}
spec=${SPEC:-${here}configs/fashion-halves.json}
data=${1:-/usr/share/datasets/fashion-mnist}
out=${2:-}
if [ -z "$out" ]; then
	n=1
	while [ -e "${here}build/demo-$n" ]; do
		n=$((n + 1))
	done
	out=${here}build/demo-$n
fi
mkdir -p "$(dirname "$out")"
mkdir "$out" || exit 73

# run NAME COMMAND...: shows the command and what it prints, which is kept in OUT/NAME.txt, too.
run() {
	name=$1
	shift
	echo "+ $*" >&2
	"$@" >"$out/$name.txt"
	cat "$out/$name.txt"
}

# last FILE COLUMN: its value in the last row of a CSV file.
last() { column "$1" "$2" | tail -n 1; }
median() { column "$1" "$2" | sort -n | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }
column() {
	awk -F, -v name="$2" '
		NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) at = i; next }
		{ print $at }' "$1"
}

# pair NAME FILE: the number after NAME in a line of names and values.
pair() { tr -s ' ' '\n' <"$2" | awk -v name="$1" 'found { print; exit } $0 == name { found = 1 }'; }

# Bytes that a step keeps from forward to backward.
saved() { sed -n 's/.*"training": {[^}]*"saved": \([0-9]*\).*/\1/p' "$1"; }

# The rare classes of half B weigh as much as the others, as they do in the test set.
# Without kept features, whose memory would hide that of the modes, every epoch takes the same time.
tune="--last 4 --class-weights auto --lr 0.01 --epochs 3 --cache off"

run halves "${here}datasets/halves.sh" "$data" "$out/half-a" "$out/half-b"
run pretrain "$edgetrain" fit "$spec" "$data" --subset "$out/half-a" --out "$out/before"
run before "$edgetrain" eval "$out/before" "$data"
echo "before $(pair accuracy "$out/before.txt")" >"$out/table"
for mode in exact ${MODES:-filter:4}; do
	name=$(echo "$mode" | tr -c 'a-z0-9\n' -)
	set -- "$spec" "$data" --subset "$out/half-b" --init "$out/before/model.safetensors" --mode "$mode"
	# shellcheck disable=SC2086 # options
	run "$name" "$edgetrain" fit "$@" $tune --out "$out/$name"
	# shellcheck disable=SC2086
	"$edgetrain" plan --estimate 0 "$@" $tune --format json >"$out/$name.json"
	echo "$mode $(last "$out/$name/epochs.csv" val_accuracy)" \
		"$(median "$out/$name/steps.csv" forward_ms) $(median "$out/$name/steps.csv" backward_ms)" \
		"$(median "$out/$name/steps.csv" step_ms) $(saved "$out/$name.json") $(pair memory_mb "$out/$name.txt")" >>"$out/table"
done
echo
awk -f "$root/datasets/demo.awk" "$out/table"

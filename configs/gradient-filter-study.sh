#!/bin/sh
# Gradient filtering compared with exact gradients, as its paper does on CIFAR-10: the last 1 to 4
# convolutions of a pretrained network, trained with each gradient mode in turn.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# Numbers with a point, whatever the user's language.
LC_ALL=C
export LC_ALL

spec=$here/mcunet-5fps.json out=gradient-filter-study classes=10
lasts='1 2 3 4' modes='exact filter:2 filter:4 filter:7'
epochs=50 batch_size=128 lr=0.05

usage() {
	cat <<-END
	Usage: gradient-filter-study.sh [OPTION]... WEIGHTS DATA [-- FIT-OPTION...]
	Train the last convolutions of a network on DATA, starting from WEIGHTS (safetensors),
	once for each number of convolutions and each gradient mode. Accuracy, time and memory
	go to OUT/study.csv, a row a training.

	      --spec=FILE        the network [default: mcunet-5fps.json beside this script]
	      --classes=N        classes of DATA; the last layer is made to fit
	                         [default: $classes]
	      --last=LIST        numbers of convolutions [default: $lasts]
	      --modes=LIST       gradient modes, with blanks between them
	                         [default: $modes]
	      --epochs=N         passes over the pictures [default: $epochs]
	      --batch-size=N     pictures a step [default: $batch_size]
	      --lr=X             learning rate at its peak [default: $lr]
	  -o, --out=OUT          directory of the results [default: $out]
	  -h, --help             print this help

	The other settings are the paper's: SGD without momentum and weight decay, cosine
	schedule, gradient norm clipped to 2, stored batch norm statistics, no augmentation.
	What follows -- goes to 'edgetrain fit' as it is and wins over all of these.

	Started again with the same OUT and settings, it skips the rows that are there and goes
	on with the training that was interrupted. CIFAR-10: datasets/cifar10.sh. The program is
	\$EDGETRAIN, else build/edgetrain of this source tree, else edgetrain.

	Columns: accuracy and best_accuracy on the test pictures after the last and the best
	epoch; seconds_per_epoch the mean of all epochs, milliseconds medians over the steps of
	the last one; saved_bytes is what forward keeps for backward, total_bytes all memory of
	training, both as 'edgetrain plan' says; memory_mb the resident memory at its highest;
	energy_j_per_epoch is empty where no sensor measured it. What the frozen layers make of
	the pictures is kept from the first epoch on: add -- --cache=off to see every epoch
	compute it, as the paper's did.
	END
}

say() { printf 'gradient-filter-study: %s\n' "$*"; }
die() {
	say "$*" >&2
	exit 1
}
misuse() {
	say "$*; see --help" >&2
	exit 64
}

# ---- options -------------------------------------------------------------------------------------

weights='' data=''
while [ $# -gt 0 ]; do
	option=$1
	shift
	case $option in
	--) break ;;
	-h | --help) usage; exit 0 ;;
	--*=*) value=${option#*=} option=${option%%=*} ;;
	-o | --spec | --classes | --last | --modes | --epochs | --batch-size | --lr | --out)
		[ $# -gt 0 ] || misuse "$option: expected a value"
		value=$1
		shift ;;
	-*) misuse "unknown option '$option'" ;;
	*)
		[ -z "$data" ] || misuse "unexpected operand '$option' after WEIGHTS and DATA"
		if [ "$weights" ]; then data=$option; else weights=$option; fi
		continue ;;
	esac
	[ "$value" ] || misuse "$option: expected a value"
	case $option in
	--spec) spec=$value ;;
	--classes) classes=$value ;;
	--last) lasts=$value ;;
	--modes) modes=$value ;;
	--epochs) epochs=$value ;;
	--batch-size) batch_size=$value ;;
	--lr) lr=$value ;;
	-o | --out) out=$value ;;
	*) misuse "unknown option '$option'" ;;
	esac
done
[ "$data" ] || misuse "expected WEIGHTS and DATA"
for number in $classes $lasts; do
	case $number in
	*[!0-9]* | 0*) misuse "--classes, --last: expected whole numbers from 1, found '$number'" ;;
	esac
done

edgetrain=${EDGETRAIN:-}
[ "$edgetrain" ] || edgetrain=$here/../build/edgetrain
[ -x "$edgetrain" ] || edgetrain=${EDGETRAIN:-edgetrain}
command -v "$edgetrain" >/dev/null || die "cannot find the program $edgetrain"
for file in "$spec" "$weights" "$data"; do
	[ -r "$file" ] || die "$file: no such file, or not readable"
done

# ---- what all trainings share --------------------------------------------------------------------

# The network for as many classes: "classes", and the last "out_features" or "out_channels".
fit_classes() {
	awk -v n="$classes" '
		{ line[NR] = $0 }
		/"out_(features|channels)"/ { last = NR }
		END {
			for (i = 1; i <= NR; i++) {
				if (!done) done = sub(/"classes" *: *[0-9]+/, "\"classes\": " n, line[i])
				if (i == last) {
					at = match(line[i], /.*"out_(features|channels)" *: */)
					head = substr(line[i], 1, RLENGTH)
					tail = substr(line[i], RLENGTH + 1)
					sub(/^[0-9]+/, n, tail)
					line[i] = head tail
				}
				print line[i]
			}
		}' "$1"
}

mkdir -p "$out"
csv=$out/study.csv
common="--epochs=$epochs --batch-size=$batch_size --lr=$lr --optimizer=sgd --momentum=0 --weight-decay=0
--schedule=cosine --lr-min=0 --warmup=0 --clip-norm=2 --bn=frozen --augment=none"
settings=$(
	printf 'weights %s\ndata %s\nclasses %s\n' "$weights" "$data" "$classes"
	printf '%s\n' "$common" "$@"
)
if [ -e "$out/settings" ]; then
	[ "$settings" = "$(cat "$out/settings")" ] ||
		die "$out holds a study with other settings; give another --out, or remove it"
else
	printf '%s\n' "$settings" >"$out/settings"
fi
columns=spec,last,mode,accuracy,best_accuracy,epochs,seconds_per_epoch
columns=$columns,data_ms,forward_ms,backward_ms,update_ms,step_ms
columns=$columns,saved_bytes,total_bytes,memory_mb,energy_j_per_epoch
[ -s "$csv" ] || printf '%s\n' "$columns" >"$csv"

name=$(basename "$spec" .json)
net=$out/$name.json
fit_classes "$spec" >"$net"

# ---- one training --------------------------------------------------------------------------------

# A recipe may hold commas.
quoted() {
	case $1 in
	*,*) printf '"%s"' "$1" ;;
	*) printf '%s' "$1" ;;
	esac
}

# column FILE NAME [EPOCH]: the cells of a column, of all rows or those of an epoch.
column() {
	awk -F, -v name="$2" -v epoch="${3:-}" '
		NR == 1 { for (i = 1; i <= NF; i++) { if ($i == name) at = i; if ($i == "epoch") e = i }; next }
		at && $at != "" && (epoch == "" || $e == epoch) { print $at }' "$1"
}

median() {
	sort -n | awk '{ v[NR] = $1 } END { if (NR) print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}

milliseconds() {
	epoch=$(tail -n 1 "$1/epochs.csv" | cut -d , -f 1)
	column "$1/steps.csv" "$2_ms" "$epoch" | median | awk '{ printf "%.3f", $1 }'
}

# planned JSON WHAT: bytes of training.
planned() {
	printf '%s\n' "$1" | sed -n "s/.*\"training\".*\"$2\": \([0-9]*\).*/\1/p"
}

# cells RUN PLAN: what the columns from accuracy on say of a finished run.
cells() {
	column "$1/epochs.csv" val_accuracy | awk '
		{ if (best == "" || $1 > best) best = $1 }
		END { printf "%s,%s,%d", $1, best, NR }'
	printf ',%s' \
		"$(column "$1/epochs.csv" seconds | awk '{ s += $1 } END { printf "%.3f", s / NR }')" \
		"$(milliseconds "$1" data)" "$(milliseconds "$1" forward)" \
		"$(milliseconds "$1" backward)" "$(milliseconds "$1" update)" \
		"$(milliseconds "$1" step)" "$(planned "$2" saved)" "$(planned "$2" total)" \
		"$(column "$1/steps.csv" rss_mb | awk '$1 > m { m = $1 } END { print m }')" \
		"$(column "$1/steps.csv" energy_j | awk -v epochs="$(column "$1/epochs.csv" epoch | wc -l)" \
			'{ s += $1 } END { if (NR) printf "%.1f", s / epochs }')"
}

# plan FIT-OPTION...: what is planned for them; those about messages are not for it.
plan() {
	left=$#
	while [ $left -gt 0 ]; do
		case $1 in
		-q | --quiet | -v | --verbose) ;;
		*) set -- "$@" "$1" ;;
		esac
		shift
		left=$((left - 1))
	done
	"$edgetrain" plan --estimate 0 --format=json --init="$weights" "$net" "$@"
}

# train LAST MODE FIT-OPTION...: a run, and its row.
train() {
	last=$1 mode=$2
	shift 2
	run=$out/$name-last$last-$(printf %s "$mode" | tr -c 'A-Za-z0-9.' -)
	key=$name,$last,$(quoted "$mode"),
	awk -v key="$key" 'index($0, key) == 1 { found = 1 } END { exit !found }' "$csv" && return
	say "last $last, $mode"
	# shellcheck disable=SC2086 # words
	set -- $common --last="$last" --mode="$mode" "$@"
	plan=$(plan "$@") || exit
	if [ -e "$run/state.safetensors" ]; then
		"$edgetrain" fit --resume="$run" "$@" || exit
	else
		rm -rf "$run" # stopped before it had anything to go on with
		"$edgetrain" fit --init="$weights" --out="$run" "$@" "$net" "$data" || exit
	fi
	# One write, so that a row is there or is not.
	printf '%s\n' "$key$(cells "$run" "$plan")" >>"$csv"
}

set -f # words of lists, not patterns
for last in $lasts; do
	for mode in $modes; do
		train "$last" "$mode" "$@"
	done
done
say "done: $csv"

#!/bin/sh
# Whole training steps, ours and PyTorch's in turns on this machine: time and memory side by side,
# and whether our targets for their ratios are met.
#
#   STEP=build/.../peers-step tests/peers/steps.sh        (make peers-step)
#
# PEER_ROUNDS (5) turns of each; the median of the turns counts, and of PyTorch's two layouts the
# faster one. PEER_THREADS (all processors). PEER_WORKS: words that choose works by their beginning.
set -eu
cd "$(dirname "$0")/../.."
: "${STEP:?the program made from tests/peers/step.c}"
rounds=${PEER_ROUNDS:-5} threads=${PEER_THREADS:-$(nproc)}
python=/usr/bin/python3
$python -c 'import torch, torchvision' 2>/dev/null || {
	echo "peers-step: PyTorch is missing: install python3-torch and python3-torchvision" >&2
	exit 1
}
OMP_NUM_THREADS=$threads
export OMP_NUM_THREADS

# A line a work: name, spec and torchvision's name, size, batch, last, recipes. "cached+RECIPE" is a
# step of the second epoch, with the features of the frozen layers kept; PyTorch keeps none and does
# its whole step. After = what the ratios of time and memory should be at most.
works() {
	cat <<-'END'
	resnet18-224 resnet18 224 8 0 exact=0.75/0.5
	mobilenet_v2-224 mobilenet_v2 224 8 0 exact=0.5/0.45
	resnet18-32 resnet18 32 32 0 exact=0.5/0.4
	mobilenet_v2-32 mobilenet_v2 32 32 0 exact=0.5/0.4
	mobilenet_v2-224-last6 mobilenet_v2 224 8 6 exact=0.35/0.15 filter:2 filter:4 cached+exact=0.12/0.15 cached+filter:2 cached+filter:4=0.05/0.15
	resnet18-224-last4 resnet18 224 8 4 exact=0.6/0.25 filter:2 filter:4 cached+exact=0.45/0.25 cached+filter:2 cached+filter:4=0.17/0.25
	END
}
epoch=8 # batches of the first epoch, whose features are kept

# Column COLUMN of FILE: its median.
median() { sort -n -k "$2,$2" "$1" | awk -v c="$2" '{ v[NR] = $c } END { print v[int((NR + 1) / 2)] }'; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

# OURS PEER'S TARGET: their ratio, what it should be, and whether it is.
ratio() {
	awk -v a="$1" -v b="$2" -v target="$3" 'BEGIN {
		met = target == "" ? "" : a / b <= target + 0 ? "met" : "missed"
		printf " %10.3f %6s %-6s", a / b, target, met
	}'
}

steps_of() { # as many as make a turn of a few seconds
	case $1 in
	resnet18-224 | mobilenet_v2-224) echo 5 ;;
	*) echo 9 ;;
	esac
}

chosen() {
	[ -n "${PEER_WORKS:-}" ] || return 0
	for word in $PEER_WORKS; do
		case $1 in "$word"*) return 0 ;; esac
	done
	return 1
}

# RECIPE: a turn of ours.
our_turn() {
	case $1 in
	cached+*) set -- "${1#cached+}" "$epoch" ;;
	esac
	"$STEP" "configs/$model.json" "$size" "$batch" "$last" "$1" "$threads" "$steps" ${2:+"$2"}
}

printf '%s; %s threads; medians of %s turns; load %s\n' \
	"$($python -c 'import torch; print("PyTorch", torch.__version__)')" "$threads" "$rounds" \
	"$(cut -d' ' -f1 /proc/loadavg)"
printf 'ms of a step; MB resident at most, of which features; cached: step of a second epoch, of %s batches\n' "$epoch"
printf '%-23s %-15s %8s %8s %8s %6s %8s %10s %-13s %10s %s\n' work ours forward backward step MB \
	features step/torch '    target' MB/torch '    target'
works | while read -r name model size batch last recipes; do
	chosen "$name" || continue
	steps=$(steps_of "$name")
	rm -f "$scratch"/*
	for _ in $(seq "$rounds"); do
		for layout in nchw nhwc; do
			$python tests/peers/torch_step.py "$model" "$size" "$batch" "$last" $layout \
				"$threads" "$steps" >>"$scratch/$layout"
		done
		for recipe in $recipes; do
			our_turn "${recipe%=*}" >>"$scratch/${recipe%=*}"
		done
	done
	best=nchw
	if awk -v a="$(median "$scratch/nhwc" 3)" -v b="$(median "$scratch/nchw" 3)" 'BEGIN { exit !(a < b) }'; then
		best=nhwc
	fi
	step=$(median "$scratch/$best" 3) memory=$(median "$scratch/$best" 4)
	printf '%-23s %-15s %8.2f %8.2f %8.2f %6.0f\n' "$name" "torch $best" "$(median "$scratch/$best" 1)" \
		"$(median "$scratch/$best" 2)" "$step" "$memory"
	for recipe in $recipes; do
		target=
		case $recipe in *=*) target=${recipe#*=} recipe=${recipe%=*} ;; esac
		file=$scratch/$recipe
		printf '%-23s %-15s %8.2f %8.2f %8.2f %6.0f %8.0f' '' "$recipe" "$(median "$file" 1)" \
			"$(median "$file" 2)" "$(median "$file" 3)" "$(median "$file" 4)" "$(median "$file" 5)"
		ratio "$(median "$file" 3)" "$step" "${target%/*}"
		ratio "$(median "$file" 4)" "$memory" "${target#*/}"
		echo
	done
done

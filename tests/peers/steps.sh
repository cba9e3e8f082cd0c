#!/bin/sh
# Whole training steps, ours and PyTorch's in turns on this machine: time and memory side by side.
#
#   STEP=build/.../peers-step tests/peers/steps.sh        (make bench-peers)
#
# PEER_ROUNDS (5) turns of each; the median of the turns counts, and of PyTorch's two layouts the
# faster one. PEER_THREADS (all processors). PEER_WORKS: words that choose works by their beginning.
set -eu
cd "$(dirname "$0")/../.."
: "${STEP:?the program made from tests/peers/step.c}"
rounds=${PEER_ROUNDS:-5} threads=${PEER_THREADS:-$(nproc)}
python=/usr/bin/python3
$python -c 'import torch, torchvision' 2>/dev/null || {
	echo "bench-peers: PyTorch is missing: install python3-torch and python3-torchvision" >&2
	exit 1
}
OMP_NUM_THREADS=$threads
export OMP_NUM_THREADS

# A line a work: name, spec and torchvision's name, size, batch, last, recipes.
works() {
	cat <<-'END'
	resnet18-224 resnet18 224 8 0 exact
	mobilenet_v2-224 mobilenet_v2 224 8 0 exact
	resnet18-32 resnet18 32 32 0 exact
	mobilenet_v2-32 mobilenet_v2 32 32 0 exact
	mobilenet_v2-224-last6 mobilenet_v2 224 8 6 exact filter:2 filter:4
	resnet18-224-last4 resnet18 224 8 4 exact filter:2 filter:4
	END
}

# Column COLUMN of FILE: its median.
median() { sort -n -k "$2,$2" "$1" | awk -v c="$2" '{ v[NR] = $c } END { print v[int((NR + 1) / 2)] }'; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

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

printf '%s; %s threads; medians of %s turns; load %s\n' \
	"$($python -c 'import torch; print("PyTorch", torch.__version__)')" "$threads" "$rounds" \
	"$(cut -d' ' -f1 /proc/loadavg)"
printf '%-24s %-9s %9s %9s %9s %8s %9s %9s\n' work ours forward backward step MB 'step/torch' 'MB/torch'
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
			"$STEP" "configs/$model.json" "$size" "$batch" "$last" "$recipe" "$threads" \
				"$steps" >>"$scratch/$recipe"
		done
	done
	best=nchw
	if awk -v a="$(median "$scratch/nhwc" 3)" -v b="$(median "$scratch/nchw" 3)" 'BEGIN { exit !(a < b) }'; then
		best=nhwc
	fi
	step=$(median "$scratch/$best" 3) memory=$(median "$scratch/$best" 4)
	printf '%-24s %-9s %9.2f %9.2f %9.2f %8.0f\n' "$name" "torch $best" "$(median "$scratch/$best" 1)" \
		"$(median "$scratch/$best" 2)" "$step" "$memory"
	for recipe in $recipes; do
		printf '%-24s %-9s %9.2f %9.2f %9.2f %8.0f %9.2f %9.2f\n' '' "$recipe" \
			"$(median "$scratch/$recipe" 1)" "$(median "$scratch/$recipe" 2)" \
			"$(median "$scratch/$recipe" 3)" "$(median "$scratch/$recipe" 4)" \
			"$(median "$scratch/$recipe" 3 | awk -v t="$step" '{ print $1 / t }')" \
			"$(median "$scratch/$recipe" 4 | awk -v t="$memory" '{ print $1 / t }')"
	done
done

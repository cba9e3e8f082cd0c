# shellcheck shell=sh
# Helpers of the cases: a small dataset, a small network, and the program under test.

# shellcheck disable=SC2086 # RUNNER may be several words
edgetrain() { $RUNNER "$EDGETRAIN" "$@"; }

# In the background: `start fit ... &`, so that $! is the program itself.
# shellcheck disable=SC2086
start() { exec $RUNNER "$EDGETRAIN" "$@"; }

fail() {
	echo "$*" >&2
	exit 1
}
skip() {
	echo "$*" >&2
	exit 77
}

# idx FILE SIZE COUNT SEED: COUNT pictures of SIZE x SIZE in three classes, and their labels. The
# classes are stripes across, stripes down, and a chequerboard, each with noise.
idx() {
	LC_ALL=C awk -v size="$2" -v count="$3" -v seed="$4" -v what="$5" '
	function byte(v) { printf "\\%03o", v }
	function long(v) { byte(0); byte(0); byte(int(v / 256)); byte(v % 256) }
	function noise() { seed = (seed * 1103 + 12345) % 65536; return int(seed / 512) }
	BEGIN {
		byte(0); byte(0); byte(8); byte(what == "images" ? 3 : 1)
		long(count)
		if (what == "images") { long(size); long(size) }
		for (i = 0; i < count; i++) {
			class = i % 3
			if (what != "images") { byte(class); continue }
			for (y = 0; y < size; y++)
				for (x = 0; x < size; x++) {
					on = class == 0 ? y : class == 1 ? x : x + y
					byte((on % 2) * 100 + noise())
				}
		}
	}' | {
		read -r text || :
		# shellcheck disable=SC2059 # the text is the format: octal escapes
		printf "$text" >"$1"
	}
}

# data DIR [TRAIN [TEST [SIZE]]]: an IDX dataset.
data() {
	mkdir -p "$1"
	idx "$1/train-images-idx3-ubyte" "${4:-8}" "${2:-60}" 1 images
	idx "$1/train-labels-idx1-ubyte" "${4:-8}" "${2:-60}" 1 labels
	idx "$1/t10k-images-idx3-ubyte" "${4:-8}" "${3:-30}" 2 images
	idx "$1/t10k-labels-idx1-ubyte" "${4:-8}" "${3:-30}" 2 labels
}

# spec FILE [CLASSES]: a small residual network that learns it.
spec() {
	cat >"$1" <<-END
	{"name": "tiny", "classes": ${2:-3},
	 "input": {"channels": 1, "height": 8, "width": 8, "mean": 0.5, "std": 0.25},
	 "layers": [
	  {"name": "conv1", "type": "conv2d", "out_channels": 8, "kernel_size": 3, "padding": 1,
	   "bias": false},
	  {"name": "bn1", "type": "batchnorm2d"},
	  {"type": "relu"},
	  {"name": "layer1.0", "type": "basic_block", "out_channels": 16, "stride": 2},
	  {"type": "dropout", "p": 0.1},
	  {"type": "global_avgpool2d"},
	  {"name": "fc", "type": "linear", "out_features": ${2:-3}}],
	 "train": {"epochs": 3, "batch_size": 10, "lr": 0.05, "augment": ["flip", "crop:1"]}}
	END
}

# tensors FILE HEADER: a safetensors file with this header, its data from standard input.
tensors() {
	{
		# shellcheck disable=SC2059 # the length as two octal escapes
		printf "\\$(printf %03o $((${#2} % 256)))\\$(printf %03o $((${#2} / 256)))"
		head -c 6 /dev/zero
		printf %s "$2"
		cat
	} >"$1"
}

# flat_spec FILE: a linear layer on 2x2 numbers, and a batch FILE.batch of two such pictures, all 1,
# of classes 0 and 2.
flat_spec() {
	cat >"$1" <<-'END'
	{"classes": 3, "input": {"channels": 1, "height": 2, "width": 2, "mean": 0.5, "std": 0.25},
	 "layers": [
	  {"type": "flatten"},
	  {"name": "fc", "type": "linear", "out_features": 3},
	  {"type": "softmax-cross-entropy", "ignore_index": 255}]}
	END
	flat_batch "$1.batch" '"F32","shape":[2,1,2,2],"data_offsets":[0,32]' \
		'"I64","shape":[2],"data_offsets":[32,48]' '\2'
}

# flat_batch FILE INPUT TARGET LABEL: another such batch, after "dtype": in the header; the octal
# escape LABEL is its second label.
flat_batch() {
	# shellcheck disable=SC2059 # octal escapes
	{
		printf '\0\0\200\77%.0s' 1 2 3 4 5 6 7 8
		head -c 8 /dev/zero
		printf "$4"
		head -c 7 /dev/zero
	} | tensors "$1" "{\"input\":{\"dtype\":$2},\"target\":{\"dtype\":$3}}"
}

# flat_weights FILE: its weights, all 0.
flat_weights() {
	head -c 60 /dev/zero | tensors "$1" '{"fc.bias":{"dtype":"F32","shape":[3],"data_offsets":[0,12]},
		"fc.weight":{"dtype":"F32","shape":[3,4],"data_offsets":[12,60]}}'
}

# header FILE: of a safetensors file.
header() {
	bytes=$(($(od -A n -t u4 -N 4 "$1")))
	tail -c +9 "$1" | head -c "$bytes"
}

# data_of FILE: its numbers, one a line.
data_of() {
	bytes=$(($(od -A n -t u4 -N 4 "$1")))
	tail -c +$((9 + bytes)) "$1" | od -A n -v -t f4 | tr -s ' ' '\n' | sed '/^$/d'
}

# value NAME: the number after NAME in "name value" lines or pairs on standard input.
value() { tr -s ' ' '\n' | grep -x -A 1 -e "$1" | sed -n 2p; }

# at_least A B
at_least() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a >= b) }'; }

# until COMMAND...: waits for it to succeed, 30 seconds at most.
until_true() {
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ $tries -lt 600 ] || fail "waited in vain for: $*"
		sleep 0.05
	done
}

# pictures DIR: two folders of 8 pictures, from tests/cli/pictures.
pictures() {
	for class in cross disc; do
		mkdir -p "$1/$class"
		for copy in a b; do
			for picture in "${CLI%/*}/pictures/$class"*; do
				cp "$picture" "$1/$class/$copy-${picture##*/}"
			done
		done
	done
}

# colour_spec FILE: a network for them.
colour_spec() {
	cat >"$1" <<-'END'
	{"name": "colour", "classes": 2,
	 "input": {"channels": 3, "height": 12, "width": 12, "mean": [0.4, 0.4, 0.4], "std": 0.25},
	 "layers": [
	  {"type": "conv2d", "out_channels": 8, "kernel_size": 3, "padding": 1},
	  {"type": "relu"},
	  {"type": "maxpool2d", "kernel_size": 2},
	  {"type": "flatten"},
	  {"name": "fc", "type": "linear", "out_features": 2}],
	 "train": {"epochs": 10, "batch_size": 4, "lr": 0.02, "schedule": "constant"}}
	END
}

# shapes DIR: 12 + 4 pictures of 16x16 with masks of 3 classes, from tests/cli/shapes.
shapes() {
	mkdir -p "$1"
	cp -r "${CLI%/*}/shapes/images" "${CLI%/*}/shapes/masks" "${CLI%/*}/shapes/classes.txt" "$1"
}

# pixel_spec FILE: a network that gives logits for each of their pixels.
pixel_spec() {
	cat >"$1" <<-'END'
	{"name": "pixels", "classes": 3,
	 "input": {"channels": 3, "height": 16, "width": 16, "mean": 0.4, "std": 0.15},
	 "layers": [
	  {"name": "conv1", "type": "conv2d", "out_channels": 8, "kernel_size": 3, "padding": 1},
	  {"type": "relu"},
	  {"name": "conv2", "type": "conv2d", "out_channels": 16, "kernel_size": 3, "stride": 2,
	   "padding": 1},
	  {"name": "low", "type": "relu"},
	  {"name": "conv3", "type": "conv2d", "out_channels": 16, "kernel_size": 3, "padding": 2,
	   "dilation": 2},
	  {"name": "far", "type": "relu"},
	  {"name": "both", "type": "concat", "inputs": ["low", "far"]},
	  {"name": "head", "type": "conv2d", "out_channels": 3, "kernel_size": 1},
	  {"type": "upsample2d", "size": [16, 16], "mode": "bilinear"}],
	 "train": {"epochs": 30, "batch_size": 4, "lr": 0.1}}
	END
}

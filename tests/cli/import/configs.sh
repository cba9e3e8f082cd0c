#!/bin/sh
# Real weights of the networks in configs/ load into them as they are, where they are at hand.
. "$CLI"
root=${CLI%/tests/cli/lib.sh}
shared=$root/../shared/weights
[ -d "$shared" ] || skip "no pretrained weights in $shared"
# load FILE CONFIG OPTION...
load() {
	file=$1 config=$2
	shift 2
	[ -e "$shared/$file.safetensors" ] || return 0
	edgetrain import "$shared/$file.safetensors" --spec "$config" --out out "$@" >log 2>&1 ||
		fail "$file: $(cat log)"
}
for name in mcunet-5fps proxyless-w0.3 mbv2-w0.35 deeplabv3_mnv2_voc; do
	load $name "$root/configs/$name.json"
done
load mobilenet_v2_imagenet "$root/configs/mobilenet_v2.json"
# The features of a narrower one; it has no classifier.
sed 's/"width_mult": 1.0/"width_mult": 0.35/' "$root/configs/mobilenet_v2.json" >narrow.json
load mobilenet_v2_035 narrow.json --partial
if [ -s log ] && [ -e "$shared/mobilenet_v2_035.safetensors" ]; then
	grep -q "classifier.1" log && ! grep -q "features" log || fail "not as narrow: $(cat log)"
fi

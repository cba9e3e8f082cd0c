#!/bin/sh
# ImageNet's weights on photographs: a cat, an espresso, a moped, a tripod.
#
# EDGETRAIN_SHARED: a directory with weights/*.safetensors
. "$CLI"
top=${CLI%/tests/cli/lib.sh}
weights=${EDGETRAIN_SHARED:-$top/../shared}/weights
photos=/usr/lib/python3/dist-packages/skimage/data
[ -f "$weights/mcunet-5fps.safetensors" ] || skip "no $weights/mcunet-5fps.safetensors"
[ -f $photos/chelsea.png ] || skip "no photographs: Debian's python3-skimage"
edgetrain predict "$top/configs/mcunet-5fps.json" --weights "$weights/mcunet-5fps.safetensors" --top 1 \
	--format csv $photos/chelsea.png $photos/coffee.png $photos/motorcycle_left.png \
	$photos/camera.png >mcunet
[ "$(cut -d, -f3 mcunet | tr '\n' ' ')" = "class 285 967 665 872 " ] || fail "$(cat mcunet)"
at_least "$(sed -n 's/.*chelsea.*,//p' mcunet)" 0.85 || fail "$(cat mcunet)"

[ -f "$weights/mobilenet_v2_imagenet.safetensors" ] || exit 0
sed -e 's/"height": 224, "width": 224/"height": 225, "width": 225/' \
	-e 's/"mean": \[[^]]*\]/"mean": 0.5/' -e 's/"std": \[[^]]*\]/"std": 0.5/' \
	"$top/configs/mobilenet_v2.json" >spec.json
edgetrain predict spec.json --weights "$weights/mobilenet_v2_imagenet.safetensors" --format csv \
	$photos/chelsea.png $photos/coffee.png $photos/camera.png >mobilenet
for want in chelsea.png,.,28[125] coffee.png,1,967 camera.png,1,872; do
	grep -q "/$want," mobilenet || fail "$want: $(cat mobilenet)"
done

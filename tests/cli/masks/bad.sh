#!/bin/sh
# What is wrong with masks is said with the file's name before anything is written, or skipped.
. "$CLI"
shapes d && pixel_spec s.json && spec classes.json
refuse() {
	code=$1 want=$2
	shift 2
	edgetrain fit "$@" -q -o run 2>err
	[ $? -eq "$code" ] && grep -qF -e "$want" err || fail "expected '$want': $(cat err)"
	[ ! -e run ] || fail "wrote a run all the same: $want"
}
mv d/masks/train/03.png away
refuse 65 "d/images/train/03.png: it has no mask: expected masks/train/03.png" s.json d
edgetrain fit s.json d -q --epochs 1 --on-bad-image skip -o skip 2>err || fail "skip: $(cat err)"
cp d/images/train/03.png d/masks/train/03.png
refuse 65 "d/masks/train/03.png: expected a mask, a grey or palette PNG whose 8-bit values are classes; found RGB" \
	s.json d
cp away d/masks/train/03.png
cp "${CLI%/*}/pictures/disc0.png" d/images/train/03.png
refuse 65 "d/masks/train/03.png: 16 x 16 pixels, but its picture d/images/train/03.png has 24 x 20" s.json d
cp d/images/train/04.png d/images/train/03.png

# An index that is no class is found when its turn comes, in any split.
printf 'ground\nrest\n' >d/classes.txt
sed 's/"classes": 3/"classes": 2/; s/"out_channels": 3/"out_channels": 2/' s.json >two.json
edgetrain fit two.json d -q -o run 2>err
[ $? -eq 65 ] && grep -q 'd/masks/train/.*.png: the pixel in column [0-9]* of row [0-9]* is 2: expected a class from 0 to 1, or 255' err ||
	fail "index: $(cat err)"
rm -r run
edgetrain fit two.json d -q --class-weights auto -o run 2>err && fail "counted what is no class"
grep -q "is 2: expected a class" err || fail "weights: $(cat err)"

# Other numbers of classes, and networks that are not for masks, or masks not for them.
refuse 65 "has 2 classes" s.json d
refuse 65 "has masks, a class a pixel of 8x8, but the last layer of classes.json, fc, gives 1x1 vectors of logits: end it in upsample2d with \"size\": [8, 8]" \
	classes.json d
sed 's/"size": \[16, 16\]/"size": [8, 8]/' s.json >low.json
refuse 65 "gives 8x8 vectors of logits: end it in upsample2d with \"size\": [16, 16]" low.json d
data digits
refuse 65 "digits: has one class a picture, but the last layer" s.json digits
# Without names the spec decides; a spec that follows has the largest index decide.
rm d/classes.txt
edgetrain fit s.json d -q --epochs 1 -o numbers || fail "without names"
grep -q 'val_iou_2,energy_j,' numbers/epochs.csv || fail "$(head -n 1 numbers/epochs.csv)"
sed 's/"out_channels": 3, "kernel_size": 1/"out_channels": "classes", "kernel_size": 1/; s/"classes": 3/"classes": 9/' \
	s.json >follow.json
edgetrain fit follow.json d --epochs 1 -o follow 2>err || fail "follow: $(cat err)"
grep -q "3 classes in d, the spec says 9" err || fail "follow: $(cat err)"
edgetrain eval follow d -q || fail "eval of a run that followed"

#!/bin/sh
# Segmentation of small shapes: it learns, and every number is the one that the pixels give.
. "$CLI"
shapes d && pixel_spec s.json
edgetrain fit s.json d -o run >line 2>err || fail "$(cat err)"
head -n 1 run/epochs.csv | grep -qx 'epoch,.*,skipped,val_miou,val_iou_ground,"val_iou_square, red",val_iou_disc,energy_j,.*' ||
	fail "header: $(head -n 1 run/epochs.csv)"
miou=$(value miou <line)
at_least "$miou" 0.85 || fail "mIoU $miou: $(cat line)"
# The best epoch is that of the largest mIoU, not of the most pixels.
tail -n +2 run/epochs.csv | awk -F, '$10 > best { best = $10; epoch = $1 }
	END { printf "%.4f %d\n", best, epoch }' >best
[ "$(cat best)" = "$(value best <line) $(value best_epoch <line)" ] || fail "best: $(cat best): $(cat line)"

edgetrain eval run d --per-class --confusion c.csv >out || fail "eval"
[ "$(value miou <out)" = "$miou" ] || fail "eval finds $(value miou <out), fit $miou"
[ "$(value images <out)" = 4 ] || fail "images: $(cat out)"
! grep -q top5 out || fail "top5 of pixels"
# Pixels that count: all but the edges of four squares.
pixels=$(value pixels <out)
[ "$pixels" -eq 1000 ] || fail "pixels: $pixels"
# From the confusion matrix, quoted name and all: pixels, accuracy, IoU of each class, their mean.
sed 's/"square, red"/square/' c.csv | awk -F, '
	NR == 1 { n = NF - 1; next }
	{ for (k = 1; k <= n; k++) { label[NR - 1] += $(k + 1); said[k] += $(k + 1); all += $(k + 1) }
	  both[NR - 1] = $NR; right += $NR }
	END { for (k = 1; k <= n; k++) { iou = both[k] / (label[k] + said[k] - both[k]); sum += iou
	                                 printf "%d %d %.4f\n", label[k], said[k], iou }
	      printf "%d %.4f %.4f\n", all, right / all, sum / n }' >hand
sed -n '/^class/,$p' out | sed '1d; s/square, red/square/' | awk '{ print $2, $5, $7 }' >table
echo "$pixels $(value accuracy <out) $miou" >>table
cmp hand table || fail "by hand $(cat hand), found $(cat table)"

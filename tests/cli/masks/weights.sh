#!/bin/sh
# Class weights by pixels: pixels / (classes * pixels of the class), in the training set.
. "$CLI"
shapes d && pixel_spec s.json
edgetrain fit s.json d -q --epochs 2 --class-weights auto -o run || fail "auto"
edgetrain eval run d --split train --per-class >out || fail "eval"
# The pictures have the network's size, so that the table counts the same pixels.
sed -n '/^class/,$p' out | sed '1d; s/square, red/square/' | awk '{ n[NR] = $2; all += $2 }
	END { for (k = 1; k <= NR; k++) printf "%.5f\n", all / (NR * n[k]) }' >want
tr -d ' \t\n' <run/run.json | sed 's/.*"class_weights":\[\([^]]*\)\].*/\1/' | tr , '\n' |
	awk '{ printf "%.5f\n", $1 }' >found
cmp want found || fail "expected $(cat want), found $(cat found)"
edgetrain fit s.json d -q --epochs 1 --class-weights auto -o half &&
	edgetrain fit --resume half -q --epochs 2 || fail "resume"

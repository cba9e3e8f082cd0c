#!/bin/sh
# Adam and a step schedule.
. "$CLI"
spec s.json && data d 120 60
edgetrain fit s.json d -q -o a --optimizer adamw --lr 0.005 --schedule step --step-size 2 --gamma 0.5 --warmup 0.5 --clip-norm 1 --label-smoothing 0.1 --class-weights auto --epochs 8
at_least "$(edgetrain eval a d | value accuracy)" 0.9 || fail "did not learn"

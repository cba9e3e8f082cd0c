#!/bin/sh
# Fine-tuning: from weights, the classifier alone; the rest stays as it was.
. "$CLI"
spec s.json && data d
edgetrain fit s.json d -q -o a
edgetrain fit s.json d -o b --epochs 1 --lr 0 --init a/model.safetensors >out
accuracy=$(edgetrain eval a d | value accuracy)
[ "$(value accuracy <out)" = "$accuracy" ] || fail "with --lr 0 the accuracy changed: $(cat out)"
edgetrain fit s.json d -q -o c --epochs 1 --init a/model.safetensors --trainable fc
edgetrain fit s.json d -q -o e --epochs 1 --init a/model.safetensors --trainable "fc.*"
cmp c/model.safetensors e/model.safetensors || fail "fc and fc.* differ"
cmp -s c/model.safetensors a/model.safetensors && fail "nothing was trained"
exit 0

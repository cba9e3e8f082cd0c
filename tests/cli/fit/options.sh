#!/bin/sh
# Options override the spec; --lr=X and --lr X are the same; the last one counts.
. "$CLI"
spec s.json && data d
edgetrain fit s.json d -q -o a --epochs=1 --lr=0.01 --seed 3
edgetrain fit --epochs 5 --lr 0.01 s.json --epochs 1 -qo b --seed=3 -- d
cmp a/model.safetensors b/model.safetensors || fail "they differ"
edgetrain fit s.json d -q -o c --epochs 1 --seed 3
cmp -s a/model.safetensors c/model.safetensors && fail "--lr does nothing"
sed "s/\"lr\": 0.05/\"lr\": 0.01, \"seed\": 3/" s.json >t.json
edgetrain fit t.json d -q -o e --epochs 1
cmp a/model.safetensors e/model.safetensors || fail "the spec and the option differ"

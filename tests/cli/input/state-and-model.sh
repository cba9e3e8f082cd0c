#!/bin/sh
# A model that is not the one its state belongs to.
. "$CLI"
spec s.json && data d && edgetrain fit s.json d -q -o run --epochs 1 --keep 1
edgetrain fit s.json d -q -o other --epochs 1 --seed 7
cp other/model.safetensors run/
edgetrain fit -q --resume run --epochs 2

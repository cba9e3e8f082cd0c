#!/bin/sh
# Weights that end early.
. "$CLI"
spec s.json && data d && edgetrain fit s.json d -q -o run --epochs 1
head -c 2000 run/model.safetensors >w.safetensors
edgetrain fit s.json d -q -o other --init w.safetensors

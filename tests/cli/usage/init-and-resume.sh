#!/bin/sh
# Starting from weights and going on with a run are different things.
. "$CLI"
spec s.json && data d && edgetrain fit s.json d -q -o run --epochs 1
edgetrain fit --resume run --init run/model.safetensors

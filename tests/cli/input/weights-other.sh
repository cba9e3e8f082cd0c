#!/bin/sh
# Weights of another network: what is missing and what does not fit.
. "$CLI"
spec s.json && data d && edgetrain fit s.json d -q -o run --epochs 1
sed "s/\"out_channels\": 8/\"out_channels\": 4/; s/\"fc\"/\"head\"/" s.json >t.json
edgetrain fit t.json d -q -o other --init run/model.safetensors

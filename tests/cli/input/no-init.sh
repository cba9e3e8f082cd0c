#!/bin/sh
# Weights that are not there.
. "$CLI"
spec s.json && data d
edgetrain fit s.json d -q -o run --init none.safetensors

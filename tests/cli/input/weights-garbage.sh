#!/bin/sh
# Weights that are no safetensors file.
. "$CLI"
spec s.json && data d && echo garbage >w.safetensors
edgetrain fit s.json d -q -o run --init w.safetensors

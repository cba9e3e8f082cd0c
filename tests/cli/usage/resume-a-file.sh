#!/bin/sh
# A file of weights given to --resume: the error names --init.
. "$CLI"
spec s.json && data d && edgetrain fit s.json d -q -o run --epochs 1
edgetrain fit --resume run/model.safetensors

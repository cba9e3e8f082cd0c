#!/bin/sh
# A spec with weights, and another part of the data.
. "$CLI"
spec s.json && data d && edgetrain fit s.json d -q -o run
edgetrain eval s.json d --weights run/best.safetensors --split train --batch-size 7

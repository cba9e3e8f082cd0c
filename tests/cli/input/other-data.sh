#!/bin/sh
# A run does not go on with other data.
. "$CLI"
spec s.json && data d && data e 63 && edgetrain fit s.json d -q -o run --epochs 1
edgetrain fit --resume run s.json e --epochs 2

#!/bin/sh
# A run does not go on with other settings.
. "$CLI"
spec s.json && data d && edgetrain fit s.json d -q -o run --epochs 1
edgetrain fit --resume run --epochs 2 --lr 0.1

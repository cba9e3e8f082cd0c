#!/bin/sh
# A part that the data does not have.
. "$CLI"
spec s.json && data d && edgetrain fit s.json d -q -o run --epochs 1
edgetrain eval run d --split val

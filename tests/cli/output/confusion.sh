#!/bin/sh
# A confusion matrix that cannot be written.
. "$CLI"
spec s.json && data d && edgetrain fit s.json d -q -o run --epochs 1
edgetrain eval run d --confusion none/c.csv

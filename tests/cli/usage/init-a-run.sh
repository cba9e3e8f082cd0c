#!/bin/sh
# A run directory given to --init: the error names --resume.
. "$CLI"
spec s.json && data d && edgetrain fit s.json d -q -o run --epochs 1
edgetrain fit s.json d -q --init run --out other

#!/bin/sh
# With -v the program says what it is, and the plan.
. "$CLI"
spec s.json && data d
edgetrain fit s.json d -v --epochs 1 -o run >out

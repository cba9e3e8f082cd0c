#!/bin/sh
# A damaged run.json.
. "$CLI"
spec s.json && data d && edgetrain fit s.json d -q -o run --epochs 1
echo "{}" >run/run.json
edgetrain fit --resume run

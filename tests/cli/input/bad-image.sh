#!/bin/sh
# A broken picture is named, and nothing is trained.
. "$CLI"
colour_spec s.json && pictures d
head -c 90 d/disc/a-disc0.png >t && mv t d/disc/a-disc0.png
edgetrain fit s.json d -q -o run --epochs 1 --val-fraction 0

#!/bin/sh
# Folders of PNG and JPEG pictures, with a part held out.
. "$CLI"
colour_spec s.json && pictures d
edgetrain fit s.json d -q -o run --augment flip,jitter:0.1
edgetrain eval run d --split train --per-class

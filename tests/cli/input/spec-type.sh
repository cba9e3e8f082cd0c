#!/bin/sh
# A misspelt layer type.
. "$CLI"
spec s.json
sed s/conv2d/conv2/ s.json >t.json
edgetrain plan t.json

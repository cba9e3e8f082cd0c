#!/bin/sh
# A setting of the spec outside its range.
. "$CLI"
spec s.json
sed "s/\"lr\": 0.05/\"lr\": -1/" s.json >t.json
edgetrain plan t.json

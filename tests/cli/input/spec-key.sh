#!/bin/sh
# A misspelt key: where it is, and the nearest.
. "$CLI"
spec s.json
sed s/out_channels/out_chanels/ s.json >t.json
edgetrain plan t.json

#!/bin/sh
# Rows, columns, totals.
. "$CLI"
spec s.json
edgetrain plan s.json --estimate 0

#!/bin/sh
# What does not fit: exit code 80 with numbers.
. "$CLI"
spec s.json
edgetrain plan s.json --estimate 0 --max-memory 1M

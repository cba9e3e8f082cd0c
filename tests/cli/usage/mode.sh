#!/bin/sh
# A gradient mode that is not there.
. "$CLI"
spec s.json
edgetrain plan s.json --mode exakt

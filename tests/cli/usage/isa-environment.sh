#!/bin/sh
# The same from the environment.
. "$CLI"
ET_ISA=mmx
export ET_ISA
spec s.json
edgetrain plan s.json --estimate 0

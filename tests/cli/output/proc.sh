#!/bin/sh
# A run directory where none can be made.
. "$CLI"
[ -d /proc/self ] || skip "no /proc"
spec s.json && data d
edgetrain fit s.json d -q -o /proc/run

#!/bin/sh
# A flag with a value.
. "$CLI"
edgetrain eval run data --per-class=yes

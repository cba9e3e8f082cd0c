#!/bin/sh
# A spec without weights.
. "$CLI"
spec s.json && data d
edgetrain eval s.json d

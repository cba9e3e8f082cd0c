#!/bin/sh
# A dataset that is not there.
. "$CLI"
spec s.json
edgetrain fit s.json none -q

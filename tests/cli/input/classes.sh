#!/bin/sh
# A dataset with another number of classes.
. "$CLI"
spec s.json 4 && data d
edgetrain fit s.json d -q

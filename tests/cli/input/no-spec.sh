#!/bin/sh
# A spec that is not there.
. "$CLI"
data d
edgetrain fit none.json d -q

#!/bin/sh
# A run directory under a regular file.
. "$CLI"
spec s.json && data d && : >file
edgetrain fit s.json d -q -o file/run

#!/bin/sh
# A directory as spec.
. "$CLI"
mkdir s.json && data d
edgetrain fit s.json d -q

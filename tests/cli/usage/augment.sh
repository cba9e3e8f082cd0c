#!/bin/sh
# An augmentation that is not there.
. "$CLI"
spec s.json && data d
edgetrain fit s.json d -q --augment flib

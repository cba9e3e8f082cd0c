#!/bin/sh
# An output format that is not there.
. "$CLI"
edgetrain plan spec.json --format xml

#!/bin/sh
# A size that is none.
. "$CLI"
edgetrain plan spec.json --max-memory lots

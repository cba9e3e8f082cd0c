#!/bin/sh
# A setting outside its range.
. "$CLI"
edgetrain fit spec.json data --batch-size 0

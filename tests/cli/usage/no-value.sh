#!/bin/sh
# An option without its value.
. "$CLI"
edgetrain fit spec.json data --lr

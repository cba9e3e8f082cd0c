#!/bin/sh
# fit with three operands.
. "$CLI"
edgetrain fit spec.json data more

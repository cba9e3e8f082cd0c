#!/bin/sh
# fit with one operand.
. "$CLI"
edgetrain fit spec.json

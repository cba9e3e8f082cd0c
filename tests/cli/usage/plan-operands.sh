#!/bin/sh
# plan without operands.
. "$CLI"
edgetrain plan

#!/bin/sh
# fit without operands.
. "$CLI"
edgetrain fit

#!/bin/sh
# eval with one operand.
. "$CLI"
edgetrain eval run

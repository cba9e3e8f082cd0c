#!/bin/sh
# No command at all.
. "$CLI"
edgetrain

#!/bin/sh
# Behind -- nothing is an option.
. "$CLI"
edgetrain fit -- --help

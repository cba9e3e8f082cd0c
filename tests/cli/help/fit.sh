#!/bin/sh
# A command's help has its settings with defaults, within 80 columns.
. "$CLI"
edgetrain fit --help
edgetrain fit --help >one && edgetrain help fit >two && cmp one two
awk "length > 80 { exit 1 }" one || fail "a line is longer than 80 columns"

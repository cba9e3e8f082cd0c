#!/bin/sh
# The list of commands.
. "$CLI"
edgetrain help
edgetrain --help | cmp - /dev/stdin <<END || fail "--help and help differ"
$(edgetrain help)
END

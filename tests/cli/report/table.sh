#!/bin/sh
# One run: what it came to, what it took, what it suffered.
. "$CLI"
# shellcheck source=tests/cli/runs.sh
. "${CLI%/*}/runs.sh"
made_run night epochs=6 done=6 limit=50 volts=20 name=mcunet mode=filter:4
edgetrain report night/

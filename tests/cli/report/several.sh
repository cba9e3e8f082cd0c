#!/bin/sh
# Side by side, and where there is no room for that a line each; "-" where nothing is known.
. "$CLI"
# shellcheck source=tests/cli/runs.sh
. "${CLI%/*}/runs.sh"
made_run a
made_run path/to/b miou=1 mode=filter:4 seed=3
made_run c source= val= done=0 later=10
edgetrain report a path/to/b c
edgetrain report a path/to/b c a a

#!/bin/sh
# A misspelt command: the nearest is named.
. "$CLI"
edgetrain fitt

#!/bin/sh
# Help on a command that is not there.
. "$CLI"
edgetrain help evel

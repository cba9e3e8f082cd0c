#!/bin/sh
# A directory that is no run.
. "$CLI"
mkdir d
edgetrain fit --resume d

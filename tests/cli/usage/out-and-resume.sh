#!/bin/sh
# A resumed run has its directory.
. "$CLI"
edgetrain fit --resume run --out other

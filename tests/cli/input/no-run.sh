#!/bin/sh
# A run that is not there.
. "$CLI"
edgetrain fit --resume none

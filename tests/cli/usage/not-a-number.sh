#!/bin/sh
# A setting that is not a number.
. "$CLI"
edgetrain fit spec.json data --lr abc

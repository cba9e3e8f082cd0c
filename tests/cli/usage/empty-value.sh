#!/bin/sh
# An empty file name.
. "$CLI"
edgetrain fit spec.json data --init=

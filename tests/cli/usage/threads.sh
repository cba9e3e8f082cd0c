#!/bin/sh
# An option of the program's own outside its range.
. "$CLI"
edgetrain fit spec.json data --threads 0

#!/bin/sh
# A misspelt option, with a value.
. "$CLI"
edgetrain fit spec.json data --batchsize=8

#!/bin/sh
# Micro-batches with batch norm by batch.
. "$CLI"
spec s.json
edgetrain plan s.json --micro-batch 5

#!/bin/sh
# Two ways to choose what trains.
. "$CLI"
spec s.json
edgetrain plan s.json --last 1 --trainable fc

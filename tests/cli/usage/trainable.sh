#!/bin/sh
# A pattern that matches nothing.
. "$CLI"
spec s.json
edgetrain plan s.json --trainable layer1,fd

#!/bin/sh
# A recipe that no layer takes names itself, and the reason.
. "$CLI"
spec s.json
edgetrain bench s.json nowhere --modes exact,filter:2 --trainable fc

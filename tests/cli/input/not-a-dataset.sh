#!/bin/sh
# A directory of something else.
. "$CLI"
spec s.json && mkdir d && echo hello >d/notes.txt
edgetrain fit s.json d -q

#!/bin/sh
# JSON that is none: file, line and column are named.
. "$CLI"
printf "{\"name\": \"x\",\n \"classes\": }\n" >s.json
edgetrain plan s.json

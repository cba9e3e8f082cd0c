#!/bin/sh
# A list of pictures with a number that there is not.
. "$CLI"
spec s.json && data d
printf '# these\n3\n60\n' >list
edgetrain fit s.json d -q -o run --subset list

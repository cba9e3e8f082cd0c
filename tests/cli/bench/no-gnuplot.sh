#!/bin/sh
# Without gnuplot, or where no file can be: said before anything runs.
. "$CLI"
spec s.json
edgetrain bench s.json nowhere --modes exact --plot nodir/a.png 2>err
[ $? -eq 73 ] || fail "$(cat err)"
PATH=/nowhere edgetrain bench s.json nowhere --modes exact --plot a.png

#!/bin/sh
# What stands in the way of a picture is said; what was there stays, and the table is printed.
. "$CLI"
# shellcheck source=tests/cli/runs.sh
. "${CLI%/*}/runs.sh"
made_run a
edgetrain report a --plot a.jpg 2>err
[ $? -eq 64 ] && grep -q 'expected FILE.png or FILE.svg' err || fail "$(cat err)"
edgetrain report a --plot no/a.png 2>err
[ $? -eq 73 ] || fail "$(cat err)"
PATH=/nowhere edgetrain report a --plot a.png 2>err
[ $? -eq 64 ] && grep -q 'apt install gnuplot' err || fail "$(cat err)"
mkdir bin
printf '#!/bin/sh\necho "line 3: no such thing" >&2\nexit 1\n' >bin/gnuplot
chmod +x bin/gnuplot
echo before >a.png
PATH=$PWD/bin:$PATH edgetrain report a --plot a.png >out 2>err
[ $? -eq 74 ] && grep -q 'bin/gnuplot failed: line 3: no such thing' err || fail "$(cat err)"
[ "$(cat a.png)" = before ] || fail "the picture has changed"
grep -q '^run  *a' out || fail "the table is lost: $(cat out)"
rm a/*.csv
PATH=$PWD/bin:$PATH edgetrain report a --plot a.png >out 2>err
[ $? -eq 65 ] && grep -q 'nothing to draw yet' err || fail "$(cat err)"

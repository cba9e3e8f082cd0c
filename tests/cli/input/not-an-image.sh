#!/bin/sh
# A file that only has the name of a picture.
. "$CLI"
colour_spec s.json && pictures d
echo "<html>404</html>" >d/cross/downloaded.jpg
edgetrain fit s.json d -q -o run
code=$?
[ ! -e run ] || fail "the run was created all the same"
exit $code

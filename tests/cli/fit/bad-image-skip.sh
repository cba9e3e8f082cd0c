#!/bin/sh
# Broken pictures are left out and counted where that is wanted.
. "$CLI"
colour_spec s.json && pictures d
head -c 90 d/disc/a-disc0.png >t && mv t d/disc/a-disc0.png
echo "<html>404</html>" >d/cross/downloaded.jpg
edgetrain fit s.json d -o run --epochs 1 --val-fraction 0 --on-bad-image skip >out
grep -q "  skipped [1-9]" out || fail "$(cat out)"
[ "$(tail -n 1 run/epochs.csv | cut -d, -f9)" = 1 ] || fail "$(cat run/epochs.csv)"
[ "$(edgetrain eval run d --split train --on-bad-image skip | value images)" = 15 ] || fail "images"
[ "$(edgetrain eval run d --split train --on-bad-image skip | value skipped)" = 2 ] || fail "skipped"

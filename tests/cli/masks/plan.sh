#!/bin/sh
# Labels of pixels are in the plan, with data and without.
. "$CLI"
shapes d && pixel_spec s.json
bytes() { edgetrain plan s.json "$@" --format json | tr -d ' \n' | sed 's/.*"training":{[^}]*"data":\([0-9]*\).*/\1/'; }
# Two batches of pictures for training and two for validation, 4 bytes a number and a label.
one=$(bytes --batch-size 1) && ten=$(bytes --batch-size 11) || fail "plan"
[ $((ten - one)) -eq $((10 * 4 * 16 * 16 * (3 + 1) * 4)) ] || fail "$one and $ten"
one=$(bytes d --batch-size 1) && ten=$(bytes d --batch-size 11) || fail "plan of data"
extra=$((ten - one - 10 * 4 * 16 * 16 * (3 + 1) * 4))
[ $extra -ge 0 ] && [ $extra -lt 2000 ] || fail "with data: $one and $ten"

#!/bin/sh
# A limit on the size of files stands for a full disk where nothing can be mounted.
. "$CLI"
spec s.json && data d
edgetrain fit s.json d -q -o run --epochs 1
edgetrain eval run d | value loss >before
(
	ulimit -f 4 || exit 77 # blocks of 512 bytes or 1 kB
	edgetrain fit -q --resume run --epochs 3
) 2>err
code=$?
[ $code -eq 74 ] || fail "ended with $code: $(cat err)"
grep -q "File too large" err || fail "message: $(cat err)"
edgetrain eval run d | value loss >after
cmp before after || fail "the checkpoint is not the previous one"
edgetrain fit -q --resume run --epochs 3 || fail "cannot go on without the limit"

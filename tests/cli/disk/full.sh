#!/bin/sh
# A disk that fills up during a checkpoint: exit code 74, and the previous checkpoint is readable.
. "$CLI"
spec s.json && data d
mkdir small && mount -t tmpfs -o size=256k none small 2>/dev/null || skip "cannot mount a small tmpfs"
trap 'umount small' EXIT
edgetrain fit s.json d -q -o small/run --epochs 1 --keep 1 || fail "the first epoch failed"
edgetrain eval small/run d | value loss >before
dd if=/dev/zero of=small/filler bs=1k count=1000 2>/dev/null
edgetrain fit -q --resume small/run --epochs 3 2>err
code=$?
[ $code -eq 74 ] || fail "ended with $code: $(cat err)"
[ "$(wc -l <err)" -eq 1 ] && grep -q "No space left" err || fail "message: $(cat err)"
edgetrain eval small/run d | value loss >after
cmp before after || fail "the checkpoint is not the previous one"
[ "$(find small/run -type f | wc -l)" -eq 6 ] || fail "left behind: $(ls small/run)"
rm small/filler
edgetrain fit -q --resume small/run --epochs 3 || fail "cannot go on with room again"

#!/bin/sh
# Before anything trains: is there room for the checkpoints to come? Numbers, and what would help.
. "$CLI"
spec s.json && data d
mkdir small && mount -t tmpfs -o size=128k none small 2>/dev/null || skip "cannot mount a small tmpfs"
trap 'umount small' EXIT
# A pair is 20 + 20 kB in blocks of 4; the best one 20 kB.
edgetrain fit s.json d -q -o elsewhere --epochs 1
blocks() { echo $(((($(stat -c %s "$1") + 4095) / 4096) * 4)); }
model=$(blocks elsewhere/model.safetensors) state=$(blocks elsewhere/state.safetensors)
[ "$model $state" = "20 20" ] || fail "sizes: $model $state"

edgetrain fit s.json d -q -o small/run 2>err
[ $? -eq 73 ] && [ "$(wc -l <err)" -eq 1 ] || fail "three pairs and a model in 128 kB: $(cat err)"
grep -q "small/run: the disk is too full: 143.4 kB are needed (2 checkpoints of 41.0 kB, .* 12[0-9.]* kB are free; make room, or --keep 1, which needs 102.4 kB$" err ||
	fail "message: $(cat err)"
[ -z "$(ls small)" ] || fail "left behind: $(ls small)"
edgetrain fit s.json d -q -o small/run --keep 1 2>err || fail "two pairs and a model in 128 kB: $(cat err)"
# What is there counts: the next checkpoint alone has to fit.
edgetrain fit -q --resume small/run --epochs 4 2>err || fail "does not go on: $(cat err)"
dd if=/dev/zero of=small/filler bs=1k count=20 2>/dev/null
edgetrain fit -q --resume small/run --epochs 5 2>err
[ $? -eq 73 ] && grep -q "41.0 kB more are needed (1 checkpoint of 41.0 kB.* are free; make room$" err || fail "message: $(cat err)"
# Finished runs need no room.
edgetrain fit -q --resume small/run 2>err || fail "finished: $(cat err)"
edgetrain fit s.json d -o elsewhere --resume auto --epochs 2 2>err >out || fail "$(cat err)"
grep -q "disk: up to [0-9.]* kB for checkpoints, 2 of 41.0 kB and the best one; .* are free" err || fail "says nothing: $(cat err)"
# Rows of many epochs are no reason to refuse: a run may be stopped before.
edgetrain fit s.json d -o small/two --keep 1 --epochs 100000 --max-time 1s 2>err >out
[ $? -eq 73 ] || fail "a second run: $(cat err)"
rm -r small/run small/filler
edgetrain fit s.json d -o small/two --keep 1 --epochs 100000 --max-time 1s 2>err >out
grep -q "warning: small/two: .* are free; rows of all epochs may take 1[0-9][0-9].* MB" err || fail "no warning: $(cat err)"

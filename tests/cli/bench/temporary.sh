#!/bin/sh
# Without --out trainings leave nothing behind, stopped or not.
. "$CLI"
spec s.json && data d 600 30
mkdir tmp
TMPDIR=$PWD/tmp
export TMPDIR
edgetrain bench s.json d --modes exact,filter:2 --epochs 1 --steps 1 >out 2>err || fail "$(cat err)"
grep -q accuracy out || fail "$(cat out)"
[ -z "$(ls tmp)" ] || fail "left: $(ls tmp)"
training() { ls tmp/*/exact/model.safetensors >/dev/null 2>&1; }
start bench s.json d --modes exact --epochs 100000 --steps 1 >out 2>err &
pid=$!
until_true training
kill -TERM $pid
wait $pid
code=$?
[ $code -eq 143 ] || fail "ended with $code: $(cat err)"
[ -z "$(ls tmp)" ] || fail "left: $(ls -R tmp)"
[ ! -s out ] || fail "printed all the same: $(cat out)"

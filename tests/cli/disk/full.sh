#!/bin/sh
# A disk that another program fills up while a run trains: exit code 74, the previous checkpoint is
# readable, and with room again the run goes on to the same bits.
. "$CLI"
spec s.json && data d 600 30
mkdir small && mount -t tmpfs -o size=1m none small 2>/dev/null || skip "cannot mount a small tmpfs"
trap 'umount small' EXIT
go() { start fit s.json d -q --resume auto --out small/run --schedule constant --keep 1 "$@"; }
go --epochs 100000 2>err &
pid=$!
until_true grep -q '^1,' small/run/epochs.csv
dd if=/dev/zero of=small/filler bs=1k count=2000 2>/dev/null
wait $pid
code=$?
[ $code -eq 74 ] || fail "ended with $code: $(cat err)"
[ "$(wc -l <err)" -eq 1 ] && grep -q "No space left" err || fail "message: $(cat err)"
[ "$(find small/run -type f | wc -l)" -eq 6 ] || fail "left behind: $(ls small/run)"
edgetrain eval small/run d -q || fail "the checkpoint cannot be read"
# A row that was torn by it, or not, is torn now.
printf '99999,17,10,0.1' >>small/run/steps.csv 2>/dev/null || truncate -s -20 small/run/steps.csv
cp -a small/run torn

# Without room it does not even begin, and says what is needed.
(go --epochs 100000) 2>err
code=$?
[ $code -eq 73 ] || fail "without room: ended with $code: $(cat err)"
[ "$(wc -l <err)" -eq 1 ] && grep -q "small/run: the disk is too full: .* needed .* are free; make room$" err || fail "message: $(cat err)"

rm small/filler
epochs=$(($(wc -l <small/run/epochs.csv) + 1))
(go --epochs $epochs) 2>err || fail "cannot go on with room again: $(cat err)"
edgetrain fit s.json d -q -o whole --schedule constant --epochs $epochs || fail "the undisturbed run failed"
cmp small/run/model.safetensors whole/model.safetensors || fail "the models differ"
cut -d, -f1-6 small/run/steps.csv >a
cut -d, -f1-6 whole/steps.csv >b
cmp a b || fail "steps.csv differs"

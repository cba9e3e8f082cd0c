#!/bin/sh
# The same bits as exact, whichever layers it won on; and it says on how many.
. "$CLI"
spec s.json && data d
sed 's/{"name": "layer1.0"/{"name": "wide", "type": "conv2d", "out_channels": 24, "kernel_size": 1}, &/' \
	s.json >w.json
set -- d --epochs 1 --batch-size 10
edgetrain fit w.json "$@" -o exact 2>err || fail "exact: $(cat err)"
grep -q "one walk" err && fail "exact walks"
for mode in interleaved interleaved:always; do
	edgetrain fit w.json "$@" --mode "$mode" -o "$mode" 2>err || fail "$mode: $(cat err)"
	grep -q "both gradients in one walk on [01] of 1 layers" err || fail "$mode: $(cat err)"
	cmp "$mode/model.safetensors" exact/model.safetensors || fail "$mode is not exact"
done
grep -q "on 1 of 1 layers" err || fail "always: $(cat err)"
edgetrain bench w.json d --modes interleaved --steps 2 >out 2>err || fail "bench: $(cat err)"
grep -c "one walk" err | grep -qx 1 || fail "bench says: $(cat err)"
grep -q "^interleaved .*   1.0000   1.0000$" out || fail "$(cat out)"
edgetrain plan s.json --mode interleaved >out 2>err && fail "accepted on no layer"
grep -qF "interleaved works on convolutions of 1x1 with stride 1" err || fail "reason: $(cat err)"

#!/bin/sh
# A run's network: the file, the line about it, what stands in it; its best epoch; names of one's own.
. "$CLI"
colour_spec s.json && pictures d
edgetrain fit s.json d -q -o run --epochs 2
edgetrain export run net.onnx | sed 's/bytes [0-9]*/bytes N/'
for word in '\["cross","disc"\]' 'input_height' '\[0.400000006,0.400000006,0.400000006\]' normalised \
	fc.weight logits colour; do
	grep -aq "$word" net.onnx || fail "no $word in the file"
done
[ "$(wc -c <net.onnx)" -eq "$(edgetrain export run same.onnx | value bytes)" ] || fail "another length"
cmp net.onnx same.onnx || fail "another file"
edgetrain export run best.onnx --best -q
edgetrain export run named.onnx --weights run/best.safetensors -q
cmp best.onnx named.onnx || fail "--best is not best.safetensors"
printf 'kreuz\r\n"scheibe"' >names
edgetrain export run own.onnx --labels names --softmax --normalize
grep -aqF '["kreuz","\"scheibe\""]' own.onnx || fail "names"
grep -aq probabilities own.onnx || fail "softmax"
grep -aq 0-255 own.onnx || fail "normalize"

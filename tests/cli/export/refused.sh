#!/bin/sh
# What cannot be exported: a line each, its exit code, and the file that was there stays.
. "$CLI"
flat_spec s.json && flat_weights w
echo old >net.onnx
try() {
	edgetrain export "$@" 2>&1
	echo "exit $?"
	[ "$(cat net.onnx)" = old ] || fail "the file is gone"
}
try s.json
try s.json net.onnx more
try s.json net.onnx
try s.json net.onnx --best --weights w
try s.json net.onnx --weights none
try s.json w --weights w
try s.json s.json --weights w
try s.json net.onnx --weights w --max-memory 1K | sed 's/needs [^,]*/needs N/'
try s.json . --weights w
try nothing net.onnx
mkdir empty
try empty net.onnx
printf 'a\nb\n' >names
try s.json net.onnx --weights w --labels names
printf 'a\n\377\nc\n' >names
try s.json net.onnx --weights w --labels names
head -c 60 /dev/zero | tr '\0' '\377' | tensors nan '{"fc.bias":{"dtype":"F32","shape":[3],"data_offsets":[0,12]},
	"fc.weight":{"dtype":"F32","shape":[3,4],"data_offsets":[12,60]}}'
try s.json net.onnx --weights nan
data d && spec r.json && edgetrain fit r.json d -q -o run --epochs 1
try run net.onnx --best --weights w

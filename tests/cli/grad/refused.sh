#!/bin/sh
# Everything in a batch is checked, and what was there before stays.
. "$CLI"
flat_spec s.json && flat_weights w
echo precious >g
try() {
	edgetrain grad s.json "$@" --out g >out
	echo "exit $?" >&2
	[ ! -s out ] || fail "printed: $(cat out)"
}
exec 2>&1
input='"F32","shape":[2,1,2,2],"data_offsets":[0,32]'
target='"I64","shape":[2],"data_offsets":[32,48]'
variant() {
	flat_batch b "${1:-$input}" "${2:-$target}" "${3:-\\2}"
	try b
}
variant '"I32","shape":[2,1,2,2],"data_offsets":[0,32]'
variant '"F64","shape":[2,1,2,1],"data_offsets":[0,32]'
variant '"F32","shape":[2,2,2,1],"data_offsets":[0,32]'
variant '"F32","shape":[2,4],"data_offsets":[0,32]'
variant '"F32","shape":[8],"data_offsets":[0,32]'
variant '"F32","shape":[],"data_offsets":[0,4]' '"F32","shape":[11],"data_offsets":[4,48]'
variant '"F32","shape":[0,1,2,2],"data_offsets":[0,0]' '"I64","shape":[6],"data_offsets":[0,48]'
variant '' '"F64","shape":[2],"data_offsets":[32,48]'
variant '' '"I64","shape":[2,1],"data_offsets":[32,48]'
variant '' '"I32","shape":[4],"data_offsets":[32,48]'
variant '"F32","shape":[1,1,2,2],"data_offsets":[0,16]' '"I64","shape":[4],"data_offsets":[16,48]'
variant '' '' '\3'
variant '' '"I32","shape":[2,2],"data_offsets":[32,48]'
variant '"F32","shape":[2,1,2,2],"data_offsets":[0,32],"x":0},"targets":{"dtype":"U8","shape":[0],"data_offsets":[32,32]' \
	'"I64","shape":[2],"data_offsets":[32,48]' '\376'
head -c 48 s.json.batch >b && try b
head -c 32 /dev/zero | tensors b '{"input":{"dtype":"F32","shape":[2,1,2,2],"data_offsets":[0,32]}}'
try b
head -c 8 /dev/zero | tensors b '{"target":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}'
try b
{ printf '\0\0\300\177'; head -c 20 /dev/zero; } | tensors b \
	'{"input":{"dtype":"F32","shape":[1,1,2,2],"data_offsets":[0,16]},"target":{"dtype":"I64","shape":[1],"data_offsets":[16,24]}}'
try b
{ head -c 16 /dev/zero; printf '\377'; head -c 7 /dev/zero; } | tensors b \
	'{"input":{"dtype":"F32","shape":[1,1,2,2],"data_offsets":[0,16]},"target":{"dtype":"I64","shape":[1],"data_offsets":[16,24]}}'
try b
try missing
try .
[ "$(cat g)" = precious ] || fail "the file was touched"
[ "$(ls)" = "$(printf 'b\ng\nout\ns.json\ns.json.batch\nw')" ] || fail "files left: $(ls)"

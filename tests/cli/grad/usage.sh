#!/bin/sh
# Operands, options, weights and outputs that are wrong.
. "$CLI"
flat_spec s.json && flat_weights w
exec 2>&1
try() {
	edgetrain grad "$@"
	echo "exit $?"
}
try
try s.json
try s.json s.json.batch
try s.json s.json.batch more --out g
try s.json s.json.batch --out s.json.batch
try s.json s.json.batch --weights w --out ./w
try s.json s.json.batch --out s.json
echo 1 1 1 >c
try s.json s.json.batch --class-weights c --out c
try s.json s.json.batch --out no/such/g
try s.json s.json.batch --out .
try s.json s.json.batch --out g --lr 1
try s.json s.json.batch --out g --class-weights auto
try s.json s.json.batch --out g --mode exakt
try s.json s.json.batch --out g --max-memory 1K
try s.json s.json.batch --out g --weights missing
head -c 12 /dev/zero | tensors part '{"fc.bias":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}'
try s.json s.json.batch --out g --weights part
head -c 40 /dev/zero | tensors head '{"fc.bias":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"fc.weight":{"dtype":"F32","shape":[2,4],"data_offsets":[8,40]}}'
try s.json s.json.batch --out g --weights head
{ printf '\0\0\200\177'; head -c 56 /dev/zero; } | tensors inf \
	'{"fc.bias":{"dtype":"F32","shape":[3],"data_offsets":[0,12]},"fc.weight":{"dtype":"F32","shape":[3,4],"data_offsets":[12,60]}}'
try s.json s.json.batch --out g --weights inf
[ "$(ls)" = "$(printf 'c\nhead\ninf\npart\ns.json\ns.json.batch\nw')" ] || fail "files left: $(ls)"

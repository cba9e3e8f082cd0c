#!/bin/sh
# What changes the loss or the gradients, on the command line and in the spec.
. "$CLI"
flat_spec s.json && flat_weights w
loss() { edgetrain grad s.json s.json.batch --out g "$@" | value loss; }
printf '1 1 3\n' >weights
# All logits are equal: neither smoothing nor weights change the mean; they do with other weights.
[ "$(loss --weights w --label-smoothing 0.5)" = 1.098612 ] || fail "smoothing"
plain=$(loss) smooth=$(loss --label-smoothing 0.5) weighted=$(loss --class-weights weights)
[ "$plain" != "$smooth" ] && [ "$plain" != "$weighted" ] || fail "$plain, $smooth, $weighted"
[ "$(loss --seed 1)" != "$plain" ] || fail "the seed changes nothing"
edgetrain grad s.json s.json.batch --seed 7 --trainable fc.bias --out one >/dev/null
header one | grep -q '"seed":"7"' || fail "no seed: $(header one)"
header one | grep -q '"fc.bias"' || fail "no gradient of what trains"
header one | grep -q '"fc.weight"' && fail "a gradient of what does not train"
header one | grep -q '"input"' && fail "a gradient of the input, unasked"
sed 's/"layers"/"train": {"label_smoothing": 0.5, "batch_size": 1, "epochs": 7}, &/' s.json >t.json
[ "$(edgetrain grad t.json s.json.batch --out g | value loss)" = "$smooth" ] ||
	fail "the spec's settings have no effect"
# 32-bit labels are the same labels.
flat_batch b '"F32","shape":[2,1,2,2],"data_offsets":[0,32]' '"I32","shape":[2],"data_offsets":[36,44]},
	"before":{"dtype":"U8","shape":[4],"data_offsets":[32,36]},
	"after":{"dtype":"U8","shape":[4],"data_offsets":[44,48]' '\2'
[ "$(edgetrain grad s.json b --out g | value loss)" = "$plain" ] || fail "I32 labels"

#!/bin/sh
# Recipes of single layers, from the spec and from the command line.
. "$CLI"
spec s.json && data d
set -- d -q --epochs 1 --batch-size 10
edgetrain fit s.json "$@" --mode filter:2 -o all || fail "filter:2"
edgetrain fit s.json "$@" -o none || fail "exact"
edgetrain fit s.json "$@" --modes 'conv1=filter:2;layer1.*=filter:2' -o named || fail "named"
cmp all/model.safetensors named/model.safetensors || fail "all convolutions by name are not all"
edgetrain fit s.json "$@" --mode filter:2 --modes '*=exact' -o last || fail "last"
cmp none/model.safetensors last/model.safetensors || fail "the glob does not come before mode"
sed 's/"train": {/"train": {"mode": "exact", "modes": {"*": "filter:4", "layer1.0": "filter:2", "conv1": "filter:2"},/' \
	s.json >m.json
edgetrain fit m.json "$@" -o spec || fail "spec"
cmp all/model.safetensors spec/model.safetensors || fail "the last glob does not win"
edgetrain fit --resume spec -q --epochs 2 || fail "resume"

refuse() {
	want=$1
	shift
	edgetrain plan s.json "$@" >out 2>err && fail "accepted: $*"
	[ $? -eq 64 ] && grep -qF -e "$want" err || fail "$*: $(cat err)"
}
refuse "no layer with weights matches 'layer9'" --modes 'layer9=filter:2'
refuse "filter works on convolutions, fc is a linear layer" --modes 'fc=filter:2'
refuse "filter works on convolutions, fc is a linear layer" --trainable fc --mode filter:2
refuse "expected GLOB=RECIPE" --modes 'fc'
refuse "smd is for the whole net" --modes 'fc=smd:0.5'
refuse "filter needs R" --mode filter
refuse "R: expected an integer from 1 to 255, found '0'" --mode filter:0
refuse "filter: expected R, scale, found 'size'" --mode filter:2,size=2
refuse "filter and filter exclude each other" --mode filter:2+filter:4

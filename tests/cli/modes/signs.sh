#!/bin/sh
# Signs take gradients back: not exact, the same on any number of threads and after a resume.
. "$CLI"
spec s.json && data d
set -- s.json d -q --batch-size 10 --schedule constant
edgetrain fit "$@" --epochs 2 -o exact || fail "exact"
for mode in signsym signsym-frozen feedback efficientgrad:0.9; do
	edgetrain fit "$@" --epochs 2 --mode $mode --threads 1 -o $mode || fail "$mode"
	! cmp -s exact/model.safetensors $mode/model.safetensors || fail "$mode is exact"
	edgetrain fit "$@" --epochs 1 --mode $mode --threads 3 -o $mode-half || fail "$mode-half"
	edgetrain fit --resume $mode-half -q --epochs 2 || fail "$mode: resume"
	cmp $mode/model.safetensors $mode-half/model.safetensors || fail "$mode: resumed otherwise"
done
edgetrain fit "$@" --epochs 2 --mode signsym:he -o he || fail "scale"
cmp he/model.safetensors signsym/model.safetensors || fail "he is not what batch norm gets"
edgetrain fit "$@" --epochs 2 --mode signsym:scale=match-w -o match || fail "scale"
! cmp -s he/model.safetensors match/model.safetensors || fail "no scale"
# The last layer's gradients are exact; named, it hands signs back too.
edgetrain fit "$@" --epochs 2 --modes 'fc=signsym' -o named || fail "fc=signsym"
! cmp -s exact/model.safetensors named/model.safetensors || fail "a named classifier is exact"

refuse() {
	want=$1
	shift
	edgetrain plan s.json "$@" >out 2>err && fail "accepted: $*"
	[ $? -eq 64 ] && grep -qF -e "$want" err || fail "$*: $(cat err)"
}
refuse "fc is the classifier and stays exact unless modes names it" --trainable fc --mode signsym
refuse "efficientgrad needs P" --mode efficientgrad
refuse "P: expected a number from 0 to 0.999999, found '1'" --mode efficientgrad:1
refuse "scale: expected one of auto|he|match-w, found 'xavier'" --mode feedback:scale=xavier
refuse "efficientgrad and signsym exclude each other" --mode efficientgrad:0.9+signsym
edgetrain plan s.json --mode efficientgrad:0.9 --batch-size 10 --micro-batch 5 >out 2>err &&
	fail "pruned by micro-batches"
grep -qF "efficientgrad" err || fail "does not say why: $(cat err)"

#!/bin/sh
# Every way to write a setting is taken again, word for word, when the run goes on.
. "$CLI"
spec s.json && data d && seq 0 59 >list && printf '1\n2\n3\n' >weights
edgetrain fit s.json d -q -o first --epochs 1 || fail "no weights"
n=0
while read -r settings; do
	n=$((n + 1))
	# shellcheck disable=SC2086 # words
	for turn in begins goes-on; do
		edgetrain fit s.json d -q --resume auto -o run$n $settings 2>err || fail "$settings: $turn: $(cat err)"
	done
done <<END
--lr 5e-2 --momentum .9 --weight-decay 1e-4 --warmup 1 --val-fraction 0.10
--optimizer adam --beta1 0.90 --eps 1E-8 --schedule step --step-size 1 --gamma 0.5
--augment flip,crop:1 --class-weights auto --label-smoothing 0.1
--augment none --class-weights weights --subset ./list
--trainable layer1.*,fc --bn frozen --mode filter:2 --save-steps 2
--last 2 --modes fc*=exact;layer1*=filter:2 --on-bad-image skip --cache 1M
--init first/model.safetensors --micro-batch 5 --seed 7 --winograd off
--init ./first/../first/model.safetensors --mode signsym+smd:0.5 --last 1
END

#!/bin/sh
# The network of a run: the accuracy that fit printed.
. "$CLI"
spec s.json && data d && edgetrain fit s.json d -o run >fit
edgetrain eval run d | tee eval.out
for name in accuracy loss; do
	[ "$(value $name <fit)" = "$(value $name <eval.out)" ] || fail "$name: fit $(value $name <fit), eval $(value $name <eval.out)"
done
edgetrain eval run d --best | sed '/^seconds/,$d' >best
edgetrain eval run d --weights run/best.safetensors | sed '/^seconds/,$d' | cmp - best || fail "--best is not the best"

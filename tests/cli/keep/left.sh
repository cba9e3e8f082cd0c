#!/bin/sh
# What a kill leaves in the middle of a checkpoint, phase by phase: the run goes on to the same bits
# and nothing stays behind.
. "$CLI"
spec s.json && data d
fit() { edgetrain fit s.json d -q --resume auto -o run --schedule constant --save-steps 2 --keep 3 "$@"; }
edgetrain fit s.json d -q -o whole --schedule constant --save-steps 2 --keep 3 || fail "the undisturbed run failed"
edgetrain fit s.json d -q -o part --schedule constant --save-steps 2 --keep 3 --epochs 2 || fail "no run"
pair=run/checkpoints/step-00000012
check() {
	fit --epochs 3 2>err || fail "$1: ended with $?: $(cat err)"
	cmp run/model.safetensors whole/model.safetensors || fail "$1: the models differ"
	[ "$(ls run)" = "$(ls whole)" ] || fail "$1: left behind: $(ls run)"
	# A run that was finished by then has not written.
	[ "$(ls run/checkpoints)" = "${2-$(ls whole/checkpoints)}" ] || fail "$1: left behind: $(ls run/checkpoints)"
	rm -rf run
}
fresh() { rm -rf run && cp -a part run; }
fresh && echo torn >run/model.safetensors.7-0.tmp && echo torn >run/state.next.safetensors.7-0.tmp && check "before state.next"
fresh && cp whole/state.safetensors run/state.next.safetensors && cp whole/model.safetensors run/model.safetensors.7-0.tmp && check "state.next"
fresh && cp whole/state.safetensors run/state.next.safetensors && ln -f run/model.safetensors $pair.model.safetensors && check "model kept"
fresh && ln -f run/model.safetensors $pair.model.safetensors.link.tmp && check "link half made"
fresh && ln -f run/model.safetensors $pair.model.safetensors && ln -f run/state.safetensors $pair.state.safetensors && check "both kept"
# Where there are no links they are moved.
fresh && mv run/model.safetensors $pair.model.safetensors && rm $pair.state.safetensors && check "model moved"
fresh && mv run/model.safetensors $pair.model.safetensors && mv run/state.safetensors $pair.state.safetensors && check "both moved"
fresh && cp whole/state.safetensors run/state.next.safetensors && cp whole/model.safetensors run/model.safetensors && check "model in place" "$(ls part/checkpoints)"
fresh && echo x >run/checkpoints/step-00000099.model.safetensors && check "half of a later pair"
fresh && rm -r run/checkpoints && check "none kept"

#!/bin/sh
# Features that will be kept: later epochs are made of steps that find them, those that fill are not.
. "$CLI"
spec s.json && data d
sum() {
	edgetrain plan s.json d --trainable fc --init any.safetensors --epochs 5 --format json "$@" >json || fail "no plan"
	sed -n 's/.*"estimate": {\(.*\)}/\1/p' json | tr -d ' "' | tr ',:' '\n=' | sed 's/true/1/; s/false/0/' >values
	# shellcheck disable=SC1091 # numbers
	. ./values
}
# shellcheck disable=SC2154 # from there
near() { awk "BEGIN { a = $1; b = $2; exit !(a > 0 && a - b < 1e-4 * a && b - a < 1e-4 * a) }" || fail "$1 is not $2: $(cat json)"; }
sum --augment none
# shellcheck disable=SC2154
{
	[ "$kept" = 1 ] && [ "$val_kept" = 1 ] && [ "$filling_epochs" = 1 ] || fail "$(cat json)"
	near "$first_epoch_s" "6 * $step_s + $evaluation_s"
	near "$epoch_s" "6 * $kept_step_s + $kept_evaluation_s"
	near "$run_s" "$first_epoch_s + 4 * $epoch_s"
	sum --augment flip --cache-variants 3
	[ "$filling_epochs" = 3 ] || fail "$(cat json)"
	near "$run_s" "3 * 6 * $step_s + 2 * 6 * $kept_step_s + $evaluation_s + 4 * $kept_evaluation_s"
	# Augmented pictures are not kept, those of the evaluation are.
	sum --augment flip
	[ "$kept" = 0 ] && [ "$val_kept" = 1 ] || fail "$(cat json)"
	near "$run_s" "5 * 6 * $step_s + $evaluation_s + 4 * $kept_evaluation_s"
	sum --augment none --cache off
	[ "$kept" = 0 ] && [ "$val_kept" = 0 ] || fail "$(cat json)"
	near "$run_s" "5 * (6 * $step_s + $evaluation_s)"
}

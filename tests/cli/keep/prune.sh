#!/bin/sh
# The last N checkpoints stay, under their steps, as second names of files written once; N may
# change when the run goes on, and is the run's from then on, as --save-steps.
. "$CLI"
spec s.json && data d
list() { (cd "$1/checkpoints" 2>/dev/null && echo *.model.* | sed 's/step-0*//g; s/\.model\.safetensors//g'); }
# keeps RUN STEPS
keeps() {
	[ "$(list "$1")" = "$2" ] || fail "$1: keeps $(list "$1"), not $2"
	# shellcheck disable=SC2012,SC2086 # counts; a word or none
	[ -z "$2" ] || [ "$(ls "$1/checkpoints" | wc -l)" -eq $(($(echo $2 | wc -w) * 2)) ] || fail "$1: $(ls "$1/checkpoints")"
}
edgetrain fit s.json d -q -o run --save-steps 2 --keep 3 --epochs 2 || fail "exit code $?"
# Written: 0 2 4 6 (in the epoch and behind it) 8 10 12 12.
keeps run "10 12"
cut -d, -f1-6 run/steps.csv >before
for at in 10 12; do
	edgetrain info "run/checkpoints/step-000000$at.model.safetensors" | grep -q "step.*$at" || fail "not of step $at"
	edgetrain eval s.json d --weights "run/checkpoints/step-000000$at.model.safetensors" -q || fail "step $at"
done
edgetrain fit s.json d -q -o two --save-steps 2 --epochs 1 && keeps two "6"
edgetrain fit s.json d -q -o one --save-steps 2 --epochs 1 --keep 1 && keeps one "" && [ ! -e one/checkpoints ] || fail "keep 1"
edgetrain fit -q --resume run --keep 2 --epochs 3 --save-steps 4 && keeps run 16
edgetrain fit -q --resume run --keep 1 --epochs 4 && [ ! -e run/checkpoints ] || fail "$(ls run/checkpoints)"
edgetrain fit -q --resume run --keep 9 --epochs 5 && keeps run "24 28" || fail "keep 9"
edgetrain fit s.json d -q -o no --keep 0 2>err
[ $? -eq 64 ] || fail "keep 0: $(cat err)"
# One file, two names, while both stand.
edgetrain fit s.json d -q -o linked --save-steps 100 --epochs 1
[ "$(stat -c %h linked/model.safetensors)" -eq 1 ] || fail "links: $(stat -c %h linked/model.safetensors)"

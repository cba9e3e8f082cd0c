#!/bin/sh
# smd skips batches: never with P=0, about half of them with 0.5, the same ones in a resumed run.
. "$CLI"
spec s.json && data d 300
set -- s.json d -q --epochs 2 --batch-size 10
edgetrain fit "$@" --mode exact -o exact && edgetrain fit "$@" --mode smd:0 -o none || fail "exact"
cmp exact/model.safetensors none/model.safetensors || fail "smd:0 is not exact"

steps() { echo $(($(wc -l <"$1/steps.csv") - 1)); }
edgetrain fit "$@" --mode smd:0.5 -o half || fail "smd:0.5"
n=$(steps half)
[ "$n" -gt 15 ] && [ "$n" -lt 45 ] || fail "$n steps of 60"
! cmp -s exact/model.safetensors half/model.safetensors || fail "smd:0.5 is exact"
out=$(edgetrain fit s.json d --epochs 2 --batch-size 10 --mode smd:0.5 -o again) || fail "again"
case $out in
*"steps $n of 60 drawn"*) ;;
*) fail "does not say what was drawn: $out" ;;
esac
cmp half/model.safetensors again/model.safetensors || fail "not the same batches"

edgetrain fit s.json d -q --epochs 1 --batch-size 10 --mode smd:0.5,coast --schedule constant -o two
edgetrain fit --resume two -q --epochs 2 || fail "resume"
edgetrain fit "$@" --mode smd:0.5,coast --schedule constant -o whole || fail "coast"
cmp two/model.safetensors whole/model.safetensors || fail "resumed otherwise"
edgetrain fit "$@" --mode smd:0.5 --schedule constant -o still || fail "still"
! cmp -s whole/model.safetensors still/model.safetensors || fail "coast does nothing"

#!/bin/sh
# Epochs that a resumed run was given are its own from then on: stopped and resumed without them it
# goes on to them, to the same bits.
. "$CLI"
spec s.json && data d
edgetrain fit s.json d -q -o whole --epochs 1 && edgetrain fit -q --resume whole --epochs 3 || fail "the whole run"
edgetrain fit s.json d -q -o run --epochs 1 && cp run/run.json before || fail "$?"
edgetrain fit -q --resume run --epochs 3 --max-time 0.001s || fail "$?"
grep -q '"epochs":	3' run/run.json || fail "run.json: $(cat run/run.json)"
[ "$(diff before run/run.json | grep -c '^[<>]')" -eq 2 ] || fail "more has changed: $(diff before run/run.json)"
edgetrain fit -q --resume run || fail "$?"
[ "$(wc -l <run/epochs.csv)" -eq 4 ] || fail "$(cat run/epochs.csv)"
cmp run/model.safetensors whole/model.safetensors || fail "the models differ"

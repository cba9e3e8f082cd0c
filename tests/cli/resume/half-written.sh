#!/bin/sh
# What a crash leaves behind is put right: surplus rows, a temporary file.
. "$CLI"
spec s.json && data d && edgetrain fit s.json d -q -o whole --schedule constant --epochs 2
edgetrain fit s.json d -q -o run --schedule constant --epochs 1
printf "7,2,10,1,1,0.05,,,,\n8,2,1" >>run/steps.csv
echo torn >run/model.safetensors.tmp
edgetrain fit -q --resume run --epochs 2 || fail "exit code $?"
cmp run/model.safetensors whole/model.safetensors || fail "the models differ"
cut -d, -f1-6 run/steps.csv >a; cut -d, -f1-6 whole/steps.csv >b
cmp a b || fail "steps.csv differs: $(diff a b)"

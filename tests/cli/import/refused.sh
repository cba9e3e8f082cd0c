#!/bin/sh
# What does not fit is named, and nothing is written; with --partial the rest is.
. "$CLI"
spec s.json && data d && edgetrain fit s.json d -q -o run --epochs 1
sed -e 's/"fc"/"head"/' -e 's/"conv1"/"stem"/' -e 's/"bn1"/"stem_bn"/' s.json >t.json
edgetrain import run/model.safetensors --spec t.json -o t.safetensors && fail "a misfit passed"
edgetrain import run/model.safetensors --spec s.json && fail "no --out passed"
edgetrain import run/model.safetensors -o t.safetensors && fail "no --spec passed"
edgetrain import run/model.safetensors run --spec s.json -o t.safetensors && fail "two files passed"
edgetrain import nothing.safetensors --spec s.json -o t.safetensors && fail "no file passed"
spec five.json 5
edgetrain import run/model.safetensors --spec five.json -o t.safetensors && fail "other classes passed"
[ ! -e t.safetensors ] || fail "something was written"
edgetrain import run/model.safetensors --spec t.json -o t.safetensors --partial
edgetrain fit t.json d -q -o again --epochs 1 --init t.safetensors
edgetrain fit t.json d -q -o other --epochs 1 --init-partial && fail "--init-partial alone passed"
edgetrain fit t.json d -q -o other --epochs 1 --init run/model.safetensors && fail "fit took a misfit"
edgetrain fit t.json d -q -o other --epochs 1 --init run/model.safetensors --init-partial
[ -e other/model.safetensors ] || fail "no run"
grep -q '"init_partial":.*true' other/run.json || fail "run.json does not say it"

#!/bin/sh
# A network, what of it trains, a run, a file of weights; told apart by content.
. "$CLI"
spec s.json && data d
edgetrain info s.json
edgetrain info s.json --last 1 --mode filter:2 --format csv
edgetrain fit s.json d -q -o run --epochs 1
edgetrain info run | sed -e '/^version/d' -e '/^data/d' -e '/^$/,$d'
mv run/model.safetensors weights.json
edgetrain info weights.json | sed '/^version/d'
edgetrain info weights.json --format csv | grep fc
head -c 3 weights.json >broken && edgetrain info broken && fail "a broken file passed"
edgetrain info nothing && fail "no file passed"
edgetrain info && fail "no operand passed"
edgetrain info s.json d && fail "two operands passed"
exit 0

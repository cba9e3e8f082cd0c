#!/bin/sh
# Batch norm folded for a network without: the same accuracy, and half the tensors.
. "$CLI"
spec s.json && data d && edgetrain fit s.json d -q -o run --epochs 2
sed -e 's/"bias": false}/"bias": true}/' -e '/batchnorm2d/d' -e 's/"stride": 2}/"stride": 2, "batchnorm": false}/' \
	s.json >folded.json
edgetrain import run/model.safetensors --spec folded.json --out folded.safetensors
edgetrain info folded.safetensors --format csv | sed 1d | cut -d, -f1-3
want=$(edgetrain eval run d | value loss) got=$(edgetrain eval folded.json d --weights folded.safetensors | value loss)
[ "$want" = "$got" ] || fail "the loss became $got, it was $want"

#!/bin/sh
# That the classifier starts anew is said once, not for every mode and round.
. "$CLI"
spec s.json && spec two.json 2 && data d
edgetrain fit s.json d -q -o run --epochs 1 || fail "no weights"
mkdir p
pictures p
edgetrain fit two.json p -q -o two --epochs 1 --batch-size 4 || fail "no weights for two classes"
edgetrain bench s.json d --modes exact,filter:2 --init two/model.safetensors --steps 5 >table

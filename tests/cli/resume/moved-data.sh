#!/bin/sh
# The data may have moved: SPEC and DATA are given anew.
. "$CLI"
spec s.json && data d && edgetrain fit s.json d -q -o run --epochs 1
mv d e
edgetrain fit -q --resume run --epochs 2 2>err && fail "found data that is not there"
edgetrain fit -q --resume run s.json e --epochs 2

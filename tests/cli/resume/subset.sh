#!/bin/sh
# A run goes on with its own subset, from any directory, and with no other.
. "$CLI"
spec s.json && data d
seq 0 2 59 >even
edgetrain fit s.json d -qo whole --epochs 2 --schedule constant --subset even
edgetrain fit s.json d -qo run --epochs 1 --schedule constant --subset ./even
mkdir elsewhere
(cd elsewhere && edgetrain fit --resume ../run -q --epochs 2 --subset ../even) || exit
cmp whole/model.safetensors run/model.safetensors || fail "they differ"
cp even other
edgetrain fit --resume run -q --epochs 3 --subset other 2>log
[ $? -eq 64 ] && grep -q "subset: the run goes on with /.*/even, not other" log || fail "$(cat log)"
echo 1 >>even
edgetrain fit --resume run -q --epochs 3 2>log
[ $? -eq 65 ] && grep -q "or the subset have changed" log || fail "$(cat log)"

#!/bin/sh
# A classifier as wide as "classes" follows the data; the run stays with what it was started with.
. "$CLI"
data d
sed 's/"out_features": 1000/"out_features": "classes"/' >s.json <<-END
$(spec t.json 1000 && cat t.json)
END
edgetrain fit s.json d -o run --epochs 1 >out 2>log || fail "$(cat log)"
grep -q "3 classes in d, the spec says 1000: the classifier has 3$" log || fail "not said: $(cat log)"
edgetrain eval run d >scores || fail "eval"
edgetrain fit --resume run s.json d --epochs 2 -q || fail "resume by the same spec"
edgetrain eval s.json d --weights run/model.safetensors >/dev/null || fail "eval by the spec"
edgetrain fit s.json d -o on -q --epochs 1 --init run/model.safetensors || fail "weights of 3 classes"
edgetrain plan s.json --estimate 0 d | grep -q "parameters     3819," || fail "$(edgetrain plan s.json --estimate 0 d)"
edgetrain plan s.json --estimate 0 --classes 3 | grep -q "parameters     3819," || fail "--classes"
edgetrain plan s.json --estimate 0 | grep -q "parameters     20768," || fail "without data"
edgetrain bench s.json d --modes filter:2 --steps 2 -q || fail "bench"
# Other data: two classes.
mkdir -p e/train/cat e/train/dog
cp "$(dirname "$CLI")/pictures/cross0.png" e/train/cat/a.png
cp "$(dirname "$CLI")/pictures/disc0.png" e/train/dog/a.png
edgetrain eval run e --split train 2>&1 | grep . || :
edgetrain fit --resume run s.json e --epochs 3 -q 2>&1 | grep . || :
edgetrain plan s.json --estimate 0 d --classes 3 2>&1 | grep . || :
edgetrain plan t.json --estimate 0 --classes 3 2>&1 | grep . || :

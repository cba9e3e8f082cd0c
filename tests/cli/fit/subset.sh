#!/bin/sh
# Training on a listed part: by number and by path, as setting and as option, in plan and in eval.
. "$CLI"
spec s.json && data d 60 30
seq 0 2 59 >even
edgetrain fit s.json d -o a --epochs 2 --subset even 2>log >/dev/null
grep -q ": idx, 30 pictures to train on, 30 to validate on (test)" log || fail "$(cat log)"
sed 's/"epochs": 3/"epochs": 2, "subset": "even"/' s.json >t.json
edgetrain fit t.json d -qo b
cmp a/model.safetensors b/model.safetensors || fail "the spec and the option differ"
edgetrain fit s.json d -qo c --epochs 2
cmp -s a/model.safetensors c/model.safetensors && fail "--subset does nothing"
edgetrain fit t.json d -qo c2 --subset ''
cmp c/model.safetensors c2/model.safetensors || fail "an empty --subset is not all pictures"
[ "$(edgetrain plan t.json --estimate 0 d | grep -c '^total')" = 1 ] || fail "no plan"

# What was left out of training is not in train, nor in what was held out of it.
[ "$(edgetrain eval a d --split train | value images)" = 30 ] || fail "eval --split train"
rm d/t10k-*
edgetrain fit t.json d -q -o h --val-fraction 0.2
[ "$(edgetrain eval h d | value images)" = 6 ] || fail "held out: $(edgetrain eval h d)"
# Without the list the test part can still be looked at, and only that.
data d 60 30 && rm even
[ "$(edgetrain eval a d | value images)" = 30 ] || fail "eval without the list"
edgetrain eval a d --split train 2>log && fail "evaluated the training part without the list"
grep -q "/even: cannot open" log || fail "$(cat log)"

colour_spec p.json && pictures q
printf 'disc/a-disc0.png\ncross/b-cross1.png\n3\n' >list
edgetrain fit p.json q -o f --epochs 1 --val-fraction 0 --subset list 2>log >/dev/null
grep -q ": folder, 3 pictures to train on" log || fail "$(cat log)"

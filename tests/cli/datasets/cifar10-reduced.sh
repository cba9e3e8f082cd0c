#!/bin/sh
# A reduced CIFAR-10 from the full one, whose place ET_CIFAR10 tells.
. "$CLI"
[ -n "${ET_CIFAR10:-}" ] || skip "ET_CIFAR10 names no directory with CIFAR-10"
cifar10=${CLI%/tests/cli/lib.sh}/datasets/cifar10.sh
mkdir d
"$cifar10" --from "$ET_CIFAR10" --per-class 7,3 d || fail "not prepared"
"$cifar10" --per-class=7,3 d | grep -q 'there already' || fail "not found again"
! "$cifar10" --per-class=7,4 d 2>/dev/null || fail "taken for another"
[ "$(ls -A d)" = cifar-10-batches-bin ] || fail "left behind: $(ls -A d)"
cat >s.json <<'E2'
{"name": "small", "classes": 10, "input": {"channels": 3, "height": 16, "width": 16, "mean": 0.5, "std": 0.5},
 "layers": [{"type": "global_avgpool2d"}, {"name": "fc", "type": "linear", "out_features": 10}],
 "train": {"epochs": 1, "batch_size": 10}}
E2
edgetrain fit s.json d --out run 2>err || fail "$(cat err)"
grep -q '70 pictures to train on, 30 to validate on (test), 10 classes' err || fail "$(cat err)"
edgetrain eval run d --per-class | grep -q 'truck .* 3' || fail "not three trucks to test"

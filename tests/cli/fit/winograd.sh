#!/bin/sh
# --winograd: off and auto end in other bits and the same losses; a resumed run keeps its choice,
# and any number of threads its bits.
. "$CLI"
cat >s.json <<'JSON'
{"name": "w", "input": {"channels": 1, "height": 8, "width": 8}, "classes": 3, "layers": [
	{"name": "a", "type": "conv2d", "out_channels": 64, "kernel_size": 3, "padding": 1},
	{"type": "relu"},
	{"name": "b", "type": "conv2d", "out_channels": 64, "kernel_size": 3, "padding": 1},
	{"type": "relu"}, {"type": "global_avgpool2d"},
	{"name": "fc", "type": "linear", "out_features": 3}]}
JSON
data d
set -- s.json d --epochs 2 --lr 0.01 --schedule constant -q
edgetrain fit "$@" --threads 1 -o auto || fail "auto"
edgetrain fit "$@" --threads 3 -o threads || fail "threads"
edgetrain fit "$@" --winograd off -o off || fail "off"
cmp auto/model.safetensors threads/model.safetensors || fail "other threads, other bits"
cmp -s auto/model.safetensors off/model.safetensors && fail "off changes nothing"
loss() { cut -d, -f1-2 "$1/steps.csv" | head -1; awk -F, 'NR > 1 { printf "%.3f\n", $4 }' "$1/steps.csv"; }
[ "$(loss auto)" = "$(loss off)" ] || fail "losses: $(loss auto) and $(loss off)"
grep -q '"winograd":.*"auto"' auto/run.json || fail "run.json of auto"
grep -q '"winograd":.*"off"' off/run.json || fail "run.json of off"

edgetrain fit --resume off --winograd auto -q 2>err
[ $? -eq 64 ] && grep -q winograd err || fail "resumed with another choice: $(cat err)"
edgetrain fit "$@" --winograd off --epochs 3 -o three || fail "three"
edgetrain fit --resume off --epochs 3 -q || fail "resume"
cmp off/model.safetensors three/model.safetensors || fail "resumed: not the same bits"

#!/bin/sh
# What one mode or the comparison of gradients held does not show in the peaks of later rounds.
. "$CLI"
data d
cat >s.json <<-'END'
{"name": "wide", "classes": 3, "input": {"channels": 1, "height": 8, "width": 8},
 "layers": [
  {"type": "conv2d", "out_channels": 8, "kernel_size": 3, "padding": 1},
  {"type": "flatten"},
  {"type": "linear", "out_features": 2600}, {"type": "relu"},
  {"type": "linear", "out_features": 2000}, {"type": "relu"},
  {"type": "linear", "out_features": 3}],
 "train": {"batch_size": 4, "lr": 0.001}}
END
peak() { sed -n 2p "$1/bench.csv" | cut -d, -f14; }
edgetrain bench s.json d -q --modes exact --steps 1 -o one || fail "one round"
edgetrain bench s.json d -q --modes exact --steps 5 -o five || fail "five rounds"
one=$(peak one) five=$(peak five)
[ -n "$one" ] || skip "the kernel does not begin peaks anew"
[ "$one" -gt 50000000 ] || fail "a peak of $one is less than weights and gradients"
[ "$five" -lt $((one + 20000000)) ] || fail "one round $one, five $five"

#!/bin/sh
# --max-energy: 200 watts for 300 joules are a second and a half.
. "$CLI"
spec s.json && data d 600 30
echo 200 >watts
edgetrain fit s.json d -o run --epochs 100000 --power-from watts --max-energy 300J >out 2>err || fail "$(cat err)"
grep -q 'stopped by --max-energy at step' err || fail "$(tail -n 1 err)"
awk '{ for (i = 1; i < NF; i++) v[$i] = $(i + 1) }
END { exit !(v["stopped"] == "max-energy" && v["energy_j"] > 150 && v["energy_j"] < 330) }' out || fail "$(cat out)"

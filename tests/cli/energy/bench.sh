#!/bin/sh
# bench: joules of a step are watts times its time, gross and net, from one meter for all modes; a board
# that throttles is told once.
. "$CLI"
spec s.json && data d 600 30
mkdir -p root/sys/devices/platform/soc/soc:firmware
echo 4 >root/sys/devices/platform/soc/soc:firmware/get_throttled
(
	sleep 1
	echo 10 >watts.new && mv watts.new watts
) &
echo 4 >watts
edgetrain bench s.json d --modes exact,filter:2 --steps 60 --out b --idle-seconds 0.5s --power-from watts \
	--sysroot root >out 2>err || fail "$(cat err)"
wait
[ "$(grep -c 'warning: the board throttles' err)" -eq 1 ] || fail "warnings: $(cat err)"
awk -F, '
NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
{ rows++; s = $at["step_ms"] / 1000; j = $at["energy_j"]; net = $at["energy_net_j"] }
$at["idle_w"] != 4 || $at["energy_source"] !~ /^external/ { bad = "source: " $0 }
# Medians of steps beside means of blocks, on a machine that does other things too.
j < 3.9 * s || j > 60 * s { bad = "gross: " $0 }
net < j * -0.01 || net > j * 0.61 { bad = "net: " $0 }
END { if (rows != 2) bad = rows " rows"
      if (bad != "") { print bad; exit 1 } }' b/bench.csv >said || fail "bench.csv: $(cat said)"
grep -q 'J/step' out && grep -q 'net J' out && grep -q 'joules by external' out || fail "$(cat out)"
edgetrain bench s.json d --modes exact --steps 10 --sysroot none-here >out 2>err || fail "$(cat err)"
! grep -q J/step out || fail "joules of nothing: $(cat out)"

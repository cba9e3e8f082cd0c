#!/bin/sh
# --max-temp: pauses until it is five degrees cooler, and says so in files, messages and results. The
# board warns once that it throttles, and of a dip of its voltage that nobody saw; not of an old one.
. "$CLI"
spec s.json && data d 600 30
zone=root/sys/class/thermal/thermal_zone0
mkdir -p $zone root/sys/devices/platform/soc/soc:firmware
echo cpu-thermal >$zone/type
echo 60000 >$zone/temp
echo 80000 >root/sys/devices/platform/soc/soc:firmware/get_throttled
set_temp() { echo "$1" >$zone/new && mv $zone/new $zone/temp; }
(
	while [ ! -e run/epochs.csv ]; do sleep 0.1; done
	set_temp 81000
	echo 80004 >root/sys/devices/platform/soc/soc:firmware/get_throttled
	while ! grep -q pause run/power.csv; do sleep 0.2; done
	set_temp 75500 # not cool enough
	sleep 1.5
	set_temp 74900
	echo 90000 >root/sys/devices/platform/soc/soc:firmware/get_throttled
) &
edgetrain fit s.json d -o run --epochs 100000 --max-time 9 --max-temp 80 --sysroot root >out 2>err || fail "$(cat err)"
wait
grep -q 'paused [0-9]* s at 81.0 C, now 74.9 C' err || fail "$(grep -v ^epoch err)"
[ "$(grep -c 'warning: the board throttles at 81 C' err)" -eq 1 ] && [ "$(grep -c 'warning: under-voltage' err)" -eq 1 ] &&
	[ "$(grep -c warning err)" -eq 2 ] || fail "warnings: $(grep -v ^epoch err)"
awk '{ for (i = 1; i < NF; i++) v[$i] = $(i + 1) }
END { exit !(v["pauses"] == 1 && v["pause_s"] >= 1 && v["pause_s"] < 8) }' out || fail "$(cat out)"
awk -F, '
NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
{ n += $at["pauses"]; s += $at["pause_s"]; hot += $at["throttled_s"] }
$at["pause_s"] > 0 && $at["total_s"] < $at["seconds"] + $at["pause_s"] { bad = "times: " $0 }
END { if (n != 1 || s < 1 || s > 8 || hot < 1) bad = n " pauses of " s " s, throttled " hot " s"
      if (bad != "") { print bad; exit 1 } }' run/epochs.csv >said || fail "epochs.csv: $(cat said)"
awk -F, '$3 == "pause" { n++ } END { exit !n }' run/power.csv || fail "power.csv: $(cat run/power.csv)"
awk -F, 'NR > 1 && $11 > 1000 { exit 1 }' run/steps.csv || fail "a pause is in a step"

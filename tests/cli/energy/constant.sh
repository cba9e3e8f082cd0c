#!/bin/sh
# Ten watts throughout: a step's joules are ten times its seconds, an epoch's those of all its time;
# net of the four watts that the idle board drew.
. "$CLI"
spec s.json && data d 600 30
echo 4 >watts
(
	while [ ! -e run/run.json ]; do sleep 0.1; done
	echo 10 >watts.new && mv watts.new watts
) &
edgetrain fit s.json d -o run --epochs 200 --max-time 5 --idle-seconds 1 --power-from watts --save-steps 50 >out 2>err ||
	fail "$(cat err)"
wait
grep -q 'idle: 4.00 W over 1 s (external' err || fail "idle: $(cat err)"
grep -q '"idle_w":	4' run/run.json && grep -q '"source":	"external' run/run.json || fail "run.json"
# The first seconds may have seen the old number.
awk -F, '
NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
{ s = $at["step_ms"] / 1000; j = $at["energy_j"]; w = $at["power_w"]; rows++ }
j == "" || $at["energy_source"] !~ /^external/ { bad = "no energy: " $0 }
$at["energy_source"] !~ /:window$/ { bad = "not told as a window: " $0 }
w < 3.99 || w > 10.01 || j < 0.98 * w * s - 1e-4 || j > 1.02 * w * s + 1e-4 { bad = "power is not energy / time: " $0 }
w > 9.99 { right++ }
END { if (right < rows / 2) bad = "only " right " of " rows " rows have 10 W"
      if (bad != "") { print bad; exit 1 } }' run/steps.csv >said || fail "steps.csv: $(cat said)"
awk -F, '
NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
{ t = $at["total_s"]; j = $at["energy_j"]; net = $at["energy_net_j"]; w = $at["power_w"]; rows++ }
t < $at["seconds"] { bad = "less than the training alone: " $0 }
j < 0.98 * w * (t - 0.001) || j > 1.02 * w * (t + 0.001) { bad = "energy is not power x time: " $0 }
net < j - 4 * (t + 0.001) || net > j - 4 * (t - 0.001) { bad = "net: " $0 }
$at["j_per_image"] <= 0 { bad = "joules a picture: " $0 }
w > 9.99 { right++ }
END { if (right < rows / 2) bad = "only " right " of " rows " epochs have 10 W"
      if (bad != "") { print bad; exit 1 } }' run/epochs.csv >said || fail "epochs.csv: $(cat said)"
# The series goes on in time, step by step; its last rows have ten watts.
awk -F, '
NR == 1 { if ($0 != "time_s,step,phase,power_w,temp_c,freq_mhz,throttled") bad = "header"; next }
$1 <= t || $2 < step { bad = "out of order: " $0 }
{ t = $1; step = $2; w = $4 }
END { if (w < 9.99 || w > 10.01 || NR < 3) bad = "last row: " $0
      if (bad != "") { print bad; exit 1 } }' run/power.csv >said || fail "power.csv: $(cat said)"
grep -q 'stopped max-time  energy_j [0-9.]*  energy_source external' out || fail "result: $(cat out)"

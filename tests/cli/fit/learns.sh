#!/bin/sh
# A training from scratch: it learns, and leaves the files it should.
. "$CLI"
spec s.json && data d 120 60
edgetrain fit s.json d --epochs 8 -o run >out
cat out
at_least "$(value accuracy <out)" 0.95 || fail "accuracy below 0.95: $(cat out)"
for file in run.json model.safetensors best.safetensors state.safetensors steps.csv epochs.csv; do
	[ -s "run/$file" ] || fail "no run/$file"
done
[ "$(find run -type f ! -path 'run/checkpoints/step-*' | wc -l)" -eq 6 ] || fail "more in run/ than there should be: $(ls run)"
head -n 1 run/steps.csv | grep -q "^step,epoch,samples,loss,accuracy,lr,data_ms,forward_ms,backward_ms,update_ms,step_ms,energy_j,power_w,energy_source,temp_c,freq_mhz,throttled,rss_mb$" || fail "header of steps.csv"
[ "$(wc -l <run/steps.csv)" -eq 97 ] || fail "rows of steps.csv"
head -n 1 run/epochs.csv | grep -q "^epoch,loss,accuracy,val_loss,val_accuracy" || fail "header of epochs.csv"
[ "$(wc -l <run/epochs.csv)" -eq 9 ] || fail "rows of epochs.csv"

# shellcheck shell=sh
# Run directories made up, of any length, with what a night may bring.

# made_run DIR [KEY=VALUE]...: a run as `fit` leaves it.
#   epochs=10 done=10 steps=40    of how many, finished ones, steps of each; batches of 16
#   later=0                       steps of the epoch that is not finished
#   ms=200 eval=2                 a step; evaluation and saving, seconds
#   source=rapl watts=4           energy_source, mean power; source= : no energy, no power.csv
#   limit=                        --max-temp: pauses where it is reached; 50 at least
#   volts=                        under-voltage from this second on, for a minute
#   miou=                         1: segmentation
#   name=net mode=exact seed=1 val=1
made_run() {
	dir=$1
	shift
	mkdir -p "$dir"
	(cd "$dir" && awk -v args="$*" '
	function noise() { seed = (seed * 1103 + 12345) % 65536; return seed / 65536 - 0.5 }
	function row(file, text) { printf "%s\n", text >file }
	function has_energy() { return o["source"] != "" }
	function cell(format, v) { return has_energy() ? sprintf(format, v) : "" }
	# The board gets warm by work and cool by rest; a second at a time goes into power.csv.
	function live(seconds, phase, watts,   left, part) {
		for (left = seconds; left > 1e-9; left -= part) {
			part = left < 1 - since ? left : 1 - since
			clock += part; since += part
			temp += (35 + 13 * watts - temp) * part / 240
			energy += watts * part
			if (since > 1 - 1e-9) {
				since = 0
				weak = o["volts"] != "" && clock >= o["volts"] && clock < o["volts"] + 60
				if (weak) ever = 65536
				bits = sprintf("0x%x", weak + ever)
				if (weak) { throttled += 1 }
				if (has_energy())
					row("power.csv", sprintf("%d,%.3f,%s,%.3f,%.1f,%d,%s", step, clock, phase,
						watts + 0.3 * noise(), temp, phase == "pause" ? 600 : 1500, bits))
			}
		}
	}
	function train(epoch,   i, took, before, p) {
		for (i = 1; i <= count; i++) {
			p = (step + 1) / (o["epochs"] * o["steps"])
			took = o["ms"] * (1 + 0.1 * noise()) / 1000
			before = energy
			live(took, "train", o["watts"])
			step++
			row("steps.csv", sprintf("%d,%d,16,%.5g,%.4g,0.05,%.3f,%.3f,%.3f,%.3f,%.3f,%s,%s,%s,%s,%s,%s,210.5",
				step, epoch, 0.3 + 2 * exp(-4 * p) + 0.3 * noise(), 0.9 - 0.6 * exp(-4 * p) + 0.05 * noise(),
				took * 20, took * 500, took * 400, took * 50, took * 1000,
				cell("%.4f", energy - before), cell("%.3f", o["watts"]), o["source"],
				cell("%.1f", temp), cell("%d", 1500), has_energy() ? bits : ""))
			train_s += took
			if (o["limit"] != "" && temp >= o["limit"]) {
				pauses++
				before = clock
				rest = (o["limit"] - 45) / 13 < 1.5 ? (o["limit"] - 45) / 13 : 1.5
				while (temp > o["limit"] - 5)
					live(1, "pause", rest)
				pause_s += clock - before
			}
		}
	}
	BEGIN {
		split("epochs=10 done=10 steps=40 later=0 ms=200 eval=2 source=rapl watts=4 limit= volts= miou= " \
			"name=net mode=exact seed=1 val=1", defaults, " ")
		n = split(args, given, " ")
		for (i = 1; i in defaults; i++) { split(defaults[i], kv, "="); o[kv[1]] = kv[2] }
		for (i = 1; i <= n; i++) { at = index(given[i], "="); o[substr(given[i], 1, at - 1)] = substr(given[i], at + 1) }
		# As numbers where they are compared.
		for (i in o) if (o[i] ~ /^[0-9.]+$/) o[i] += 0
		seed = o["seed"]; temp = 45; bits = "0x0"
		row("run.json", sprintf("{\"program\":\"edgetrain\",\"version\":\"0.1.0\",\"data\":{\"path\":\"/data/pictures\"," \
			"\"fingerprint\":\"0\",\"train\":%d},\"train\":{\"epochs\":%d,\"batch_size\":16,\"mode\":\"%s\"}," \
			"\"spec\":{\"name\":\"%s\"}%s}", 16 * o["steps"], o["epochs"], o["mode"], o["name"],
			has_energy() ? ",\"power\":{\"source\":\"" o["source"] "\",\"scope\":\"board\",\"idle_w\":0.4}" : ""))
		row("epochs.csv", "epoch,loss,accuracy,val_loss,val_accuracy,lr,seconds,images_per_s,skipped" \
			(o["miou"] != "" ? ",val_miou,val_iou_sky" : "") \
			",energy_j,energy_net_j,power_w,j_per_image,total_s,pauses,pause_s,throttled_s")
		row("steps.csv", "step,epoch,samples,loss,accuracy,lr,data_ms,forward_ms,backward_ms,update_ms,step_ms," \
			"energy_j,power_w,energy_source,temp_c,freq_mhz,throttled,rss_mb")
		if (has_energy())
			row("power.csv", "step,time_s,phase,power_w,temp_c,freq_mhz,throttled")
		count = o["steps"]
		for (epoch = 1; epoch <= o["done"]; epoch++) {
			begun = clock; used = energy; train_s = pauses = pause_s = throttled = 0
			train(epoch)
			work = train_s * o["watts"]
			live(o["eval"], "eval", o["watts"] * 0.9)
			p = epoch / o["epochs"]
			row("epochs.csv", sprintf("%d,%.5g,%.4g,%s,%s,0.05,%.3f,%.1f,0%s,%s,%s,%s,%s,%.3f,%d,%.3f,%s",
				epoch, 0.3 + 2 * exp(-4 * p), 0.9 - 0.6 * exp(-4 * p),
				o["val"] ? sprintf("%.5g", 0.5 + 1.8 * exp(-4 * p) + 0.1 * noise()) : "",
				o["val"] ? sprintf("%.4g", 0.85 - 0.6 * exp(-4 * p) + 0.02 * noise()) : "",
				train_s, 16 * count / train_s,
				o["miou"] != "" ? sprintf(",%.4g,0.5", 0.7 - 0.6 * exp(-4 * p) + 0.02 * noise()) : "",
				cell("%.3f", energy - used), cell("%.3f", energy - used - 0.4 * (clock - begun)),
				cell("%.3f", (energy - used) / (clock - begun)), cell("%.4f", work / (16 * count)),
				clock - begun, pauses, pause_s, has_energy() ? sprintf("%.3f", throttled) : ""))
		}
		count = o["later"]
		train(epoch)
	}')
}

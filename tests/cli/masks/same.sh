#!/bin/sh
# The same bits for any number of threads, after stops and kills, with features kept or not.
. "$CLI"
shapes d && pixel_spec s.json
set -- s.json d -q --epochs 6 --augment flip,scale:0.5-2,crop:1 --label-smoothing 0.1
same() {
	cmp "$1/model.safetensors" "$2/model.safetensors" || fail "$2: another model than $1"
	cut -d, -f1-6,9-13 "$1/epochs.csv" >a
	cut -d, -f1-6,9-13 "$2/epochs.csv" | cmp a - || fail "$2: other epochs than $1"
	cmp "$1/best.safetensors" "$2/best.safetensors" || fail "$2: another best"
}
edgetrain fit "$@" -o whole || fail "whole"
edgetrain fit "$@" -o threads --threads 3 --workers 3 || fail "threads"
same whole threads
edgetrain fit "$@" -o micro --micro-batch 3 || fail "micro"
cut -d, -f2-5 whole/epochs.csv >a
cut -d, -f2-5 micro/epochs.csv | paste -d, a - | awk -F, 'NR > 1 {
	for (i = 1; i <= 4; i++) if (($i - $(i + 4))^2 > 1e-6) bad = 1 } END { exit bad }' ||
	fail "micro-batches do not add up: $(cat whole/epochs.csv micro/epochs.csv)"

# Killed at any moment, in the midst of an epoch too.
kills=0
while [ $kills -lt 6 ]; do
	if [ -e run/run.json ]; then
		start fit -q --resume run 2>err &
	else
		start fit "$@" -o run --save-steps 1 2>err &
	fi
	pid=$!
	sleep "0.0$(od -An -N1 -tu1 /dev/urandom | awk '{ printf "%02d", 5 + $1 / 4 }')"
	kill -KILL $pid 2>/dev/null
	wait $pid
	code=$?
	case $code in
	137 | 0) kills=$((kills + 1)) ;;
	*) fail "ended with $code: $(cat err)" ;;
	esac
done
edgetrain fit -q --resume run || fail "resume"
same whole run
edgetrain fit s.json d -q --epochs 1 -o other && edgetrain fit -q --resume other --epochs 2 --cache off ||
	fail "longer"

# Features of frozen layers are kept; of their pictures only the masks are decoded again.
set -- s.json d --epochs 6 --last 2
for augment in none flip,scale:0.5-2; do
	edgetrain fit "$@" -q --augment $augment --cache-variants 2 --cache off -o off || fail "off"
	edgetrain fit "$@" --augment $augment --cache-variants 2 -o on 2>err || fail "on: $(cat err)"
	grep -q "are kept in memory" err || fail "nothing is kept: $(cat err)"
	same off on
	edgetrain fit "$@" -q --augment $augment --cache-variants 2 --cache 30K -o part || fail "part"
	same off part
	rm -r off on part
done

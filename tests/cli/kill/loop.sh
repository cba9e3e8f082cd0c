#!/bin/sh
# Killed 20 times at random moments and resumed each time: the same bits as undisturbed.
. "$CLI"
spec s.json && data d 600 30
settings="--epochs 30 --save-steps 7"
# shellcheck disable=SC2086 # words
edgetrain fit s.json d -q -o whole $settings || fail "the undisturbed run failed"
kills=0 rounds=0
start_or_resume() {
	# The first kill may come before there is a run to resume.
	# shellcheck disable=SC2086 # words
	if [ -e run/run.json ]; then
		start fit -q --resume run
	else
		start fit s.json d -q -o run $settings
	fi
}
while [ $kills -lt 20 ]; do
	rounds=$((rounds + 1))
	[ $rounds -le 60 ] || fail "only $kills kills in $rounds rounds"
	start_or_resume 2>err &
	pid=$!
	# 10 to 137 ms: within start-up, reading, training, or writing.
	sleep "0.$(od -An -N1 -tu1 /dev/urandom | awk '{ printf "%03d", 10 + $1 / 2 }')"
	kill -KILL $pid 2>/dev/null
	wait $pid
	code=$?
	case $code in
	137) kills=$((kills + 1)) ;;
	0) # Finished before the kill: begin a new one.
		cmp run/model.safetensors whole/model.safetensors || fail "the models differ after $kills kills"
		rm -r run ;;
	*) fail "ended with $code after $kills kills: $(cat err)" ;;
	esac
done
if [ -e run ]; then
	edgetrain fit -q --resume run || fail "cannot resume after $kills kills"
	cmp run/model.safetensors whole/model.safetensors || fail "the models differ"
	cut -d, -f1-6 run/steps.csv >a
	cut -d, -f1-6 whole/steps.csv >b
	cmp a b || fail "steps.csv differs"
	cut -d, -f1-6 run/epochs.csv >a
	cut -d, -f1-6 whole/epochs.csv >b
	cmp a b || fail "epochs.csv differs"
fi

#!/bin/sh
# A night in small: started by the same line, and killed, stopped, out of time, on a full disk, with
# a clock that jumps and with damaged checkpoints, at least 30 times; the same bits as undisturbed,
# and CSV files without a gap or a repeated row.
. "$CLI"
epochs=100 least=32
spec s.json && data d 600 30
settings="--epochs $epochs --save-steps 7"
# shellcheck disable=SC2086 # words
edgetrain fit s.json d -q -o whole $settings || fail "the undisturbed run failed"

mkdir disk
if mount -t tmpfs -o size=16m none disk 2>/dev/null; then
	trap 'umount disk' EXIT
	kinds="kill term full damage time jump"
else
	echo "cannot mount a tmpfs: no full disk" >&2
	kinds="kill term damage time jump"
fi
faketime=$(find /usr/lib/*/faketime -name libfaketimeMT.so.1 2>/dev/null | head -n 1)
[ -n "$faketime" ] && [ -z "$RUNNER" ] || {
	echo "no faketime: the clock does not jump" >&2
	kinds=$(echo "$kinds" | sed 's/ jump//')
}
run=$PWD/disk/run

# shellcheck disable=SC2086
go() { start fit s.json d -q --resume auto --out "$run" $settings "$@"; }
# The clock is told by the file `clock`, and read anew each time; the steady one stays true.
go_on_clock() {
	LD_PRELOAD=$faketime FAKETIME_TIMESTAMP_FILE=$PWD/clock FAKETIME_NO_CACHE=1 DONT_FAKE_MONOTONIC=1 FAKETIME_DONT_FAKE_MONOTONIC=1
	export LD_PRELOAD FAKETIME_TIMESTAMP_FILE FAKETIME_NO_CACHE DONT_FAKE_MONOTONIC FAKETIME_DONT_FAKE_MONOTONIC
	go
}
random() { od -An -N2 -tu2 /dev/urandom | awk -v n="$1" '{ print $1 % n }'; }
# 10 to 137 ms: within start-up, reading, training, or writing.
moment() { sleep "0.$(random 128 | awk '{ printf "%03d", 10 + $1 }')"; }

# What has been written is replaced by something else of that name, in one of four ways.
damage() {
	for pair in "$run"/checkpoints/*.model.safetensors; do
		[ -s "${pair%model.safetensors}state.safetensors" ] || return 0
		break
	done
	[ -s "$run"/model.safetensors ] && [ -s "$run"/state.safetensors ] || return 0
	# Not in place: what was kept may be another name of the same file.
	cp "$run"/model.safetensors "$run"/state.safetensors .
	case $(random 4) in
	0) printf '\377\377' | dd of=model.safetensors bs=1 seek=9000 conv=notrunc 2>/dev/null ;;
	1) truncate -s 5000 model.safetensors ;;
	2) : >state.safetensors ;;
	3) head -c 4000 whole/state.safetensors >state.safetensors ;;
	esac
	mv model.safetensors state.safetensors "$run"
}

rows() { # NAME LAST: 1 to LAST once each, and the columns that do not depend on the clock.
	tail -n +2 "$run/$1" | awk -F, -v last="$2" '$1 != NR { exit 1 } END { exit NR != last }' ||
		fail "$1 has a gap or a repeated row: $(cut -d, -f1 "$run/$1" | uniq -d | head -n 3)"
	cut -d, -f1-6 "whole/$1" >a
	cut -d, -f1-6 "$run/$1" >b
	cmp a b || fail "$1 differs"
}
compare() {
	cmp "$run"/model.safetensors whole/model.safetensors || fail "the models differ after: $story"
	rows steps.csv $((60 * epochs))
	rows epochs.csv $epochs
	left=$(find "$run" -name '*.tmp' -o -name lock -o -name '*.next.*')
	[ -z "$left" ] || fail "left behind: $left"
}
finished() { [ "$(wc -l 2>/dev/null <"$run/epochs.csv")" -gt $epochs ]; }

rounds=0 story=
while [ $rounds -lt $least ]; do
	for kind in $kinds; do
		rounds=$((rounds + 1)) story="$story $kind"
		allowed="0 137"
		case $kind in
		kill | damage)
			go 2>err &
			pid=$! && moment && kill -KILL "$pid" 2>/dev/null ;;
		term)
			go 2>err &
			pid=$! && moment && kill -TERM "$pid" 2>/dev/null
			allowed="0 143" ;;
		time)
			go --max-time 1s 2>err &
			pid=$! allowed=0 ;;
		full)
			go 2>err &
			pid=$! && moment && dd if=/dev/zero of=disk/filler bs=64k 2>/dev/null
			allowed="0 73 74" ;;
		jump)
			[ "$(random 2)" = 0 ] && there=+2d back=-400d || there=-30d back=+3h
			echo "$there" >clock
			go_on_clock 2>err &
			pid=$! && moment && echo "$back" >clock.new && mv clock.new clock
			moment && kill -TERM "$pid" 2>/dev/null
			allowed="0 143" ;;
		esac
		wait "$pid"
		code=$?
		rm -f disk/filler
		case " $allowed " in
		*" $code "*) ;;
		*) fail "ended with $code after:$story: $(cat err)" ;;
		esac
		case $code in
		73 | 74) [ "$(wc -l <err)" -eq 1 ] || fail "$story: says: $(cat err)" ;;
		143) ;;
		*) [ ! -s err ] || fail "$story: says: $(cat err)" ;;
		esac
		if finished && [ "$code" -eq 0 ]; then
			compare
			rm -r "$run"
			story=
		elif [ "$kind" = damage ]; then
			damage
		fi
	done
done
# shellcheck disable=SC2086
edgetrain fit s.json d --resume auto --out "$run" $settings -q >said 2>&1 || fail "the last start: $(cat said)"
[ ! -s said ] || fail "says: $(cat said)"
compare

#!/bin/sh
# Trains at night: begins a run or goes on with it, stops in the morning, says nothing unless it
# fails. For cron, and for edgetrain-nightly@.service; see edgetrain-nightly(7).
#
#   edgetrain-nightly.sh              train, if it is night
#   edgetrain-nightly.sh --is-night   exit code 0 if it is, else 1
#
# Settings; the environment overrides them. Paths are best given whole.
: "${SPEC:=$HOME/net.json}"    # the network
: "${DATA:=$HOME/pictures}"    # the pictures
: "${RUN:=$HOME/run}"          # the run: another name begins another one
: "${INIT:=}"                  # weights to start from; empty: random ones
: "${FROM:=22:00}"             # the night begins
: "${UNTIL:=06:00}"            # and ends; the last checkpoint is written before
: "${MAX_TEMP=80}"             # pause at so many degrees Celsius; empty: never
: "${OPTIONS:=}"               # more options of edgetrain fit, as words: --last 4 --save-steps 50
: "${EDGETRAIN:=edgetrain}"    # the program

set -u
PATH=/usr/local/bin:$PATH:/usr/bin:/bin # cron's has little
export PATH

die() {
	echo "edgetrain-nightly: $1" >&2
	exit 64
}

# minutes HH:MM: since midnight.
minutes() {
	case $1 in
	[0-9]:[0-5][0-9] | [01][0-9]:[0-5][0-9] | 2[0-3]:[0-5][0-9]) ;;
	*) die "expected a time as HH:MM, found '$1'" ;;
	esac
	hours=${1%:*} rest=${1#*:}
	echo $((${hours#0} * 60 + ${rest#0}))
}

# After a power cut at noon it is not night, and what stops at 06:00 would run until tomorrow.
is_night() {
	from=$(minutes "$FROM") && until=$(minutes "$UNTIL") && now=$(minutes "$(date +%H:%M)") || exit
	if [ "$from" -lt "$until" ]; then
		[ "$now" -ge "$from" ] && [ "$now" -lt "$until" ]
	else
		[ "$now" -ge "$from" ] || [ "$now" -lt "$until" ]
	fi
}

case ${1-} in
'') is_night || exit 0 ;;
--is-night)
	is_night
	exit
	;;
*) die "unknown argument '$1'" ;;
esac

set -- fit "$SPEC" "$DATA" --out "$RUN" --resume auto --until "$UNTIL" --quiet
[ -z "$INIT" ] || set -- "$@" --init "$INIT"
[ -z "$MAX_TEMP" ] || set -- "$@" --max-temp "$MAX_TEMP"
# shellcheck disable=SC2086 # words
set -- "$EDGETRAIN" "$@" $OPTIONS
if command -v ionice >/dev/null; then
	set -- ionice -c 3 "$@"
fi
# Always exec: systemd listens to the process that it started.
exec nice -n 10 "$@"

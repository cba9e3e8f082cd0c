#!/bin/sh
# The script for cron: at night it trains and goes on, in the daytime it does nothing, and a mail is
# sent for failures alone.
. "$CLI"
root=${CLI%/*}/../..
night=$root/configs/nightly/edgetrain-nightly.sh
spec s.json && data d
# As the program, whatever runs it; and a clock that is told.
# shellcheck disable=SC2016
printf '#!/bin/sh\nexec $RUNNER %s "$@"\n' "$EDGETRAIN" >program && chmod +x program
mkdir bin
# shellcheck disable=SC2016
printf '#!/bin/sh\necho "$CLOCK"\n' >bin/date && chmod +x bin/date
sed "s|^PATH=.*|PATH=$PWD/bin:\$PATH|" "$night" >nightly.sh
at() { # CLOCK [ARGUMENT]
	clock=$1
	shift
	env CLOCK="$clock" SPEC="$PWD/s.json" DATA="$PWD/d" RUN="$PWD/run" EDGETRAIN="$PWD/program" MAX_TEMP="${MAX_TEMP-}" \
		FROM="${FROM-22:00}" UNTIL="${UNTIL-06:00}" OPTIONS="${OPTIONS-}" INIT="${INIT-}" sh nightly.sh "$@" >said 2>&1
}
quiet() { [ ! -s said ] || fail "$1: says: $(cat said)"; }

for clock in 06:00 12:00 21:59; do
	at "$clock" && quiet "$clock" && [ ! -e run ] || fail "$clock: trains in the daytime"
	at "$clock" --is-night && fail "$clock is night"
done
for clock in 22:00 23:59 00:00 05:59; do
	at $clock --is-night || fail "$clock is not night: $(cat said)"
done
FROM=09:30 UNTIL=17:05
at 09:30 --is-night && at 17:04 --is-night || fail "nights by day"
at 09:29 --is-night || at 17:05 --is-night && fail "nights by day end"
FROM=22:00 UNTIL=06:00

OPTIONS="--epochs 2 --schedule constant" && at 22:00 || fail "does not begin: $(cat said)"
quiet begins
[ "$(wc -l <run/epochs.csv)" -eq 3 ] || fail "rows: $(wc -l <run/epochs.csv)"
OPTIONS="--epochs 3 --schedule constant" && at 23:00 || fail "does not go on: $(cat said)"
quiet "goes on"
[ "$(wc -l <run/epochs.csv)" -eq 4 ] || fail "rows: $(wc -l <run/epochs.csv)"
at 23:00 || fail "finished: $(cat said)"
quiet finished

OPTIONS="--lr 7" && at 23:00
[ $? -eq 64 ] && [ "$(wc -l <said)" -eq 1 ] && grep -q "lr: the run goes on with" said || fail "$(cat said)"
FROM=24:00 && at 23:00
[ $? -eq 64 ] && grep -q "expected a time as HH:MM, found '24:00'" said || fail "$(cat said)"
at 23:00 --whatever
[ $? -eq 64 ] || fail "an argument: $(cat said)"

# It becomes the program itself: systemd and kill(1) mean the right process.
FROM=22:00 OPTIONS=
printf '#!/bin/sh\necho $$ "$@"\n' >program
env CLOCK=23:00 SPEC=s DATA="a b" RUN=r INIT=i MAX_TEMP=70 OPTIONS="--last 4" EDGETRAIN="$PWD/program" sh nightly.sh >said &
pid=$!
wait $pid
[ "$(cat said)" = "$pid fit s a b --out r --resume auto --until 06:00 --quiet --init i --max-temp 70 --last 4" ] || fail "$pid: $(cat said)"

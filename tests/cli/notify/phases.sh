#!/bin/sh
# What systemd is told: ready, status, watchdog, stopping, and more time while it is needed.
. "$CLI"
perl -MSocket -e1 2>/dev/null || skip "no perl"
[ -z "$RUNNER" ] || skip "the watchdog's process is the emulator"
spec s.json && data d 600 30

# listen NAME: prints what comes to that socket, "|" between lines of one message, until it is told
# to end.
listen() {
	rm -f "$2"
	perl -MSocket -e '
		$| = 1;
		my $name = $ARGV[0];
		socket(S, AF_UNIX, SOCK_DGRAM, 0) or die;
		bind(S, pack("S a*", AF_UNIX, $name =~ s/^@/\0/r)) or die "bind: $!";
		print "listening\n";
		while (defined(recv(S, $m, 4096, 0))) { last if $m eq "END"; $m =~ s/\n/|/g; print "$m\n" }
	' "$1" >"$2" &
	listener=$!
	until_true grep -q listening "$2"
}
end() {
	perl -MSocket -e '
		socket(S, AF_UNIX, SOCK_DGRAM, 0);
		send(S, "END", 0, pack("S a*", AF_UNIX, $ARGV[0] =~ s/^@/\0/r)) or die' "$1"
	wait "$listener"
}
# told FILE TEXT...: in that order, other messages between them or not.
told() {
	from=$1
	shift
	for text; do
		line=$(grep -n -m 1 -e "$text" "$from" | cut -d: -f1)
		[ -n "$line" ] || fail "does not say $text (in that order): $(cat "$all")"
		tail -n +"$((line + 1))" "$from" >rest.new && mv rest.new rest
		from=rest
	done
}

# A path, and a name in no directory; a run that is stopped.
for socket in "$PWD/sock" "@edgetrain-test-$$"; do
	all=messages
	listen "$socket" $all
	NOTIFY_SOCKET=$socket WATCHDOG_USEC=200000 start fit s.json d -q -o "run$socket" --epochs 100000 2>err &
	pid=$!
	until_true grep -q WATCHDOG $all
	until_true test -s "run$socket/steps.csv"
	sleep 0.5
	kill -TERM $pid
	wait $pid
	code=$?
	[ $code -eq 143 ] || fail "ended with $code: $(cat err)"
	end "$socket"
	told $all "^EXTEND_TIMEOUT_USEC=1800000000$" "^STATUS=loading" "^READY=1$" "^STOPPING=1$" "^EXTEND_TIMEOUT_USEC=600000000$" \
		"^STATUS=stopping: "
	[ "$(grep -c READY $all)" -eq 1 ] && [ "$(grep -c STOPPING $all)" -eq 1 ] || fail "says so twice: $(cat $all)"
	[ "$(grep -c WATCHDOG $all)" -ge 3 ] || fail "watchdog: $(cat $all)"
	[ "$(grep -c STATUS $all)" -le 8 ] || fail "too much: $(cat $all)"
	rm -rf "run$socket" "$socket"
done

# A watchdog that is another process's; a run with nothing left to do is ready all the same.
listen "$PWD/sock" messages
NOTIFY_SOCKET=$PWD/sock WATCHDOG_USEC=200000 WATCHDOG_PID=1 edgetrain fit s.json d -q -o run --epochs 1 || fail "exit code $?"
NOTIFY_SOCKET=$PWD/sock edgetrain fit s.json d -q -o run --resume auto --epochs 1 || fail "exit code $?"
end "$PWD/sock"
grep -q WATCHDOG messages && fail "feeds another's watchdog: $(cat messages)"
[ "$(grep -c READY messages)" -eq 2 ] || fail "not ready: $(cat messages)"
grep -q STOPPING messages && fail "stops: $(cat messages)"

# Nobody there, or no such name: as if there were none.
for socket in "$PWD/nobody" vsock:2:1234 "" "$(printf '/%0200d' 1)"; do
	NOTIFY_SOCKET=$socket edgetrain fit s.json d -q --resume auto -o nobody --epochs 1 >said 2>&1 || fail "'$socket': $(cat said)"
	[ ! -s said ] || fail "'$socket': says: $(cat said)"
done

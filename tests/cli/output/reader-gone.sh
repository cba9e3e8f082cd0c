#!/bin/sh
# A reader that has seen enough is no error worth a message.
. "$CLI"
edgetrain help fit | head -n 1
spec s.json && data d && edgetrain fit s.json d -q -o run --epochs 1
{
	sleep 0.1
	edgetrain eval run d 2>err
	echo $? >code
} | :
[ ! -s err ] || fail "$(cat err)"
[ "$(cat code)" -eq 141 ] || fail "exit code $(cat code)"

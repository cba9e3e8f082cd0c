#!/bin/sh
# Limits that are none.
. "$CLI"
spec s.json && data d
for option in --max-time=0 --max-time=8x --max-time= --until=25:00 --until=noon --max-energy=5W --max-temp=200 \
	--idle-seconds=-1; do
	edgetrain fit s.json d -o run $option 2>err
	[ $? -eq 64 ] && [ "$(wc -l <err)" -eq 1 ] && grep -q -e "${option%%=*}: expected" err || fail "$option: $(cat err)"
done
[ ! -e run ] || fail "something was begun"

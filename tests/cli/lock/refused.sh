#!/bin/sh
# A run that is refused leaves nothing behind: no lock, and none of the directories made for it.
. "$CLI"
spec s.json && data d && mkdir -p there/empty
for out in a/b/c/ there/run there/empty; do
	edgetrain fit s.json none -q -o $out 2>err && fail "trained on nothing"
	edgetrain fit s.json d -q -o $out --max-memory 1K 2>err
	[ $? -eq 80 ] || fail "$out: $(cat err)"
done
[ ! -e a ] && [ "$(find there | sort | tr '\n' ' ')" = "there there/empty " ] || fail "left: $(find a there)"
ln -s nowhere there/empty/lock
edgetrain fit s.json d -q -o there/empty 2>err
[ $? -eq 73 ] && grep -q "there/empty/lock: cannot create" err || fail "a link for a lock: $(cat err)"

#!/bin/sh
# With standard error closed the messages are lost, but do not end up in the run's files.
. "$CLI"
spec s.json && data d
edgetrain fit s.json d -q -o a --epochs 2
edgetrain fit s.json d -o b --epochs 2 2>&- >out || fail "exit code $?"
cmp a/model.safetensors b/model.safetensors || fail "the models differ"
for file in steps.csv epochs.csv; do
	cut -d, -f1-6 "a/$file" >one
	cut -d, -f1-6 "b/$file" >two
	diff one two >&2 || fail "$file differs"
done

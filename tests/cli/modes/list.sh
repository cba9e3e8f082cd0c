#!/bin/sh
# A line a technique: name, axis, what it does; all about one; what is written is what is read.
. "$CLI"
edgetrain modes && edgetrain modes filter || fail "modes"
edgetrain modes | while read -r name rest; do
	edgetrain modes "$name" >one || fail "$name"
	grep -q "^$name: " one && [ -n "$rest" ] || fail "$name: $(cat one)"
done

#!/bin/sh
# What block sizes were chosen, and by what; an option that does nothing alone.
. "$CLI"
edgetrain --version --verbose | sed 1,9d
edgetrain -vV | grep -q "^tile " || fail "no bundle"
edgetrain --version | grep -q "^tile " && fail "tiles without -v"
edgetrain -v plan >out 2>err && fail "a lone -v passes"
cat err >&2

#!/bin/sh
# No sensor at all is no error; what helps is said. A meter and watts by hand.
. "$CLI"
mkdir none
edgetrain sensors --sysroot none
edgetrain sensors --sysroot none --interval 0.1 --count 1 | sed 's/^[0-9.]*,/T,/'
edgetrain sensors --sysroot none --power-from 'while :; do echo 4.5; sleep 0.05; done' >out || fail "a command"
grep '^external' out | sed 's/ while.*//'
mkdir -p none/proc && echo 'cpu  100 0 100 800 0 0 0 0 0 0' >none/proc/stat
edgetrain sensors --sysroot none --power-model 2.5,6 >out || fail "a model"
grep -A 2 '^model' out
edgetrain sensors --sysroot none --power-model 6,2.5 && fail "watts the wrong way round"
edgetrain sensors --sysroot none --power-from nothing-of-this-name && fail "no such command"
edgetrain sensors --sysroot none --power external && fail "no meter"
exit 0

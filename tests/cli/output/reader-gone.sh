#!/bin/sh
# A reader that has seen enough is no error worth a message.
. "$CLI"
edgetrain help fit | head -n 1
edgetrain help fit 2>err | : 
[ ! -s err ] || fail "$(cat err)"

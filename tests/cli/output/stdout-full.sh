#!/bin/sh
# Results that cannot be written are an error, not silence.
. "$CLI"
[ -c /dev/full ] || skip "no /dev/full"
edgetrain help fit >/dev/full

#!/bin/sh
# Less than a batch, or fewer batches than steps: they come again.
. "$CLI"
spec s.json && data d 25
edgetrain bench s.json d --modes exact,filter:2 --steps 12 --batch-size 10 >out || fail "25 pictures"
edgetrain bench s.json d --modes exact,filter:2 --steps 3 --batch-size 64 >out || fail "less than a batch"
edgetrain bench s.json d --modes exact,filter:2 --steps 3 --batch-size 8 --micro-batch 3 --bn frozen \
	>out || fail "micro-batches"

#!/bin/sh
# Pictures that cannot be read are named, the others predicted; what makes no sense is refused.
. "$CLI"
colour_spec s.json && pictures d
edgetrain fit s.json d -q -o run --epochs 1
try() {
	edgetrain predict "$@" 2>&1
	echo "exit $?"
}
mkdir empty mixed
echo text >mixed/no.png
head -c 300 d/disc/a-disc0.jpg >mixed/cut.jpg
cp d/cross/a-cross0.png mixed/good.png
try run
try
try s.json mixed/good.png
try run missing.png --format csv
try run empty
try run mixed missing.png --batch-size 2 --top 1 | sed 's/0\.[0-9]*/P/; s/ [01]  [a-z]*$/ CLASS/'
try run mixed/good.png --top 0
try run mixed/good.png --max-memory 1K | sed 's/needs [^;]*/needs N/'
try run mixed/good.png --weights run/state.safetensors | cut -c 1-60

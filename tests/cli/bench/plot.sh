#!/bin/sh
# A PNG, whatever its name; with accuracies and without. What is there stays when gnuplot fails.
. "$CLI"
command -v gnuplot >/dev/null || skip "no gnuplot"
spec s.json && data d
name="a 'b' \$(c) \"d\".png"
edgetrain bench s.json d -q --modes exact,filter:2,paper --steps 2 --plot "$name" || fail "no plot"
png() { [ "$(head -c 8 "$1" | od -An -tx1 | tr -d ' ')" = 89504e470d0a1a0a ]; }
png "$name" || fail "$(ls)"
edgetrain bench s.json d -q --modes exact,filter:2 --steps 2 --epochs 1 --plot e.png || fail "no plot"
png e.png || fail "no PNG"
cp e.png before.png
mkdir bin
printf '#!/bin/sh\nexit 1\n' >bin/gnuplot
chmod +x bin/gnuplot
PATH=$PWD/bin:$PATH edgetrain bench s.json d --modes exact --steps 1 --plot e.png >out 2>err
[ $? -eq 74 ] || fail "$(cat err)"
grep -q 'bin/gnuplot failed' err || fail "$(cat err)"
cmp e.png before.png || fail "the picture has changed"
grep -q '^exact' out || fail "the table is lost: $(cat out)"

#!/bin/sh
# Sheets of pictures become batches: every filter of PNG, the order of planes, the part of the labels.
. "$CLI"
command -v node >/dev/null || skip "no node here"
sheets=${CLI%/tests/cli/lib.sh}/datasets/cifar10.js
cat >make.js <<'E2'
const fs = require('fs'), zlib = require('zlib');
const W = 1024, H = 10000, S = 3 * W, rows = Buffer.alloc(H * (S + 1)), want = Buffer.alloc(H * (S + 1));
const sum = (type, data) => {
	const n = Buffer.alloc(4);
	n.writeUInt32BE(data.length);
	return Buffer.concat([n, Buffer.from(type), data, Buffer.alloc(4)]);
};
const paeth = (a, b, c) => [a, b, c].reduce((best, v) =>
	Math.abs(a + b - c - v) < Math.abs(a + b - c - best) ? v : best);
let seed = 1, up = Buffer.alloc(S), labels = [];
for (let y = 0; y < H; y++) {
	const px = Buffer.alloc(S), kind = y % 5, at = y * (S + 1);
	for (let i = 0; i < S; i++)
		px[i] = (seed = (seed * 1103 + 12345) % 65536) >> 8;
	rows[at] = kind;
	for (let i = 0; i < S; i++) {
		const a = i < 3 ? 0 : px[i - 3], b = up[i], c = i < 3 ? 0 : up[i - 3];
		rows[at + 1 + i] = px[i] - [0, a, b, a + b >> 1, paeth(a, b, c)][kind];
		want[at + 1 + i % 3 * W + (i - i % 3) / 3] = px[i];
	}
	want[at] = y % 7;
	labels.push(y % 7);
	up = px;
}
const head = Buffer.alloc(13);
head.writeUInt32BE(W, 0);
head.writeUInt32BE(H, 4);
head[8] = 8;
head[9] = 2;
const packed = zlib.deflateSync(rows, {level: 0}), half = packed.length >> 1;
const png = (h) => Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), sum('IHDR', h),
	sum('IDAT', packed.subarray(0, half)), sum('IDAT', packed.subarray(half)),
	sum('IEND', Buffer.alloc(0))]);
fs.writeFileSync('sheet.png', png(head));
head[9] = 6;
fs.writeFileSync('alpha.png', png(head));
fs.writeFileSync('labels.json', JSON.stringify([9, 9, 9, ...labels]));
fs.writeFileSync('want.bin', want);
E2
node make.js
node "$sheets" sheet.png labels.json 3 found.bin || fail "not decoded"
cmp want.bin found.bin || fail "decoded otherwise"
for wrong in 'alpha.png labels.json 3' 'make.js labels.json 3' 'sheet.png labels.json 4'; do
	# shellcheck disable=SC2086 # words
	if node "$sheets" $wrong no.bin 2>err; then
		fail "accepted: $wrong"
	fi
	[ "$(wc -l <err)" -eq 1 ] && [ ! -e no.bin ] || fail "$wrong: $(cat err)"
done

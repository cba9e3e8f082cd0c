// One sheet of 10,000 pictures as a batch of CIFAR-10's binary version.
//
//   node cifar10.js SHEET.png LABELS.json FIRST OUT.bin
//
// A row of the sheet is a picture: its 1024 pixels, red, green, blue. Its label is number FIRST + row
// of the labels. A record of the batch is the label and three planes of 1024 bytes.
'use strict';
const fs = require('fs');
const zlib = require('zlib');

const PIXELS = 1024, ROWS = 10000, STRIDE = 3 * PIXELS;

function fail(text) {
	console.error(text);
	process.exit(1);
}

// The inflated rows of a PNG of exactly this size, each behind the byte that names its filter.
function inflate(path) {
	const file = fs.readFileSync(path), parts = [];
	const want = [PIXELS, ROWS, 8, 2, 0]; // width, height, bits, colour type RGB, not interlaced
	if (file.length < 33 || file.readUInt32BE(0) !== 0x89504e47 ||
	    file.toString('latin1', 12, 16) !== 'IHDR')
		fail(`${path}: not a PNG`);
	const found = [file.readUInt32BE(16), file.readUInt32BE(20), file[24], file[25], file[28]];
	if (found.join() !== want.join())
		fail(`${path}: expected a PNG of ${PIXELS} x ${ROWS}, 8 bits, RGB, not interlaced`);
	for (let at = 8; at + 12 <= file.length;) {
		const n = file.readUInt32BE(at);
		if (file.toString('latin1', at + 4, at + 8) === 'IDAT')
			parts.push(file.subarray(at + 8, at + 8 + n));
		at += 12 + n;
	}
	const size = ROWS * (STRIDE + 1);
	let rows;
	try {
		rows = zlib.inflateSync(Buffer.concat(parts), {maxOutputLength: size});
	} catch (e) {
		fail(`${path}: ${e.message}`);
	}
	if (rows.length !== size)
		fail(`${path}: expected ${size} bytes of pixels, found ${rows.length}`);
	return rows;
}

function paeth(a, b, c) {
	const p = Math.abs(b - c), q = Math.abs(a - c), r = Math.abs(a + b - 2 * c);
	return p <= q && p <= r ? a : q <= r ? b : c;
}

// Undoes the filter of one row in place; up is the row above, undone.
function unfilter(kind, row, up) {
	for (let i = 0; i < STRIDE; i++) {
		const a = i < 3 ? 0 : row[i - 3], b = up[i], c = i < 3 ? 0 : up[i - 3];
		row[i] += kind === 0 ? 0 : kind === 1 ? a : kind === 2 ? b :
			  kind === 3 ? (a + b) >> 1 : paeth(a, b, c);
	}
}

const [sheet, labels, first, out] = process.argv.slice(2);
const label = JSON.parse(fs.readFileSync(labels, 'utf8')).slice(+first, +first + ROWS);
if (label.length !== ROWS || !label.every((v) => Number.isInteger(v) && v >= 0 && v <= 9))
	fail(`${labels}: expected ${ROWS} labels from 0 to 9 from number ${first} on`);
const rows = inflate(sheet), batch = Buffer.alloc(ROWS * (STRIDE + 1));
let up = new Uint8Array(STRIDE);
for (let y = 0; y < ROWS; y++) {
	const at = y * (STRIDE + 1), row = rows.subarray(at + 1, at + 1 + STRIDE);
	if (rows[at] > 4)
		fail(`${sheet}: row ${y}: unknown filter ${rows[at]}`);
	unfilter(rows[at], row, up);
	batch[at] = label[y];
	for (let i = 0; i < PIXELS; i++)
		for (let channel = 0; channel < 3; channel++)
			batch[at + 1 + channel * PIXELS + i] = row[3 * i + channel];
	up = row;
}
fs.writeFileSync(out, batch);

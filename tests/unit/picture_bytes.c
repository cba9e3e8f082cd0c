#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "picture_bytes.h"
#include "picture_gold.h"

void bytes_put(struct bytes *f, const void *data, size_t n)
{
	ck_assert_uint_le(f->n + n, sizeof(f->b));
	memcpy(f->b + f->n, data, n);
	f->n += n;
}

void bytes_put32(struct bytes *f, uint32_t v)
{
	bytes_put(
		f,
		(uint8_t[]){(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v},
		4);
}

void bytes_png_chunk(struct bytes *f, const char *kind, const void *data, size_t n)
{
	bytes_put32(f, (uint32_t)n);
	size_t from = f->n;
	bytes_put(f, kind, 4);
	if (n)
		bytes_put(f, data, n);
	bytes_put32(f, (uint32_t)crc32(0, f->b + from, (uInt)(f->n - from)));
}

void bytes_png_head(struct bytes *f, uint32_t w, uint32_t h, int depth, int colour)
{
	struct bytes *head = calloc(1, sizeof(*head));
	bytes_put32(head, w);
	bytes_put32(head, h);
	bytes_put(head, (uint8_t[]){(uint8_t)depth, (uint8_t)colour, 0, 0, 0}, 5);
	f->n = 0;
	bytes_put(f, "\x89PNG\r\n\x1a\n", 8);
	bytes_png_chunk(f, "IHDR", head->b, head->n);
	free(head);
}

void bytes_png_pixels(struct bytes *f, const void *rows, size_t n)
{
	uint8_t packed[1000];
	uLongf length = sizeof(packed);
	ck_assert_int_eq(compress(packed, &length, rows, n), Z_OK);
	bytes_png_chunk(f, "IDAT", packed, length);
	bytes_png_chunk(f, "IEND", NULL, 0);
}

struct bytes *bytes_load(const char *name)
{
	struct bytes *f = calloc(1, sizeof(*f));
	FILE *in = fopen(gold_path(name), "rb");
	ck_assert_ptr_nonnull(in);
	f->n = fread(f->b, 1, sizeof(f->b), in);
	fclose(in);
	return f;
}

size_t bytes_find(const struct bytes *f, size_t from, uint8_t a, uint8_t b)
{
	for (size_t i = from; i + 1 < f->n; i++)
		if (f->b[i] == a && f->b[i + 1] == b)
			return i;
	ck_abort_msg("%02x %02x is not there", a, b);
}

/* Picture files put together byte by byte, right or wrong. */
#ifndef TESTS_PICTURE_BYTES_H
#define TESTS_PICTURE_BYTES_H

#include <stddef.h>
#include <stdint.h>

/* A file being put together. */
struct bytes {
	uint8_t b[1 << 18];
	size_t n;
};

void bytes_put(struct bytes *f, const void *data, size_t n);
/* Big-endian. */
void bytes_put32(struct bytes *f, uint32_t v);

/* A chunk with its checksum. */
void bytes_png_chunk(struct bytes *f, const char *kind, const void *data, size_t n);
/* Begins anew, with signature and IHDR. */
void bytes_png_head(struct bytes *f, uint32_t w, uint32_t h, int depth, int colour);
/* IDAT of n bytes deflated, IEND. */
void bytes_png_pixels(struct bytes *f, const void *rows, size_t n);

/* A file of tests/gold/pictures/; free it. */
struct bytes *bytes_load(const char *name);
/* Where two bytes next occur; fails the test if they do not. */
size_t bytes_find(const struct bytes *f, size_t from, uint8_t a, uint8_t b);

#endif

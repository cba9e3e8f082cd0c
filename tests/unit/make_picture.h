/* Picture files and small IDX and CIFAR datasets made on the spot, for the tests of the data room.
 */
#ifndef TESTS_MAKE_PICTURE_H
#define TESTS_MAKE_PICTURE_H

#include <stddef.h>
#include <stdint.h>

/* The pixel that the files below have at (y, x, channel), apart from JPEG's losses. */
uint8_t make_pixel(int y, int x, int ch, unsigned seed);

/* RGB files at a path made by scratch_path(); missing directories are made. Return the path. */
const char *make_png(const char *path, int h, int w, unsigned seed);
const char *make_jpeg(const char *path, int h, int w, unsigned seed);

/*
 * A PNG mask of these h * w values, one a byte: grey or palette of 1, 2, 4 or 8 bits, their colours
 * far from their indices; or no mask, with the values in the first channel.
 */
enum make_mask { MASK_GREY, MASK_PALETTE, MASK_GREY16, MASK_GREY_ALPHA, MASK_RGB, MASK_RGBA };
const char *make_mask(const char *path, enum make_mask kind, int bits, int h, int w,
		      const uint8_t *value);

/* The bytes of a file; free it. */
uint8_t *make_read(const char *path, size_t *n);
/* Makes the directories above the path. Returns it. */
const char *make_parents(const char *path);
/* Keeps the first n bytes. */
void make_shorter(const char *path, size_t n);

#endif

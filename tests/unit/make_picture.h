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

/* The bytes of a file; free it. */
uint8_t *make_read(const char *path, size_t *n);
/* Makes the directories above the path. Returns it. */
const char *make_parents(const char *path);
/* Keeps the first n bytes. */
void make_shorter(const char *path, size_t n);

#endif

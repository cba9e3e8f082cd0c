/* PIL's and torchvision's pictures: tests/gold/pictures/, made by pictures.py beside it. */
#ifndef TESTS_PICTURE_GOLD_H
#define TESTS_PICTURE_GOLD_H

#include "data/data.h"

/* "tests/gold/pictures/<name>"; good until the next call. */
const char *gold_path(const char *name);

/* The pixels called so in expected.safetensors; the caller frees them. Fails if they are missing.
 */
struct et_picture gold_picture(const char *fmt, ...) ET_PRINTF(1, 2);
bool gold_has(const char *fmt, ...) ET_PRINTF(1, 2);
/* Exactly n F64 numbers. */
void gold_numbers(double *v, size_t n, const char *fmt, ...) ET_PRINTF(3, 4);
/* n F32 numbers; the caller frees them. */
float *gold_floats(size_t n, const char *name);

/* The largest difference of two pictures, which must have the same size. */
int picture_distance(const struct et_picture *a, const struct et_picture *b);
/* h x w x c bytes into a new picture; NULL gives zeros. */
struct et_picture picture_make(int h, int w, int c, const uint8_t *px);
/* Pixels that a generator of their own draws. */
struct et_picture picture_noise(struct et_rng *r, int h, int w, int c);

#endif

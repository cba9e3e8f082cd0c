/* What the tests of the loader share. */
#ifndef TESTS_TEST_LOADER_H
#define TESTS_TEST_LOADER_H

#include "test_dataset.h"

#define SIDE   8
#define FLOATS (SIDE * SIDE * 3)

/* 23 pictures of different sizes in d/: 12 PNGs of class a, 11 JPEGs of class b. */
struct et_dataset *loader_pictures(void);

/* All of train in batches of 5, in order. */
struct et_loader_conf loader_conf_of(const struct et_dataset *ds);
struct et_loader *loader_open(const struct et_loader_conf *conf);

/* What an epoch gives, one sample after another. */
struct epoch {
	size_t batches, n, skipped;
	uint32_t sample[64];
	int32_t label[64];
	float x[64][FLOATS];
};
extern struct epoch loader_got[2];

/* All batches from `first` on. */
void loader_read(struct et_loader *l, uint64_t epoch, size_t first, struct epoch *e);

/* Workers and depth, for loop tests. */
#define SHAPES 6
extern const unsigned loader_shapes[SHAPES][2];

#endif

/* One pooling or resizing with all that it reads, writes and should have written. */
#ifndef TEST_POOL_CASE_H
#define TEST_POOL_CASE_H

#include "num.h"

/* Every operator here is x -> y forward and dy -> dx backward; g serves all of them. */
enum pool_kind { POOL_MAX, POOL_AVG, POOL_ADAPTIVE, POOL_NEAREST, POOL_BILINEAR, POOL_KINDS };
extern const char *const pool_kinds[];

struct pool_case {
	enum pool_kind kind;
	int n;
	struct et_pool g; /* of it all but POOL_MAX and POOL_AVG use h, w, c, p, q alone */
	size_t nx, ny;	  /* elements */
	float *x, *dy, *y, *dx;
	uint8_t *index, *tap; /* the library's, the oracle's */
	struct ref want_y, want_dx;
	bool only_nan; /* see that NaN is where it should be, and nothing else */
};

/* Sizes and buffers of a geometry whose p and q are known; x and dy are the caller's to fill. */
void pool_alloc(struct pool_case *t);
/* A random geometry of t's kind with random x and dy; ties: few different values. */
void pool_random(struct pool_case *t, struct et_rng *r, bool ties);
/* num_label() of kind, number and geometry. */
void pool_label(const struct pool_case *t, int shape);
/* The geometry as the oracle has it. */
struct ref_pool pool_oracle(const struct pool_case *t);
/* Fills in the expectations, and runs forward and backward through num_run(). */
void pool_run(struct pool_case *t);

#endif

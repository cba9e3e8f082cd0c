/* PyTorch's numbers for single operators: tests/gold/<file>.safetensors, made by ops.py there. */
#ifndef TEST_GOLD_H
#define TEST_GOLD_H

#include "io/io.h"
#include "num.h"

struct gold_case {
	const struct et_st *st;
	const char *name, *text; /* "k3", "conv2d n=1 c=2 ..." */
};

/*
 * Calls check() for every case of tests/gold/<file>.safetensors whose operator is op. Fails when
 * there are fewer than `least`, or when the file does not say which PyTorch made it.
 */
void gold_each(const char *file, const char *op, int least,
	       void (*check)(const struct gold_case *));

/* A number of the case's text. */
double gold_num(const struct gold_case *c, const char *key);
int gold_int(const struct gold_case *c, const char *key);
/* A tensor of exactly n elements, in a guarded buffer; label tensors as int32. */
float *gold_f32(const struct gold_case *c, const char *tensor, size_t n);
int32_t *gold_i32(const struct gold_case *c, const char *tensor, size_t n);
/* [n,c,hw] of the file as [n,hw,c]. */
float *gold_nhwc(const struct gold_case *c, const char *tensor, int n, size_t hw, int channels);

#endif

/* Private to op: the taps of a dense convolution, as its products by the GEMM list them. */
#ifndef ET_OP_CONV_TAPS_H
#define ET_OP_CONV_TAPS_H

#include "op/op.h"

/* Offsets of taps in the input, and where their weights begin within a filter. */
struct et_taps {
	int16_t *y, *x;
	size_t *b;
	int n;
};
/* Room for all of a kernel's, from the work arena; none is listed. */
struct et_taps et_taps_alloc(const struct et_conv *g, struct et_arena *work);

/* Does a tap at this offset meet any of n pixels, from any of `steps` outputs? */
bool et_tap_meets(int offset, int stride, int steps, int n);
/* Do taps of row a, of column b of the kernel, along their axis? */
bool et_row_meets(const struct et_conv *g, int a);
bool et_column_meets(const struct et_conv *g, int b);

/*
 * Lists the taps that meet more than padding, which in small pictures some never do; all, where
 * none does. *all: whether they are all. When measuring they are only counted.
 */
void et_taps_list(const struct et_conv *g, struct et_taps *t, bool *all, bool measuring);

/* The im2col view of one group's input channels, with `count` taps from the first on. */
struct et_gather et_input_view(const struct et_conv *g, int n, const float *in,
			       const struct et_prologue *pro, int group, const struct et_taps *t,
			       int first, int count);

#endif

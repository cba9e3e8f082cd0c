/*
 * Private to op: the sums that batch norm's backward begins with, gathered in blocks of rows while
 * these are in cache, by whoever has the gradient there. Blocks are summed in float and joined in
 * double, in their order: where they end is a function of the shape alone.
 */
#ifndef ET_OP_NORM_SUMS_H
#define ET_OP_NORM_SUMS_H

#include "op/op.h"

struct et_norm_blocks {
	const struct et_kern *k;
	const struct et_bn_sums *sums;
	size_t c, blocks;
	float *s1, *s2; /* [blocks][c] */
};

/* For at most so many blocks, with memory from work, which the caller releases. */
struct et_norm_blocks et_norm_open(const struct et_ctx *x, const struct et_bn_sums *sums,
				   size_t blocks, size_t c, struct et_arena *work);
/* Block b: rows of batch norm's input and of the gradient of what it makes of it. To be called
 * once for each block, by any thread. */
void et_norm_block(const struct et_norm_blocks *n, size_t b, size_t rows, const float *in,
		   const float *dy);
/* When all `blocks` have been: fills sums. */
void et_norm_join(const struct et_norm_blocks *n, size_t blocks);

#endif

/*
 * Private to op: mean and biased variance of each channel of rows[rows][c], gathered in blocks of
 * rows while these are in cache, by whoever writes them or reads them anyway.
 *
 * A block's mean and squared deviations from it are float, over its rows in their order; blocks are
 * joined in double in theirs. So bits depend on where blocks end, a function of the shape alone,
 * and not on which thread had which.
 */
#ifndef ET_OP_MOMENTS_H
#define ET_OP_MOMENTS_H

#include "op/op.h"

struct et_moment_blocks {
	const struct et_ctx *x;
	const struct et_kern *k;
	size_t rows, c, block, blocks; /* rows in all, channels, rows in a block but the last */
	float *mean, *dev;	       /* [blocks][c] */
};

/* Rows in a block: about 64 KB of values, and at most 512 blocks. */
size_t et_block_rows(size_t rows, size_t c);
/* With memory from work, which the caller releases; counts when work measures. */
struct et_moment_blocks et_moments_open(const struct et_ctx *x, size_t rows, size_t c, size_t block,
					struct et_arena *work);
/*
 * Channels c0..c0+c of block b; y: its first row at channel c0, rows ld apart. To be called once
 * for each block and channel, by any thread.
 */
void et_moments_block(const struct et_moment_blocks *m, size_t b, const float *y, size_t ld,
		      size_t c0, size_t c);
/* When all have been. */
void et_moments_join(const struct et_moment_blocks *m, float *mean, float *var);

#endif

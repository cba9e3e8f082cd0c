/* Private to op: depthwise convolution, row by row on the kernels of kern. Arguments as in op.h. */
#ifndef ET_OP_DEPTHWISE_H
#define ET_OP_DEPTHWISE_H

#include "op/op.h"

void et_depthwise_forward(const struct et_ctx *x, const struct et_conv *g, int n, const float *in,
			  const struct et_prologue *pro, const float *w,
			  const struct et_epilogue *epi, float *y, struct et_arena *work);
void et_depthwise_data(const struct et_ctx *x, const struct et_conv *g, int n, const float *dy,
		       const float *w, float *dx);
void et_depthwise_weight(const struct et_ctx *x, const struct et_conv *g, int n, const float *in,
			 const struct et_prologue *pro, const float *dy, float *dw,
			 struct et_arena *work);
/* Both, in their bits and the scratch of the second, in one walk over dy; and whether that pays. */
bool et_depthwise_walks(const struct et_conv *g, int n);
void et_depthwise_both(const struct et_ctx *x, const struct et_conv *g, int n,
		       const struct et_conv_pair *pair, struct et_arena *work);

/* ---- shared by forward and backward ---------------------------------------------------------- */

/* Tap rows a kernel can have, the spec reader allows no more; and those of two output rows. */
#define ET_DW_ROWS (64 + 1)

/*
 * Rows of the channels c0..c0+c of the input. Under a prologue they come from a ring of rows that
 * it has been applied to, each once: the rows asked for must not go back within an image, unless
 * image is set to NULL.
 */
struct et_dw_source {
	const struct et_kern *k;
	const struct et_conv *g;
	const struct et_prologue *pro; /* or NULL */
	int c0, c;
	float *ring;
	const float *image; /* whose rows are in the ring */
	int next;	    /* the first row that is not */
};

/* Channels in each of strips of at most `fit`, all about the same: whole vectors of any unit. */
size_t et_dw_even(size_t c, size_t fit);
/* Floats of a ring for so many channels; 0 without a prologue. */
size_t et_dw_ring(const struct et_conv *g, const struct et_prologue *pro, size_t channels);
/* Floats from one pixel of its rows to the next. */
size_t et_dw_pixel(const struct et_dw_source *s);
/*
 * The rows of an image that the taps of output rows p..p+count-1 meet, NULL in the padding; count
 * is 2 only where et_dw_pairs().
 */
void et_dw_rows(struct et_dw_source *s, const float *image, int p, int count, const float **rows);

/* Do neighbouring output rows meet the same input rows but for the first and the last? */
static inline bool et_dw_pairs(const struct et_conv *g)
{
	return g->sh == 1 && g->dh == 1;
}

/* Rows of dy of one image, the channels worked on: row p at rows + p % count * row. */
struct et_dw_grad {
	const float *rows;
	int count;
	size_t row, pixel; /* floats from one to the next */
};
static inline const float *et_dw_grad_row(const struct et_dw_grad *d, int p)
{
	return d->rows + (size_t)(p % d->count) * d->row;
}
/* All rows of an image, from channel c0 on. */
static inline struct et_dw_grad et_dw_grad(const struct et_conv *g, const float *image, int c0)
{
	return (struct et_dw_grad){image + c0, g->p, (size_t)g->q * (size_t)g->c, (size_t)g->c};
}

/*
 * dx of rows i0..i1-1 of one image, channels c0..c0+c: a row's bits do not depend on what is asked
 * for with it. dy has the rows that they meet, from channel c0 on; w and dx are those of all
 * channels.
 */
void et_dw_data_rows(const struct et_kern *k, const struct et_conv *g, int c0, int c,
		     const struct et_dw_grad *dy, const float *w, float *dx, int i0, int i1);

#endif

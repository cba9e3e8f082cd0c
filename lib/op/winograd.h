/* Private to op: 3x3 convolutions with stride 1 by Winograd's minimal filtering. */
#ifndef ET_OP_WINOGRAD_H
#define ET_OP_WINOGRAD_H

#include "op/op.h"

#define ET_WINO_TAPS 36 /* of the larger tile, 6 x 6 */

/*
 * The side of the output tiles with which a convolution of this shape is worth it: 4, 2, or 0 when
 * it is to be computed directly. By the shape of one image alone, so that an image gives the same
 * bits in any batch.
 */
int et_wino_side(const struct et_conv *g);
/* The side of Winograd's tiles for a convolution in this context; 0: directly. */
static inline int et_conv_side(const struct et_ctx *x, const struct et_conv *g)
{
	return x->direct ? 0 : et_wino_side(g);
}

/* Pictures cut into tiles of side x side pixels, one beginning every `step` pixels from -ph, -pw.
 */
struct et_wino_grid {
	const float *x;
	int n, h, w, c;
	int side, step, ph, pw;
	int th, tw; /* tiles down and across */
};
/* Tile t of all pictures; beyond the last one, one without pixels. */
struct et_wino_tile et_wino_pick(const struct et_wino_grid *g, size_t t);
/* Floats that a thread may keep in its cache. */
size_t et_wino_cache(const struct et_kern *k);

/* Who keeps what in cache; see winograd.c. The bits are the same. */
enum et_wino_order { ET_WINO_CHOOSE, ET_WINO_BY_TILES, ET_WINO_BY_FILTERS };

/* n pictures [h,w,c] and [p,q,k], padding ph, pw: as in et_conv. */
struct et_wino_shape {
	int m; /* side of an output tile */
	int n, h, w, c, ph, pw, p, q, k;
};
static inline struct et_wino_shape et_wino_shape(const struct et_conv *g, int n, int m)
{
	return (struct et_wino_shape){m, n, g->h, g->w, g->c, g->ph, g->pw, g->p, g->q, g->k};
}
/* Of dx from dy: what was padding is what is missing of 2. */
static inline struct et_wino_shape et_wino_turned(const struct et_conv *g, int n, int m)
{
	return (struct et_wino_shape){m,	 n,	    g->p, g->q, g->k,
				      2 - g->ph, 2 - g->pw, g->h, g->w, g->c};
}

/* y[n,p,q,k] = a 3x3 convolution of src[n,h,w,c] with padding ph, pw: forward, or dx. */
struct et_wino_rows {
	struct et_wino_shape s;
	enum et_wino_order order;
	const float *src;
	const struct et_prologue *pro; /* may be NULL */
	const float *weights;	       /* [k][3][3][c], or back: [c][3][3][k] with taps reversed */
	bool back;
	float *y;
	const struct et_epilogue *epi; /* may be NULL; moments are not its business */
};
void et_wino_rows(const struct et_ctx *x, const struct et_wino_rows *g, struct et_arena *work);

/*
 * dw[k][3][3][c] += the sum over n, p, q of dy[n,p,q,k] * src: the weight gradient of the forward
 * that the members are named after.
 */
struct et_wino_sum {
	struct et_wino_shape s;
	const float *src;
	const struct et_prologue *pro; /* may be NULL */
	const float *dy;
	float *dw;
};
void et_wino_sum(const struct et_ctx *x, const struct et_wino_sum *g, struct et_arena *work);

#endif

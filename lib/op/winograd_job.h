/* Private to winograd.c and its tiles: a convolution as it is laid out. */
#ifndef ET_OP_WINOGRAD_JOB_H
#define ET_OP_WINOGRAD_JOB_H

#include "op/winograd.h"

/* Channels of weights packed at a time. */
#define ET_WINO_CHUNK 16

struct et_wino_job {
	const struct et_ctx *x;
	const struct et_wino_rows *g;
	int n, taps;		 /* side of an input tile; its square */
	int th, tw;		 /* tiles down and across an image */
	size_t tiles;		 /* of all images */
	size_t depth, depths;	 /* channels in a depth block, blocks */
	size_t slot;		 /* depths of a tap in a row of a panel */
	size_t area;		 /* floats of a panel of all taps and one depth block */
	size_t at[ET_WINO_TAPS]; /* where a tap's depths begin in it */
	size_t panel;		 /* floats of a panel of all depth blocks */
	size_t cols;		 /* output channels in a block, a multiple of nr */
	size_t block;		 /* tiles in a block, a multiple of mr */
	size_t first, end;	 /* by filters: the tiles at hand */
	float *u, *v, *m;	 /* filters, inputs, products: shared or each thread's */
	float *w;		 /* by filters: each thread's weights as they are packed */
	size_t u_stride, v_stride, m_stride, w_stride; /* from one thread to the next */
};

/* Channels in depth block d. */
static inline size_t et_wino_depth(const struct et_wino_job *j, size_t d)
{
	return et_min(j->depth, (size_t)j->g->s.c - d * j->depth);
}

/* Transforms the tiles of one panel: to v, all depth blocks of it. */
void et_wino_input_panel(const struct et_wino_job *j, size_t panel, float *v);
/*
 * Weights of nr outputs from k0 on, depths from..from+n, n <= ET_WINO_CHUNK: those of tap t as
 * [depth][nr] at w + t*ws.
 */
void et_wino_pack_filters(const struct et_wino_job *j, size_t k0, size_t from, size_t n, float *w,
			  size_t ws);
/*
 * Tile t's results for the output channels k0..k0+kn, from products m that are ld floats from a tap
 * to the next.
 */
void et_wino_output_tile(const struct et_wino_job *j, size_t t, size_t k0, size_t kn,
			 const float *m, size_t ld);

#endif

/* Batch norm's backward: its sums, the slopes that follow from them, and what they make of dy. */
#include <string.h>

#include "op/moments.h"
#include "op/norm_sums.h"

/* ---- sums ------------------------------------------------------------------------------------ */

struct et_norm_blocks et_norm_open(const struct et_ctx *x, const struct et_bn_sums *sums,
				   size_t blocks, size_t c, struct et_arena *work)
{
	struct et_norm_blocks n = {.k = x->k, .sums = sums, .c = c, .blocks = blocks};

	n.s1 = et_arena_alloc(work, blocks * c, sizeof(float));
	n.s2 = et_arena_alloc(work, blocks * c, sizeof(float));
	return n;
}

void et_norm_block(const struct et_norm_blocks *n, size_t b, size_t rows, const float *in,
		   const float *dy)
{
	const struct et_bn_sums *s = n->sums;
	n->k->col_bn_bwd(rows, n->c, n->c, in, dy, s->mean, s->after, n->s1 + b * n->c,
			 n->s2 + b * n->c);
}

void et_norm_join(const struct et_norm_blocks *n, size_t blocks)
{
	double *s1 = n->sums->s1, *s2 = n->sums->s2;

	memset(s1, 0, n->c * sizeof(double));
	memset(s2, 0, n->c * sizeof(double));
	for (size_t b = 0; b < blocks; b++)
		for (size_t j = 0; j < n->c; j++) {
			s1[j] += (double)n->s1[b * n->c + j];
			s2[j] += (double)n->s2[b * n->c + j];
		}
}

struct gather {
	struct et_norm_blocks n;
	size_t rows, block;
	const float *in, *dy;
};

static void gather_blocks(void *arg, size_t begin, size_t end, int thread)
{
	const struct gather *g = arg;
	(void)thread;
	for (size_t b = begin; b < end; b++) {
		size_t row = b * g->block;
		et_norm_block(&g->n, b, et_min(g->block, g->rows - row), g->in + row * g->n.c,
			      g->dy + row * g->n.c);
	}
}

void et_bn_gather(const struct et_ctx *x, size_t rows, int c, const float *in, const float *dy,
		  const struct et_bn_sums *sums, struct et_arena *work)
{
	size_t mark = et_arena_mark(work), block = et_block_rows(rows, (size_t)c),
	       blocks = et_ceil_div(rows, block);
	struct gather g = {.n = et_norm_open(x, sums, blocks, (size_t)c, work),
			   .rows = rows,
			   .block = block,
			   .in = in,
			   .dy = dy};

	if (!et_measuring(work)) {
		et_parallel(x, blocks, 1, gather_blocks, &g);
		et_norm_join(&g.n, blocks);
	}
	et_arena_release(work, mark);
}

/* ---- slopes ---------------------------------------------------------------------------------- */

void et_bn_slopes(size_t rows, int c, const struct et_bn_sums *sums, const float *invstd,
		  const float *gamma, bool batch, float *a, float *b, float *d, float *dgamma,
		  float *dbeta)
{
	for (int j = 0; j < c; j++) {
		double s1 = sums->s1[j], s2 = sums->s2[j], inv = (double)invstd[j];
		if (dgamma)
			dgamma[j] += (float)(s2 * inv);
		if (dbeta)
			dbeta[j] += (float)s1;
		/*
		 * dx = g*(dy - s1/n - (x-mean)*invstd^2*s2/n) with g = gamma*invstd, as a*dy + b*x
		 * + d.
		 */
		double g = (double)gamma[j] * inv, slope = -g * inv * inv * s2 / (double)rows;
		a[j] = (float)g;
		b[j] = batch ? (float)slope : 0;
		d[j] = batch ? (float)(-g * s1 / (double)rows - slope * (double)sums->mean[j]) : 0;
	}
}

/* ---- dx -------------------------------------------------------------------------------------- */

struct through {
	const struct et_ctx *x;
	size_t c;
	const struct et_bn_grad *g;
	const float *dy;
	float *dx;
};

static void through_rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct through *t = arg;
	const struct et_bn_grad *g = t->g;
	size_t at = begin * t->c;
	(void)thread;
	t->x->k->bn_dx(end - begin, t->c, t->c, g->in + at, t->dy + at, g->a, g->b, g->d, g->after,
		       t->dx + at, t->c);
}

void et_bn_through(const struct et_ctx *x, size_t rows, int c, const struct et_bn_grad *grad,
		   const float *dy, float *dx)
{
	struct through t = {.x = x, .c = (size_t)c, .g = grad, .dy = dy, .dx = dx};
	et_parallel(x, rows, 16, through_rows, &t);
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* Sums of dy alone: what is left of the sums where batch norm and what follows are constant. */
static void sum_dy(const struct et_ctx *x, size_t rows, int c, const float *dy, double *s1,
		   float *sum, struct et_arena *work)
{
	if (!et_measuring(work))
		memset(sum, 0, (size_t)c * sizeof(float));
	et_channel_sum(x, rows, c, dy, sum, work);
	for (int j = 0; j < c && !et_measuring(work); j++)
		s1[j] = (double)sum[j];
}

void et_bn_backward(const struct et_ctx *x, size_t rows, int c, const float *in, const float *dy,
		    const float *mean, const float *invstd, const float *gamma, bool batch,
		    const struct et_prologue *after, float *dx, float *dgamma, float *dbeta,
		    struct et_arena *work)
{
	size_t mark = et_arena_mark(work), n = (size_t)c;
	bool acts = after && after->act != ET_ACT_NONE, deviations = batch || dgamma || acts;
	double *total = et_arena_alloc(work, 2 * n, sizeof(double));
	float *slope = et_arena_alloc(work, 3 * n, sizeof(float));
	struct et_bn_sums sums = {.mean = mean, .after = after, .s1 = total, .s2 = total + n};
	struct et_bn_grad grad = {
		.in = in, .after = after, .a = slope, .b = slope + n, .d = slope + 2 * n};

	if (!et_measuring(work))
		memset(total, 0, 2 * n * sizeof(*total));
	if (deviations)
		et_bn_gather(x, rows, c, in, dy, &sums, work);
	else if (dbeta)
		sum_dy(x, rows, c, dy, total, slope, work);
	if (et_measuring(work)) {
		et_arena_release(work, mark);
		return;
	}
	et_bn_slopes(rows, c, &sums, invstd, gamma, batch, slope, slope + n, slope + 2 * n, dgamma,
		     dbeta);
	if (dx && (batch || acts)) {
		et_bn_through(x, rows, c, &grad, dy, dx);
	} else if (dx) {
		const struct et_prologue p = {.scale = grad.a, .shift = grad.d};
		et_affine(x, rows, c, dy, &p, dx);
	}
	et_arena_release(work, mark);
}

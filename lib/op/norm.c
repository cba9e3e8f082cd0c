/*
 * Batch norm and sums over rows. Sums run in float over fixed blocks of rows and are joined in
 * double, in the order of the blocks: the same bits for any number of threads, and no loss on long
 * columns.
 */
#include "op/moments.h"

struct sums {
	const struct et_ctx *x;
	size_t rows, c, block;
	const float *in, *dy, *mean;
	const struct et_prologue *after;
	float *s1, *s2; /* [blocks][c] */
};

static size_t rows_in(const struct sums *s, size_t b)
{
	return et_min(s->block, s->rows - b * s->block);
}

static void sum_blocks(void *arg, size_t begin, size_t end, int thread)
{
	const struct sums *s = arg;
	(void)thread;
	for (size_t b = begin; b < end; b++)
		s->x->k->col_sum(rows_in(s, b), s->c, s->in + b * s->block * s->c,
				 s->s1 + b * s->c);
}

void et_channel_sum(const struct et_ctx *x, size_t rows, int c, const float *in, float *sum,
		    struct et_arena *work)
{
	size_t mark = et_arena_mark(work), block = et_block_rows(rows, (size_t)c),
	       blocks = et_ceil_div(rows, block);
	struct sums s = {.x = x, .rows = rows, .c = (size_t)c, .block = block, .in = in};

	s.s1 = et_arena_alloc(work, blocks * s.c, sizeof(float));
	if (!et_measuring(work)) {
		et_parallel(x, blocks, 1, sum_blocks, &s);
		for (size_t j = 0; j < s.c; j++) {
			double total = 0;
			for (size_t b = 0; b < blocks; b++)
				total += (double)s.s1[b * s.c + j];
			sum[j] += (float)total;
		}
	}
	et_arena_release(work, mark);
}

struct stats {
	const struct et_moment_blocks *m;
	const float *in;
};

static void moment_blocks(void *arg, size_t begin, size_t end, int thread)
{
	const struct stats *s = arg;
	const struct et_moment_blocks *m = s->m;
	(void)thread;
	for (size_t b = begin; b < end; b++)
		et_moments_block(m, b, s->in + b * m->block * m->c, m->c, 0, m->c);
}

void et_bn_stats(const struct et_ctx *x, size_t rows, int c, const float *in, float *mean,
		 float *var, struct et_arena *work)
{
	size_t mark = et_arena_mark(work);
	struct et_moment_blocks m =
		et_moments_open(x, rows, (size_t)c, et_block_rows(rows, (size_t)c), work);
	struct stats s = {&m, in};

	if (!et_measuring(work)) {
		et_parallel(x, m.blocks, 1, moment_blocks, &s);
		et_moments_join(&m, mean, var);
	}
	et_arena_release(work, mark);
}

struct affine {
	const struct et_ctx *x;
	size_t c;
	const float *in;
	const struct et_prologue *p;
	float *y;
};

static void affine_rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct affine *a = arg;
	(void)thread;
	a->x->k->affine(end - begin, a->c, a->in + begin * a->c, a->p, a->y + begin * a->c);
}

void et_affine(const struct et_ctx *x, size_t rows, int c, const float *in,
	       const struct et_prologue *p, float *y)
{
	struct affine a = {.x = x, .c = (size_t)c, .in = in, .p = p, .y = y};
	et_parallel(x, rows, 16, affine_rows, &a);
}

static void backward_blocks(void *arg, size_t begin, size_t end, int thread)
{
	const struct sums *s = arg;
	(void)thread;
	for (size_t b = begin; b < end; b++) {
		size_t at = b * s->block * s->c;
		s->x->k->col_bn_bwd(rows_in(s, b), s->c, s->in + at, s->dy + at, s->mean, s->after,
				    s->s1 + b * s->c, s->s2 + b * s->c);
	}
}

struct bn_dx {
	const struct et_ctx *x;
	size_t c;
	const float *in, *dy, *a, *b, *d;
	const struct et_prologue *after;
	float *dx;
};

static void dx_rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct bn_dx *j = arg;
	size_t at = begin * j->c;
	(void)thread;
	j->x->k->bn_dx(end - begin, j->c, j->in + at, j->dy + at, j->a, j->b, j->d, j->after,
		       j->dx + at);
}

void et_bn_backward(const struct et_ctx *x, size_t rows, int c, const float *in, const float *dy,
		    const float *mean, const float *invstd, const float *gamma, bool batch,
		    const struct et_prologue *after, float *dx, float *dgamma, float *dbeta,
		    struct et_arena *work)
{
	size_t mark = et_arena_mark(work), block = et_block_rows(rows, (size_t)c),
	       blocks = et_ceil_div(rows, block);
	struct sums s = {.x = x,
			 .rows = rows,
			 .c = (size_t)c,
			 .block = block,
			 .in = in,
			 .dy = dy,
			 .mean = mean,
			 .after = after};
	bool acts = after && after->act != ET_ACT_NONE, deviations = batch || dgamma || acts;
	float *a = et_arena_alloc(work, s.c, sizeof(float));
	float *b = et_arena_alloc(work, s.c, sizeof(float));
	float *d = et_arena_alloc(work, s.c, sizeof(float));

	s.s1 = et_arena_alloc(work, blocks * s.c, sizeof(float));
	s.s2 = et_arena_alloc(work, blocks * s.c, sizeof(float));
	if (et_measuring(work)) {
		et_arena_release(work, mark);
		return;
	}
	if (deviations) {
		et_parallel(x, blocks, 1, backward_blocks, &s);
	} else if (dbeta) {
		s.in = dy;
		et_parallel(x, blocks, 1, sum_blocks, &s);
	}
	for (size_t j = 0; j < s.c; j++) {
		double s1 = 0, s2 = 0;
		for (size_t i = 0; i < blocks && (deviations || dbeta); i++) {
			s1 += (double)s.s1[i * s.c + j];
			s2 += deviations ? (double)s.s2[i * s.c + j] : 0;
		}
		if (dgamma)
			dgamma[j] += (float)(s2 * (double)invstd[j]);
		if (dbeta)
			dbeta[j] += (float)s1;
		/*
		 * dx = g*(dy - s1/n - (x-mean)*invstd^2*s2/n) with g = gamma*invstd, as a*dy + b*x
		 * + d.
		 */
		double g = (double)gamma[j] * (double)invstd[j];
		double slope =
			batch ? -g * (double)invstd[j] * (double)invstd[j] * s2 / (double)rows : 0;
		a[j] = (float)g;
		b[j] = (float)slope;
		d[j] = batch ? (float)(-g * s1 / (double)rows - slope * (double)mean[j]) : 0;
	}
	if (dx && (batch || acts)) {
		struct bn_dx j = {.x = x,
				  .c = s.c,
				  .in = in,
				  .dy = dy,
				  .a = a,
				  .b = b,
				  .d = d,
				  .after = after,
				  .dx = dx};
		et_parallel(x, rows, 16, dx_rows, &j);
	} else if (dx) {
		const struct et_prologue p = {.scale = a, .shift = d};
		et_affine(x, rows, c, dy, &p, dx);
	}
	et_arena_release(work, mark);
}

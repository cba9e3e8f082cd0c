/*
 * Batch norm's forward and sums over rows. Sums run in float over fixed blocks of rows and are
 * joined in double, in the order of the blocks: the same bits for any number of threads, and no
 * loss on long columns.
 */
#include "op/moments.h"

struct sums {
	const struct et_ctx *x;
	size_t rows, c, block;
	const float *in;
	float *sum; /* [blocks][c] */
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
				 s->sum + b * s->c);
}

void et_channel_sum(const struct et_ctx *x, size_t rows, int c, const float *in, float *sum,
		    struct et_arena *work)
{
	size_t mark = et_arena_mark(work), block = et_block_rows(rows, (size_t)c),
	       blocks = et_ceil_div(rows, block);
	struct sums s = {.x = x, .rows = rows, .c = (size_t)c, .block = block, .in = in};

	s.sum = et_arena_alloc(work, blocks * s.c, sizeof(float));
	if (!et_measuring(work)) {
		et_parallel(x, blocks, 1, sum_blocks, &s);
		for (size_t j = 0; j < s.c; j++) {
			double total = 0;
			for (size_t b = 0; b < blocks; b++)
				total += (double)s.sum[b * s.c + j];
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

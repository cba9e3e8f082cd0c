/* Sums over whole tensors. */
#include "op/op.h"

#define BLOCK ((size_t)16384)

struct total {
	double (*sum)(size_t n, const float *x);
	const float *in;
	size_t n;
	double *part; /* [blocks] */
};

static void sum_blocks(void *arg, size_t begin, size_t end, int thread)
{
	const struct total *t = arg;
	(void)thread;
	for (size_t b = begin; b < end; b++)
		t->part[b] = t->sum(et_min(BLOCK, t->n - b * BLOCK), t->in + b * BLOCK);
}

static double total(const struct et_ctx *x, double (*sum)(size_t n, const float *x), size_t n,
		    const float *in, struct et_arena *work)
{
	size_t mark = et_arena_mark(work), blocks = et_ceil_div(n, BLOCK);
	struct total t = {.sum = sum, .in = in, .n = n};
	double all = 0;

	t.part = et_arena_alloc(work, blocks, sizeof(double));
	if (!et_measuring(work)) {
		et_parallel(x, blocks, 1, sum_blocks, &t);
		for (size_t b = 0; b < blocks; b++)
			all += t.part[b];
	}
	et_arena_release(work, mark);
	return all;
}

double et_sum_abs(const struct et_ctx *x, size_t n, const float *in, struct et_arena *work)
{
	return total(x, x->k->abs_sum, n, in, work);
}

double et_sum_squares(const struct et_ctx *x, size_t n, const float *in, struct et_arena *work)
{
	return total(x, x->k->sumsq, n, in, work);
}

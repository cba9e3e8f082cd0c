/*
 * Delta-term training of linear layers (Hussain & Tsai, TCAS-I 2021): backward and SGD's step in
 * one pass over the weights, without a gradient. For each block of rows m, with the old w:
 *
 *   dx += dy[:, m] w[m]     g = dy[:, m]' x     v = momentum v + g + weight_decay w     w -= lr v
 *
 * A block is as deep as the GEMM's own blocks, so that every sum is taken in exact's order: the
 * same bits.
 */
#include <string.h>

#include "mode/techniques.h"

static int accepts(const struct et_layer *l, const double *opt, struct et_err *err)
{
	(void)opt;
	return l->linear ? ET_OK
			 : et_fail(err, ET_EUSAGE,
				   "delta works on linear layers, %s is a convolution", l->name);
}

/* Pieces of the optimizer: where vectors end decides how the last values round. */
#define PIECE ((size_t)1 << 15)

struct update {
	const struct et_kern *k;
	const struct et_rule *rule;
	float *w, *v;
	const float *grad;
	bool bad;
};

static void update_range(void *arg, size_t begin, size_t end, int thread)
{
	struct update *u = arg;
	(void)thread;

	if (!u->k->sgd(end - begin, u->w + begin, u->grad + begin, u->v ? u->v + begin : NULL,
		       u->rule->lr, u->rule->momentum, u->rule->weight_decay, 1))
		__atomic_store_n(&u->bad, true, __ATOMIC_RELAXED);
}

/* Rows of a picture of one pixel: the matrix [n, of] at columns from..from+count. */
static struct et_gather matrix(const float *src, int n, int of, int from, int count,
			       const int16_t *zero)
{
	return (struct et_gather){.src = src,
				  .n = n,
				  .h = 1,
				  .w = 1,
				  .c = of,
				  .c0 = from,
				  .cn = count,
				  .gh = 1,
				  .gw = 1,
				  .sh = 1,
				  .sw = 1,
				  .taps = 1,
				  .y = zero,
				  .x = zero};
}

static bool step(const struct et_call *c, const float *x, const float *dy, float *dx, float *w,
		 float *v, const struct et_rule *rule)
{
	static const int16_t zero[1] = {0};
	const int outs = c->layer->g.k, ins = c->layer->g.c, block = c->x->k->kc;
	const size_t row = (size_t)ins;
	size_t mark = et_arena_mark(c->work);
	bool run = !et_measuring(c->work), bad = false;
	float *grad =
		et_arena_alloc(c->work, et_min((size_t)block, (size_t)outs) * row, sizeof(float));

	for (int m = 0; m < outs; m += block) {
		int rows = outs - m < block ? outs - m : block;
		struct et_gemm_rows down = {.a = matrix(dy, c->n, outs, m, rows, zero),
					    .b = run ? w + (size_t)m * row : NULL,
					    .ldb = row,
					    .c = dx,
					    .ldc = row,
					    .cols = ins,
					    .acc = m > 0};
		struct et_gemm_sum sum = {.a = matrix(x, c->n, ins, 0, ins, zero),
					  .d = run ? dy + m : NULL,
					  .ldd = (size_t)outs,
					  .rows = rows,
					  .c = grad,
					  .ldc = row};
		struct update u = {.k = c->x->k, .rule = rule, .grad = grad};
		if (dx || !run)
			et_gemm_rows(c->x, &down, c->work);
		if (run)
			memset(grad, 0, (size_t)rows * row * sizeof(float));
		et_gemm_sum(c->x, &sum, c->work);
		if (!run)
			break; /* the first block is the largest */
		u.w = w + (size_t)m * row;
		u.v = v ? v + (size_t)m * row : NULL;
		et_parallel(c->x, (size_t)rows * row, PIECE, update_range, &u);
		bad |= u.bad;
	}
	et_arena_release(c->work, mark);
	return !bad;
}

const struct et_mode et_mode_delta = {
	.name = "delta",
	.help = "linear layers: backward and SGD's step in one pass over the weights",
	.reference = "Hussain, Tsai: Memory Access Optimization for On-Chip Transfer Learning, "
		     "TCAS-I 2021",
	.axis = ET_AXIS_LINEAR,
	.key = {{.name = "use",
		 .help = "off: gradients and optimizer apart, as for every other layer",
		 .choices = "on|off"}},
	.standing = true,
	.accepts = accepts,
	.step = step,
};

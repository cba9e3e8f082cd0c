/*
 * Delta-term training of linear layers (Hussain & Tsai, TCAS-I 2021): backward and SGD's step in
 * one pass over the weights, without a gradient. For each block of rows m, with the old w:
 *
 *   dx += dy[:, m] w[m]     g = dy[:, m]' x     v = momentum v + g + weight_decay w     w -= lr v
 *
 * A block is as deep as the GEMM's own blocks, so that every sum is taken in exact's order: the
 * same bits. Where vectors fit, threads share out the columns, and w and v are read and written
 * once; else each block goes through the GEMM and a gradient of its size.
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

static bool by_blocks(const struct et_call *c, const float *x, const float *dy, float *dx, float *w,
		      float *v, const struct et_rule *rule)
{
	const int outs = c->layer->g.k, ins = c->layer->g.c, block = c->x->k->kc;
	const size_t row = (size_t)ins;
	size_t mark = et_arena_mark(c->work);
	bool run = !et_measuring(c->work), bad = false;
	float *grad =
		et_arena_alloc(c->work, et_min((size_t)block, (size_t)outs) * row, sizeof(float));

	for (int m = 0; m < outs; m += block) {
		int rows = outs - m < block ? outs - m : block;
		struct et_gemm_rows down = {.a = et_gather_matrix(dy, (size_t)c->n, outs, m, rows),
					    .b = run ? w + (size_t)m * row : NULL,
					    .ldb = row,
					    .c = dx,
					    .ldc = row,
					    .cols = ins,
					    .acc = m > 0};
		struct et_gemm_sum sum = {.a = et_gather_matrix(x, (size_t)c->n, ins, 0, ins),
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

/* ---- one pass -------------------------------------------------------------------------------- */

/* Images beyond which arithmetic weighs more than memory, and the GEMM is better at it. */
#define ONE_PASS_MAX 8

struct pass {
	const struct et_kern *k;
	struct et_one_pass p; /* of all rows and columns */
	float *dx;	      /* may be NULL */
	float *turned;	      /* dy, transposed */
	float *strips;	      /* of each thread: x and the sums of dx, side by side */
	size_t width;	      /* of a strip, at most */
	bool bad;
};

/*
 * How wide a strip of x and of the sums may be to stay in the second cache. Rows of weights come
 * from memory: the longer the piece of each, the better it is fetched ahead.
 */
static size_t strip_width(size_t n)
{
	return et_max(64, et_min(32768 / n, 4096) / 64 * 64);
}

/* Columns [begin, end) of all rows; x and sums: [n][end - begin]. */
static void pass_strip(struct pass *j, size_t begin, size_t end, float *x, float *sums)
{
	const size_t block = (size_t)j->k->kc, cols = end - begin;
	struct et_one_pass p = j->p;

	p.cols = cols;
	p.x = x;
	p.dx = sums;
	for (size_t b = 0; b < p.n; b++)
		memcpy(x + b * cols, j->p.x + b * p.ld + begin, cols * sizeof(float));
	for (size_t m = 0; m < j->p.rows; m += block) {
		size_t at = m * p.ld + begin;
		p.rows = et_min(block, j->p.rows - m);
		p.dy = j->p.dy + m * p.n;
		p.w = j->p.w + at;
		p.v = j->p.v ? j->p.v + at : NULL;
		memset(sums, 0, p.n * cols * sizeof(float));
		if (!j->k->one_pass(&p))
			__atomic_store_n(&j->bad, true, __ATOMIC_RELAXED);
		for (size_t b = 0; j->dx && b < p.n; b++) {
			float *out = j->dx + b * p.ld + begin;
			if (m)
				j->k->add(cols, out, sums + b * cols, out);
			else
				memcpy(out, sums + b * cols, cols * sizeof(float));
		}
	}
}

static void pass_columns(void *arg, size_t begin, size_t end, int thread)
{
	struct pass *j = arg;
	float *x = j->strips + (size_t)thread * 2 * j->p.n * j->width;

	for (size_t at = begin; at < end; at += j->width)
		pass_strip(j, at, et_min(at + j->width, end), x, x + j->p.n * j->width);
}

static struct pass open_pass(const struct et_call *c, size_t n)
{
	const size_t outs = (size_t)c->layer->g.k, threads = (size_t)c->x->threads;
	const size_t ins = et_ceil_div((size_t)c->layer->g.c, 64) * 64;
	struct pass j = {.k = c->x->k, .width = et_min(strip_width(n), ins)};

	j.turned = et_arena_alloc(c->work, outs * n, sizeof(float));
	j.strips = et_arena_alloc(c->work, threads * 2 * n * j.width, sizeof(float));
	return j;
}

static bool in_one_pass(const struct et_call *c, const float *x, const float *dy, float *dx,
			float *w, float *v, const struct et_rule *rule)
{
	const size_t outs = (size_t)c->layer->g.k, ins = (size_t)c->layer->g.c, n = (size_t)c->n;
	size_t mark = et_arena_mark(c->work);
	struct pass j = open_pass(c, n);
	float *turned = j.turned;

	j.dx = dx;
	if (!et_measuring(c->work)) {
		for (size_t m = 0; m < outs; m++)
			for (size_t b = 0; b < n; b++)
				turned[m * n + b] = dy[b * outs + m];
		j.p = (struct et_one_pass){.rows = outs,
					   .n = n,
					   .ld = ins,
					   .x = x,
					   .dy = turned,
					   .w = w,
					   .v = v,
					   .lr = rule->lr,
					   .momentum = rule->momentum,
					   .weight_decay = rule->weight_decay,
					   .gscale = 1};
		et_parallel_in(c->x, (size_t)c->x->threads, ins, 64, pass_columns, &j);
	}
	et_arena_release(c->work, mark);
	return !j.bad;
}

static bool step(const struct et_call *c, const float *x, const float *dy, float *dx, float *w,
		 float *v, const struct et_rule *rule)
{
	const struct et_kern *k = c->x->k;
	bool whole = c->layer->g.c % k->vl == 0, fits = whole && c->n <= ONE_PASS_MAX;

	/* The last batch of an epoch may be one of few images: room for that is reserved here. */
	if (whole && !fits) {
		size_t mark = et_arena_mark(c->work);
		open_pass(c, ONE_PASS_MAX);
		et_arena_release(c->work, mark);
	}
	return fits ? in_one_pass(c, x, dy, dx, w, v, rule) : by_blocks(c, x, dy, dx, w, v, rule);
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

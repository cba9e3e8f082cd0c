/*
 * Softmax cross-entropy. Rows go in fixed blocks, each summed on its own; the blocks' sums are
 * joined in their order: the same bits for any number of threads.
 */
#include <math.h>

#include "op/op.h"

struct part {
	double loss;
	size_t correct, rows;
};

struct job {
	const struct et_kern *k;
	const struct et_loss *l;
	size_t rows, block;
	const float *logits;
	const int32_t *label;
	double norm, wsum; /* wsum: of all weights */
	float *dlogits;
	struct part *parts; /* [blocks] */
};

/* At most 1024 blocks of at least 64 rows: a function of the shape alone. */
static size_t block_rows(size_t rows)
{
	return et_max(64, et_ceil_div(rows, 1024));
}

double et_loss_norm(const struct et_loss *l, size_t rows, const int32_t *label)
{
	double norm = 0;
	for (size_t r = 0; r < rows; r++)
		if (label[r] != l->ignore)
			norm += l->weight ? (double)l->weight[label[r]] : 1;
	return norm;
}

/* Whether y is the first of the largest; none is when one of them is NaN. */
static bool first_largest(const float *x, int32_t y, float top)
{
	if (x[y] != top)
		return false;
	for (int32_t j = 0; j < y; j++)
		if (x[j] == top)
			return false;
	return true;
}

/* The sum of w_j * (top - x_j): how far logits lie below the largest. */
static double weighted_depth(const struct et_loss *l, const float *x, float top)
{
	double sum = 0;
	for (int j = 0; j < l->k; j++) {
		double depth = (double)top - (double)x[j];
		sum += l->weight ? (double)l->weight[j] * depth : depth;
	}
	return sum;
}

/*
 * With e_j = exp(x_j - top) and S their sum: -log p_j = log S + top - x_j, p_j = e_j / S. Of
 * l = a * -log p_y + b * sum_j w_j * -log p_j the gradient is (a + b*W) * p_j - b*w_j - [j = y]*a.
 */
static double row_loss(const struct job *j, const float *x, int32_t y, float top, float *dx)
{
	const struct et_loss *l = j->l;
	double s = (double)l->smoothing, wy = l->weight ? (double)l->weight[y] : 1;
	double a = (1 - s) * wy / j->norm, b = s / l->k / j->norm;
	double below = (double)top - (double)x[y];
	double depth = s != 0 ? weighted_depth(l, x, top) : 0;
	double sum = (double)j->k->exp_sum((size_t)l->k, x, top, dx);
	double loss = a * (log(sum) + below);

	if (s != 0)
		loss += b * (j->wsum * log(sum) + depth);
	if (!dx)
		return loss;
	j->k->scale((size_t)l->k, (float)((a + b * j->wsum) / sum), dx, dx);
	if (s != 0 && l->weight)
		j->k->axpy((size_t)l->k, (float)-b, l->weight, dx);
	else if (s != 0)
		for (int i = 0; i < l->k; i++)
			dx[i] -= (float)b;
	dx[y] -= (float)a;
	return loss;
}

static void loss_blocks(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	size_t k = (size_t)j->l->k;
	(void)thread;

	for (size_t b = begin; b < end; b++) {
		struct part part = {0};
		for (size_t r = b * j->block; r < et_min((b + 1) * j->block, j->rows); r++) {
			const float *x = j->logits + r * k;
			float *dx = j->dlogits ? j->dlogits + r * k : NULL;
			int32_t y = j->label[r];
			float top = j->k->row_max(k, x);
			if (y == j->l->ignore) {
				/* No gradient; but 0 * NaN where the softmax is NaN. */
				for (size_t i = 0; dx && i < k; i++)
					dx[i] = top - top;
				continue;
			}
			part.rows++;
			part.correct += first_largest(x, y, top);
			part.loss += row_loss(j, x, y, top, dx);
		}
		j->parts[b] = part;
	}
}

void et_loss_forward(const struct et_ctx *x, const struct et_loss *l, size_t rows,
		     const float *logits, const int32_t *label, double norm, float *dlogits,
		     struct et_loss_sum *sum, struct et_arena *work)
{
	size_t mark = et_arena_mark(work), block = block_rows(rows),
	       blocks = et_ceil_div(rows, block);
	struct job j = {.k = x->k,
			.l = l,
			.rows = rows,
			.block = block,
			.logits = logits,
			.label = label,
			.norm = norm,
			.dlogits = dlogits};

	j.parts = et_arena_alloc(work, blocks, sizeof(*j.parts));
	if (!et_measuring(work)) {
		for (int i = 0; i < l->k; i++)
			j.wsum += l->weight ? (double)l->weight[i] : 1;
		et_parallel(x, blocks, 1, loss_blocks, &j);
		for (size_t b = 0; b < blocks; b++) {
			sum->loss += j.parts[b].loss;
			sum->correct += j.parts[b].correct;
			sum->rows += j.parts[b].rows;
		}
	}
	et_arena_release(work, mark);
}

/* Sums, copies, products and dropout. */
#include <math.h>
#include <string.h>

#include "op/op.h"

struct job {
	const struct et_kern *k;
	const float *a, *b;
	float *y;
	float alpha;
};

static void add_piece(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	(void)thread;
	j->k->add(end - begin, j->a + begin, j->b + begin, j->y + begin);
}

void et_add_forward(const struct et_ctx *x, size_t n, const float *a, const float *b, float *y)
{
	struct job j = {.k = x->k, .a = a, .b = b, .y = y};
	et_parallel(x, n, ET_GRAIN, add_piece, &j);
}

static void copy_piece(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	(void)thread;
	memcpy(j->y + begin, j->a + begin, (end - begin) * sizeof(float));
}

void et_copy(const struct et_ctx *x, size_t n, const float *a, float *y)
{
	struct job j = {.k = x->k, .a = a, .y = y};
	if (a != y)
		et_parallel(x, n, ET_GRAIN, copy_piece, &j);
}

static void scale_piece(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	(void)thread;
	j->k->scale(end - begin, j->alpha, j->a + begin, j->y + begin);
}

void et_scale(const struct et_ctx *x, size_t n, float alpha, const float *a, float *y)
{
	struct job j = {.k = x->k, .alpha = alpha, .a = a, .y = y};
	et_parallel(x, n, ET_GRAIN, scale_piece, &j);
}

/* ---- products -------------------------------------------------------------------------------- */

/* Channels of a gate's gradient that one thread sums at a time. */
#define STRIP 64
/* Rows summed in float before they join the sum in double. */
#define RUN 128

struct mul {
	const struct et_kern *k;
	size_t hw, c;
	const float *a, *b, *dy;
	float *y, *da, *db;
};

static void mul_piece(void *arg, size_t begin, size_t end, int thread)
{
	const struct mul *m = arg;
	(void)thread;
	m->k->mul(end - begin, m->a + begin, m->b + begin, m->y + begin);
}

/* Rows are pixels of all images. */
static void gate_rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct mul *m = arg;
	(void)thread;
	while (begin < end) {
		size_t img = begin / m->hw, stop = et_min((img + 1) * m->hw, end);
		m->k->row_mul(stop - begin, m->c, m->c, m->a + begin * m->c, m->b + img * m->c,
			      m->y + begin * m->c);
		begin = stop;
	}
}

void et_mul_forward(const struct et_ctx *x, int n, size_t hw, int c, bool gate, const float *a,
		    const float *b, float *y)
{
	struct mul m = {.k = x->k, .hw = hw, .c = (size_t)c, .a = a, .b = b, .y = y};
	size_t rows = (size_t)n * hw;

	if (gate)
		et_parallel(x, rows, et_row_grain(m.c), gate_rows, &m);
	else
		et_parallel(x, rows * m.c, ET_GRAIN, mul_piece, &m);
}

/* Both products of a block before either is written: da and db may be a and b. */
static void mul_bwd_piece(void *arg, size_t begin, size_t end, int thread)
{
	const struct mul *m = arg;
	float block[1024];
	(void)thread;

	for (size_t i = begin; i < end; i += ET_COUNT(block)) {
		size_t n = et_min(ET_COUNT(block), end - i);
		if (m->da && !m->db)
			m->k->mul(n, m->dy + i, m->b + i, m->da + i);
		if (!m->db)
			continue;
		if (m->da)
			m->k->mul(n, m->dy + i, m->b + i, block);
		m->k->mul(n, m->dy + i, m->a + i, m->db + i);
		if (m->da)
			memcpy(m->da + i, block, n * sizeof(float));
	}
}

/* Strips of channels, image after image; a strip reads and writes nobody else's channels. */
static void gate_bwd_strips(void *arg, size_t begin, size_t end, int thread)
{
	const struct mul *m = arg;
	size_t strips = et_ceil_div(m->c, STRIP);
	(void)thread;

	for (size_t s = begin; s < end; s++) {
		size_t ch = s % strips * STRIP, len = et_min(STRIP, m->c - ch);
		size_t at = s / strips * m->hw * m->c + ch, gate = s / strips * m->c + ch;
		double total[STRIP] = {0};
		for (size_t r = 0; r < m->hw; r += RUN) {
			size_t rows = et_min(RUN, m->hw - r), i = at + r * m->c;
			float sum[STRIP];
			if (m->db) {
				m->k->col_dot(rows, len, m->c, m->dy + i, m->a + i, sum);
				for (size_t j = 0; j < len; j++)
					total[j] += (double)sum[j];
			}
			if (m->da)
				m->k->row_mul(rows, len, m->c, m->dy + i, m->b + gate, m->da + i);
		}
		for (size_t j = 0; m->db && j < len; j++)
			m->db[gate + j] = (float)total[j];
	}
}

void et_mul_backward(const struct et_ctx *x, int n, size_t hw, int c, bool gate, const float *a,
		     const float *b, const float *dy, float *da, float *db)
{
	struct mul m = {
		.k = x->k, .hw = hw, .c = (size_t)c, .a = a, .b = b, .dy = dy, .da = da, .db = db};

	if (gate)
		et_parallel(x, (size_t)n * et_ceil_div(m.c, STRIP), 1, gate_bwd_strips, &m);
	else
		et_parallel(x, (size_t)n * hw * m.c, ET_GRAIN, mul_bwd_piece, &m);
}

/* ---- dropout --------------------------------------------------------------------------------- */

struct dropout {
	const struct et_kern *k;
	struct et_rng stream; /* key, and a counter whose first word is still to be set */
	uint32_t least;	      /* 24-bit numbers below it are dropped */
	float keep;	      /* 1 / (1-p) */
	size_t first;
	const float *in;
	float *y;
	uint32_t *bits;
};

/* A Philox block serves the four elements 4*g .. 4*g + 3 of the batch. */
static void dropout_piece(void *arg, size_t begin, size_t end, int thread)
{
	const struct dropout *d = arg;
	uint32_t counter[4], number[1024 + 4];
	(void)thread;

	memcpy(counter, d->stream.counter, sizeof(counter));
	for (size_t i = begin; i < end; i += 1024) {
		size_t n = et_min(1024, end - i), e = d->first + i;
		counter[0] = (uint32_t)(e / 4);
		d->k->philox(d->stream.key, counter, et_ceil_div(e % 4 + n, 4), number);
		d->k->drop(n, number + e % 4, d->least, d->keep, d->in + i, d->y + i,
			   d->bits ? d->bits + i / 32 : NULL);
	}
}

void et_dropout_forward(const struct et_ctx *x, float p, uint64_t seed, uint64_t step,
			uint32_t layer, size_t first, size_t n, const float *in, float *y,
			uint32_t *bits)
{
	/* u >= p for u = 24 bits / 2^24 is a comparison of integers; p = 1 drops all. */
	struct dropout d = {.k = x->k,
			    .stream = et_rng_open(seed, ET_STREAM_DROPOUT, step, layer),
			    .least = (uint32_t)ceilf(p * 0x1p24f),
			    .keep = p < 1 ? 1 / (1 - p) : 0,
			    .first = first,
			    .in = in,
			    .y = y,
			    .bits = bits};
	et_parallel(x, n, ET_GRAIN, dropout_piece, &d);
}

/*
 * Resizing as torch.nn.functional.interpolate without align_corners. Indices and weights are
 * computed in float, step by step as PyTorch does it, so that both choose the same pixels.
 */
#include <math.h>
#include <string.h>

#include "op/op.h"

/* One side: `in` pixels to `out`. */
struct side {
	int in, out;
	float scale;
};

/* What output pixel o reads: input lo, and hi with weight `part`, lo with 1 - part. */
struct tap {
	int lo, hi;
	float part;
};

static struct side side_of(int in, int out)
{
	return (struct side){in, out, (float)in / (float)out};
}

static struct tap tap_of(enum et_upsample mode, const struct side *s, int o)
{
	if (s->in == s->out)
		return (struct tap){o, o, 0};
	if (mode == ET_UPSAMPLE_NEAREST) {
		int i = (int)floorf((float)o * s->scale);
		i = i < s->in ? i : s->in - 1;
		return (struct tap){i, i, 0};
	}
	float at = s->scale * ((float)o + 0.5f) - 0.5f;
	at = at > 0 ? at : 0;
	int lo = (int)at;
	if (lo >= s->in - 1)
		return (struct tap){s->in - 1, s->in - 1, 0};
	return (struct tap){lo, lo + 1, at - (float)lo};
}

struct job {
	const struct et_kern *k;
	enum et_upsample mode;
	struct side v, h; /* heights, widths */
	size_t c;
	const float *in;
	float *out;
};

static struct job job_of(const struct et_ctx *x, enum et_upsample mode, int h, int w, int c, int p,
			 int q)
{
	return (struct job){
		.k = x->k, .mode = mode, .v = side_of(h, p), .h = side_of(w, q), .c = (size_t)c};
}

static size_t in_row(const struct job *j)
{
	return (size_t)j->h.in * j->c;
}

static size_t out_row(const struct job *j)
{
	return (size_t)j->h.out * j->c;
}

/* A row whose source is the row before's is copied from it. */
static void nearest_rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	size_t last = 0;
	(void)thread;

	for (size_t r = begin; r < end; r++) {
		struct tap v = tap_of(j->mode, &j->v, (int)(r % (size_t)j->v.out));
		size_t from = r / (size_t)j->v.out * (size_t)j->v.in + (size_t)v.lo;
		float *y = j->out + r * out_row(j);
		if (r > begin && from == last) {
			memcpy(y, y - out_row(j), out_row(j) * sizeof(float));
			continue;
		}
		last = from;
		for (int q = 0; q < j->h.out; q++) {
			size_t i = (size_t)tap_of(j->mode, &j->h, q).lo;
			memcpy(y + (size_t)q * j->c, j->in + from * in_row(j) + i * j->c,
			       j->c * sizeof(float));
		}
	}
}

/* Columns whose taps are computed at a time, for all rows of a piece. */
#define COLS 512

static void bilinear_rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	(void)thread;

	for (int q = 0; q < j->h.out; q += COLS) {
		int lo[COLS], n = j->h.out - q < COLS ? j->h.out - q : COLS;
		float part[COLS];
		for (int i = 0; i < n; i++) {
			struct tap h = tap_of(j->mode, &j->h, q + i);
			lo[i] = h.lo;
			part[i] = h.part;
		}
		for (size_t r = begin; r < end; r++) {
			struct tap v = tap_of(j->mode, &j->v, (int)(r % (size_t)j->v.out));
			const float *img =
				j->in + r / (size_t)j->v.out * (size_t)j->v.in * in_row(j);
			j->k->lerp_row((size_t)n, lo, part, j->h.in, j->c,
				       img + (size_t)v.lo * in_row(j),
				       img + (size_t)v.hi * in_row(j), v.part,
				       j->out + r * out_row(j) + (size_t)q * j->c);
		}
	}
}

void et_upsample_forward(const struct et_ctx *x, enum et_upsample mode, int n, int h, int w, int c,
			 int p, int q, const float *in, float *y)
{
	struct job j = job_of(x, mode, h, w, c, p, q);
	j.in = in;
	j.out = y;
	et_parallel(x, (size_t)n * (size_t)p, et_row_grain(out_row(&j)),
		    mode == ET_UPSAMPLE_NEAREST ? nearest_rows : bilinear_rows, &j);
}

/* ---- backward: each pixel of dx gathers from the outputs that read it ------------------------ */

/* Weights computed at a time; scales beyond that take several passes. */
#define CHUNK 64

/* Moves *o0 and *o1 forward to the outputs [o0, o1) that read pixel i; taps never move back. */
static void readers(const struct job *j, const struct side *s, int i, int *o0, int *o1)
{
	while (*o0 < s->out && tap_of(j->mode, s, *o0).hi < i)
		++*o0;
	while (*o1 < s->out && tap_of(j->mode, s, *o1).lo <= i)
		++*o1;
}

/* Weights with which outputs [o0, o0 + n) read pixel i. */
static void weights(const struct job *j, const struct side *s, int i, int o0, int n, float *w)
{
	for (int k = 0; k < n; k++) {
		struct tap t = tap_of(j->mode, s, o0 + k);
		w[k] = t.lo == i ? 1 - t.part : t.part;
	}
}

static int chunk(int from, int to)
{
	return to - from < CHUNK ? to - from : CHUNK;
}

/* Adds to a row of dx (or begins it) what rows [p0, p0 + rows) of dy give it. */
static void gather_row(const struct job *j, const float *dy, int rows, const float *wrow, bool acc,
		       float *dx)
{
	int q0 = 0, q1 = 0;

	for (int i = 0; i < j->h.in; i++, dx += j->c) {
		readers(j, &j->h, i, &q0, &q1);
		if (q0 >= q1 && !acc)
			memset(dx, 0, j->c * sizeof(float));
		for (int q = q0, n; q < q1; q += n) {
			float wcol[CHUNK];
			n = chunk(q, q1);
			struct et_window w = {.rows = rows,
					      .cols = n,
					      .row = out_row(j),
					      .pixel = j->c,
					      .wrow = wrow,
					      .wcol = wrow ? wcol : NULL,
					      .count = 1};
			if (wrow)
				weights(j, &j->h, i, q, n, wcol);
			j->k->window(&w, j->c, dy + (size_t)q * j->c, acc || q > q0, dx);
		}
	}
}

static void dx_rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	(void)thread;

	for (size_t r = begin; r < end; r++) {
		const float *dy = j->in + r / (size_t)j->v.in * (size_t)j->v.out * out_row(j);
		float *dx = j->out + r * in_row(j);
		int i = (int)(r % (size_t)j->v.in), p0 = 0, p1 = 0;
		readers(j, &j->v, i, &p0, &p1);
		if (p0 >= p1)
			memset(dx, 0, in_row(j) * sizeof(float));
		for (int p = p0, n; p < p1; p += n) {
			float wrow[CHUNK];
			n = chunk(p, p1);
			if (j->mode == ET_UPSAMPLE_BILINEAR)
				weights(j, &j->v, i, p, n, wrow);
			gather_row(j, dy + (size_t)p * out_row(j), n,
				   j->mode == ET_UPSAMPLE_BILINEAR ? wrow : NULL, p > p0, dx);
		}
	}
}

void et_upsample_backward(const struct et_ctx *x, enum et_upsample mode, int n, int h, int w, int c,
			  int p, int q, const float *dy, float *dx)
{
	struct job j = job_of(x, mode, h, w, c, p, q);
	j.in = dy;
	j.out = dx;
	/* Rows of dy that a row of dx reads count as its work. */
	size_t row = out_row(&j) * et_ceil_div((size_t)p, (size_t)h);
	et_parallel(x, (size_t)n * (size_t)h, et_row_grain(row), dx_rows, &j);
}

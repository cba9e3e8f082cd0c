/*
 * Pooling. Threads split rows of the output, or of dx: each pixel of dx gathers from the windows
 * that cover it, in their order, so that no two threads add to the same one.
 */
#include <string.h>

#include "op/op.h"

/* Taps of a window: an index fits in a byte. */
#define TAPS_MAX 255

/* PyTorch's rule; 0 or less when no window fits. Wide integers: the numbers come from a file. */
static int64_t pool_side(int in, int kernel, int stride, int pad, bool ceil_mode)
{
	int64_t room = (int64_t)in + 2 * (int64_t)pad - kernel;
	if (room < 0 && !(ceil_mode && room + stride > 0))
		return 0;
	int64_t out = (room + (ceil_mode ? stride - 1 : 0)) / stride + 1;
	/* The last window must begin inside the picture or its left padding. */
	if (ceil_mode && (out - 1) * stride >= (int64_t)in + pad)
		out--;
	return out;
}

int et_pool_shape(struct et_pool *g, struct et_err *err)
{
	if (g->h < 1 || g->w < 1 || g->c < 1)
		return et_fail(err, ET_EDATA,
			       "pooling needs an input of at least 1x1x1, not %dx%dx%d", g->h, g->w,
			       g->c);
	if (g->kh < 1 || g->kw < 1 || (int64_t)g->kh * g->kw > TAPS_MAX)
		return et_fail(err, ET_EDATA,
			       "a pooling window must have 1 to %d taps, not %dx%d; adaptive and "
			       "global average pooling have no limit",
			       TAPS_MAX, g->kh, g->kw);
	if (g->sh < 1 || g->sw < 1)
		return et_fail(err, ET_EDATA, "a pooling stride must be at least 1, not %dx%d",
			       g->sh, g->sw);
	if (g->ph < 0 || g->pw < 0 || g->ph > g->kh / 2 || g->pw > g->kw / 2)
		return et_fail(err, ET_EDATA,
			       "pooling padding must be 0 to half the window %dx%d, not %dx%d",
			       g->kh, g->kw, g->ph, g->pw);
	int64_t p = pool_side(g->h, g->kh, g->sh, g->ph, g->ceil_mode);
	int64_t q = pool_side(g->w, g->kw, g->sw, g->pw, g->ceil_mode);
	if (p < 1 || q < 1)
		return et_fail(err, ET_EDATA,
			       "pooling window %dx%d does not fit into %dx%d with padding %dx%d",
			       g->kh, g->kw, g->h, g->w, g->ph, g->pw);
	g->p = (int)p;
	g->q = (int)q;
	return ET_OK;
}

struct job {
	const struct et_kern *k;
	const struct et_pool *g;
	struct et_dw_row row;
	const float *in;
	const uint8_t *index_in;
	float *out;
	uint8_t *index;
};

static struct job job_of(const struct et_ctx *x, const struct et_pool *g)
{
	return (struct job){.k = x->k,
			    .g = g,
			    .row = {.c = g->c,
				    .q = g->q,
				    .w = g->w,
				    .kw = g->kw,
				    .sw = g->sw,
				    .pw = g->pw,
				    .dw = 1}};
}

/* Floats of a row of x and of y. */
static size_t x_row(const struct et_pool *g)
{
	return (size_t)g->w * (size_t)g->c;
}

static size_t y_row(const struct et_pool *g)
{
	return (size_t)g->q * (size_t)g->c;
}

static void max_rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const struct et_pool *g = j->g;
	const float *rows[TAPS_MAX];
	(void)thread;

	for (size_t r = begin; r < end; r++) {
		const float *img = j->in + r / (size_t)g->p * (size_t)g->h * x_row(g);
		int top = (int)(r % (size_t)g->p) * g->sh - g->ph;
		for (int a = 0; a < g->kh; a++)
			rows[a] = top + a >= 0 && top + a < g->h
					  ? img + (size_t)(top + a) * x_row(g)
					  : NULL;
		j->k->max_forward(&j->row, g->kh, rows, j->out + r * y_row(g),
				  j->index ? j->index + r * y_row(g) : NULL);
	}
}

void et_maxpool_forward(const struct et_ctx *x, const struct et_pool *g, int n, const float *in,
			float *y, uint8_t *index)
{
	struct job j = job_of(x, g);
	j.in = in;
	j.out = y;
	j.index = index;
	et_parallel(x, (size_t)n * (size_t)g->p, et_row_grain(x_row(g)), max_rows, &j);
}

static void max_dx_rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const struct et_pool *g = j->g;
	const float *rows[TAPS_MAX];
	const uint8_t *index[TAPS_MAX];
	(void)thread;

	for (size_t r = begin; r < end; r++) {
		size_t img = r / (size_t)g->h * (size_t)g->p;
		int i = (int)(r % (size_t)g->h);
		for (int a = 0; a < g->kh; a++) {
			int t = i + g->ph - a;
			bool hit = t >= 0 && t % g->sh == 0 && t / g->sh < g->p;
			size_t at = hit ? (img + (size_t)(t / g->sh)) * y_row(g) : 0;
			rows[a] = hit ? j->in + at : NULL;
			index[a] = hit ? j->index_in + at : NULL;
		}
		j->k->max_backward(&j->row, g->kh, rows, index, j->out + r * x_row(g));
	}
}

void et_maxpool_backward(const struct et_ctx *x, const struct et_pool *g, int n, const float *dy,
			 const uint8_t *index, float *dx)
{
	struct job j = job_of(x, g);
	j.in = dy;
	j.index_in = index;
	j.out = dx;
	et_parallel(x, (size_t)n * (size_t)g->h, et_row_grain(x_row(g)), max_dx_rows, &j);
}

/* ---- average --------------------------------------------------------------------------------- */

/* One side of window o: the pixels [lo, hi) inside, and how many it counts. */
struct span {
	int lo, hi, count;
};

static struct span span_of(int o, int in, int kernel, int stride, int pad, bool include_pad)
{
	int from = o * stride - pad, to = from + kernel;
	/* What ceil_mode adds beyond the right padding is never counted. */
	int padded = (to < in + pad ? to : in + pad) - from;
	struct span s = {from < 0 ? 0 : from, to < in ? to : in, padded};
	if (!include_pad)
		s.count = s.hi - s.lo;
	return s;
}

static struct span row_span(const struct et_pool *g, int o)
{
	return span_of(o, g->h, g->kh, g->sh, g->ph, g->include_pad);
}

static struct span col_span(const struct et_pool *g, int o)
{
	return span_of(o, g->w, g->kw, g->sw, g->pw, g->include_pad);
}

static void avg_rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const struct et_pool *g = j->g;
	size_t c = (size_t)g->c;
	(void)thread;

	for (size_t r = begin; r < end; r++) {
		struct span v = row_span(g, (int)(r % (size_t)g->p));
		const float *top =
			j->in + (r / (size_t)g->p * (size_t)g->h + (size_t)v.lo) * x_row(g);
		for (int q = 0; q < g->q; q++) {
			struct span h = col_span(g, q);
			struct et_window w = {.rows = v.hi - v.lo,
					      .cols = h.hi - h.lo,
					      .row = x_row(g),
					      .pixel = c,
					      .count = (float)(v.count * h.count)};
			j->k->window(&w, c, top + (size_t)h.lo * c, false,
				     j->out + r * y_row(g) + (size_t)q * c);
		}
	}
}

void et_avgpool_forward(const struct et_ctx *x, const struct et_pool *g, int n, const float *in,
			float *y)
{
	struct job j = job_of(x, g);
	j.in = in;
	j.out = y;
	et_parallel(x, (size_t)n * (size_t)g->p, et_row_grain(x_row(g)), avg_rows, &j);
}

/* The first and one past the last of `out` windows that cover pixel i; at most `kernel` of them. */
static void covering(int i, int kernel, int stride, int pad, int out, int *o0, int *o1)
{
	int t = i + pad;
	*o0 = t < kernel ? 0 : (t - kernel) / stride + 1;
	*o1 = t / stride < out ? t / stride + 1 : out;
}

static void avg_dx_rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const struct et_pool *g = j->g;
	size_t c = (size_t)g->c;
	float wrow[TAPS_MAX], wcol[TAPS_MAX];
	(void)thread;

	for (size_t r = begin; r < end; r++) {
		int p0, p1, q0, q1;
		covering((int)(r % (size_t)g->h), g->kh, g->sh, g->ph, g->p, &p0, &p1);
		for (int p = p0; p < p1; p++)
			wrow[p - p0] = 1 / (float)row_span(g, p).count;
		const float *top =
			j->in + (r / (size_t)g->h * (size_t)g->p + (size_t)p0) * y_row(g);
		float *dx = j->out + r * x_row(g);
		for (int i = 0; i < g->w; i++, dx += c) {
			covering(i, g->kw, g->sw, g->pw, g->q, &q0, &q1);
			if (p0 >= p1 || q0 >= q1) {
				memset(dx, 0, c * sizeof(float));
				continue;
			}
			for (int q = q0; q < q1; q++)
				wcol[q - q0] = 1 / (float)col_span(g, q).count;
			struct et_window w = {.rows = p1 - p0,
					      .cols = q1 - q0,
					      .row = y_row(g),
					      .pixel = c,
					      .wrow = wrow,
					      .wcol = wcol,
					      .count = 1};
			j->k->window(&w, c, top + (size_t)q0 * c, false, dx);
		}
	}
}

void et_avgpool_backward(const struct et_ctx *x, const struct et_pool *g, int n, const float *dy,
			 float *dx)
{
	struct job j = job_of(x, g);
	j.in = dy;
	j.out = dx;
	et_parallel(x, (size_t)n * (size_t)g->h, et_row_grain(x_row(g)), avg_dx_rows, &j);
}

/* ---- adaptive average ------------------------------------------------------------------------ */

/* Channels summed at a time, so that even one window of one image keeps all threads busy. */
#define STRIP 64

struct adaptive {
	const struct et_kern *k;
	size_t h, w, c, p, q;
	const float *in;
	float *out;
};

/* Window o of out over in pixels: [floor(o*in/out), ceil((o+1)*in/out)). */
static size_t window_lo(size_t o, size_t in, size_t out)
{
	return o * in / out;
}

static size_t window_hi(size_t o, size_t in, size_t out)
{
	return et_ceil_div((o + 1) * in, out);
}

/* Strips of channels of rows of the output. */
static void adaptive_strips(void *arg, size_t begin, size_t end, int thread)
{
	const struct adaptive *j = arg;
	size_t strips = et_ceil_div(j->c, STRIP);
	(void)thread;

	for (size_t s = begin; s < end; s++) {
		size_t ch = s % strips * STRIP, len = et_min(STRIP, j->c - ch), r = s / strips;
		size_t i0 = window_lo(r % j->p, j->h, j->p), i1 = window_hi(r % j->p, j->h, j->p);
		const float *top = j->in + (r / j->p * j->h + i0) * j->w * j->c + ch;
		for (size_t q = 0; q < j->q; q++) {
			size_t j0 = window_lo(q, j->w, j->q), j1 = window_hi(q, j->w, j->q);
			struct et_window w = {.rows = (int)(i1 - i0),
					      .cols = (int)(j1 - j0),
					      .row = j->w * j->c,
					      .pixel = j->c,
					      .count = (float)((i1 - i0) * (j1 - j0))};
			j->k->window(&w, len, top + j0 * j->c, false,
				     j->out + (r * j->q + q) * j->c + ch);
		}
	}
}

void et_adaptive_forward(const struct et_ctx *x, int n, int h, int w, int c, int p, int q,
			 const float *in, float *y)
{
	struct adaptive j = {.k = x->k,
			     .h = (size_t)h,
			     .w = (size_t)w,
			     .c = (size_t)c,
			     .p = (size_t)p,
			     .q = (size_t)q,
			     .in = in,
			     .out = y};
	et_parallel(x, (size_t)n * j.p * et_ceil_div(j.c, STRIP), 1, adaptive_strips, &j);
}

/*
 * dx pixel i is covered by windows floor(i*p/h) .. ceil((i+1)*p/h): the same formula with the sides
 * exchanged. Windows are few, unless the output is larger than the input.
 */
static void adaptive_dx_rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct adaptive *j = arg;
	(void)thread;

	for (size_t r = begin; r < end; r++) {
		const float *img = j->in + r / j->h * j->p * j->q * j->c;
		size_t p0 = window_lo(r % j->h, j->p, j->h), p1 = window_hi(r % j->h, j->p, j->h);
		for (size_t i = 0; i < j->w; i++) {
			size_t q0 = window_lo(i, j->q, j->w), q1 = window_hi(i, j->q, j->w);
			float *dx = j->out + (r * j->w + i) * j->c;
			for (size_t p = p0; p < p1; p++)
				for (size_t q = q0; q < q1; q++) {
					size_t rows = window_hi(p, j->h, j->p) -
						      window_lo(p, j->h, j->p),
					       cols = window_hi(q, j->w, j->q) -
						      window_lo(q, j->w, j->q);
					struct et_window one = {.rows = 1,
								.cols = 1,
								.count = (float)(rows * cols)};
					j->k->window(&one, j->c, img + (p * j->q + q) * j->c,
						     p > p0 || q > q0, dx);
				}
		}
	}
}

void et_adaptive_backward(const struct et_ctx *x, int n, int h, int w, int c, int p, int q,
			  const float *dy, float *dx)
{
	struct adaptive j = {.k = x->k,
			     .h = (size_t)h,
			     .w = (size_t)w,
			     .c = (size_t)c,
			     .p = (size_t)p,
			     .q = (size_t)q,
			     .in = dy,
			     .out = dx};
	et_parallel(x, (size_t)n * j.h, et_row_grain(j.w * j.c), adaptive_dx_rows, &j);
}

/* The oracle's pooling and resizing. A plane is one channel of one picture: [h,w]. */
#include <math.h>

#include "ref.h"

/*
 * PyTorch: floor or ceil of (in + 2*pad - kernel) / stride, + 1; with ceil the last window must
 * begin inside the picture or its left padding.
 */
static int pool_side(int in, int kernel, int stride, int pad, bool ceil_mode)
{
	double exact = (double)(in + 2 * pad - kernel) / stride;
	int out = (int)(ceil_mode ? ceil(exact) : floor(exact)) + 1;
	if (ceil_mode && (out - 1) * stride >= in + pad)
		out--;
	return out;
}

bool ref_pool_size(struct ref_pool *g)
{
	g->p = pool_side(g->h, g->kh, g->sh, g->ph, g->ceil_mode);
	g->q = pool_side(g->w, g->kw, g->sw, g->pw, g->ceil_mode);
	return g->p > 0 && g->q > 0;
}

/* The largest value of window (p, q) of a plane, and its tap. */
static double window_max(const struct ref_pool *g, const double *x, int p, int q, int *tap)
{
	double best = -INFINITY;

	*tap = -1;
	for (int a = 0; a < g->kh; a++)
		for (int b = 0; b < g->kw; b++) {
			int i = p * g->sh - g->ph + a, j = q * g->sw - g->pw + b;
			if (i < 0 || i >= g->h || j < 0 || j >= g->w)
				continue;
			double v = x[i * g->w + j];
			if (*tap < 0 || v > best || isnan(v)) {
				best = v;
				*tap = a * g->kw + b;
			}
		}
	return best;
}

void ref_maxpool_forward(const struct ref_pool *g, const double *x, struct ref *y, int *index)
{
	size_t o = 0;

	ref_clear(y);
	for (int plane = 0; plane < g->n * g->c; plane++, x += g->h * g->w)
		for (int p = 0; p < g->p; p++)
			for (int q = 0; q < g->q; q++, o++)
				y->v[o] = window_max(g, x, p, q, &index[o]);
}

void ref_maxpool_backward(const struct ref_pool *g, const double *dy, const int *index,
			  struct ref *dx)
{
	size_t o = 0;

	ref_clear(dx);
	for (int plane = 0; plane < g->n * g->c; plane++)
		for (int p = 0; p < g->p; p++)
			for (int q = 0; q < g->q; q++, o++) {
				int i = p * g->sh - g->ph + index[o] / g->kw;
				int j = q * g->sw - g->pw + index[o] % g->kw;
				ref_term(dx, (size_t)((plane * g->h + i) * g->w + j), dy[o]);
			}
}

/* How many the mean of window (p, q) divides by. */
static double avg_count(const struct ref_pool *g, int p, int q)
{
	int inside = 0, padded = 0;
	for (int a = 0; a < g->kh; a++)
		for (int b = 0; b < g->kw; b++) {
			int i = p * g->sh - g->ph + a, j = q * g->sw - g->pw + b;
			inside += i >= 0 && i < g->h && j >= 0 && j < g->w;
			/* What ceil_mode adds beyond the padding is never counted. */
			padded += i < g->h + g->ph && j < g->w + g->pw;
		}
	return g->include_pad ? padded : inside;
}

/* Window (p, q) of a plane: from[y] spread over to[x], or to[y] gathered from[x]. */
static void window_mean(const struct ref_pool *g, int plane, int p, int q, const double *from,
			struct ref *to, bool backward)
{
	size_t y = (size_t)((plane * g->p + p) * g->q + q);
	double count = avg_count(g, p, q);

	for (int a = 0; a < g->kh; a++)
		for (int b = 0; b < g->kw; b++) {
			int i = p * g->sh - g->ph + a, j = q * g->sw - g->pw + b;
			if (i < 0 || i >= g->h || j < 0 || j >= g->w)
				continue;
			size_t x = (size_t)((plane * g->h + i) * g->w + j);
			if (backward)
				ref_term(to, x, from[y] / count);
			else
				ref_term(to, y, from[x] / count);
		}
}

static void avgpool(const struct ref_pool *g, const double *from, struct ref *to, bool backward)
{
	ref_clear(to);
	for (int plane = 0; plane < g->n * g->c; plane++)
		for (int p = 0; p < g->p; p++)
			for (int q = 0; q < g->q; q++)
				window_mean(g, plane, p, q, from, to, backward);
}

void ref_avgpool_forward(const struct ref_pool *g, const double *x, struct ref *y)
{
	avgpool(g, x, y, false);
}

void ref_avgpool_backward(const struct ref_pool *g, const double *dy, struct ref *dx)
{
	avgpool(g, dy, dx, true);
}

static void adaptive(int nc, int h, int w, int p, int q, const double *from, struct ref *to,
		     bool backward)
{
	ref_clear(to);
	for (int y = 0; y < nc * p * q; y++) {
		int plane = y / (p * q), i = y / q % p, j = y % q;
		int i0 = (int)floor((double)i * h / p), i1 = (int)ceil((double)(i + 1) * h / p);
		int j0 = (int)floor((double)j * w / q), j1 = (int)ceil((double)(j + 1) * w / q);
		double count = (double)(i1 - i0) * (j1 - j0);
		for (int a = i0; a < i1; a++)
			for (int b = j0; b < j1; b++) {
				int x = (plane * h + a) * w + b;
				if (backward)
					ref_term(to, (size_t)x, from[y] / count);
				else
					ref_term(to, (size_t)y, from[x] / count);
			}
	}
}

void ref_adaptive_forward(int nc, int h, int w, int p, int q, const double *x, struct ref *y)
{
	adaptive(nc, h, w, p, q, x, y, false);
}

void ref_adaptive_backward(int nc, int h, int w, int p, int q, const double *dy, struct ref *dx)
{
	adaptive(nc, h, w, p, q, dy, dx, true);
}

/* floor(i * in/out), the ratio and the product in float: a whole number can come out as the one
 * below, in PyTorch and so here. */
static int nearest_at(int i, int in, int out)
{
	float scale = (float)in / (float)out;
	int at = (int)floorf((float)i * scale);
	return at < in ? at : in - 1;
}

static void nearest(int nc, int h, int w, int p, int q, const double *from, struct ref *to,
		    bool backward)
{
	ref_clear(to);
	for (int y = 0; y < nc * p * q; y++) {
		int plane = y / (p * q), i = nearest_at(y / q % p, h, p),
		    j = nearest_at(y % q, w, q);
		int x = (plane * h + i) * w + j;
		if (backward)
			ref_term(to, (size_t)x, from[y]);
		else
			ref_term(to, (size_t)y, from[x]);
	}
}

void ref_nearest_forward(int nc, int h, int w, int p, int q, const double *x, struct ref *y)
{
	nearest(nc, h, w, p, q, x, y, false);
}

void ref_nearest_backward(int nc, int h, int w, int p, int q, const double *dy, struct ref *dx)
{
	nearest(nc, h, w, p, q, dy, dx, true);
}

/*
 * The centre of output pixel i lies at (i + 1/2) * in/out - 1/2 of the input, at least 0: between
 * pixel lo and the next one (or the last again), `part` of the way.
 */
static void between(int i, int in, int out, int *lo, int *hi, double *part)
{
	double at = (i + 0.5) * in / out - 0.5;
	if (at < 0)
		at = 0;
	*lo = (int)floor(at);
	*hi = *lo + 1 < in ? *lo + 1 : in - 1;
	*part = at - *lo;
}

/* to[t] gets a share of a value that lies about `at` pixels from the corner. */
static void share_of(struct ref *to, size_t t, double share, double from, double at)
{
	/* A share that is 0, or is only not so by rounding, need not pass a NaN on. */
	if (share < 1e-6 && isnan(from))
		return;
	ref_term(to, t, share * from);
	/* The place is rounded as well, to eps * at of the way from pixel to pixel. */
	to->mag[t] += fabs(from) * at;
}

static void bilinear(int nc, int h, int w, int p, int q, const double *from, struct ref *to,
		     bool backward)
{
	ref_clear(to);
	for (int y = 0; y < nc * p * q; y++) {
		int plane = y / (p * q), r[2], c[2];
		double down, right;
		between(y / q % p, h, p, &r[0], &r[1], &down);
		between(y % q, w, q, &c[0], &c[1], &right);
		for (int tap = 0; tap < 4; tap++) {
			int a = tap / 2, b = tap % 2;
			double share = (a ? down : 1 - down) * (b ? right : 1 - right);
			int x = (plane * h + r[a]) * w + c[b];
			if (backward)
				share_of(to, (size_t)x, share, from[y], r[0] + c[0] + 1);
			else
				share_of(to, (size_t)y, share, from[x], r[0] + c[0] + 1);
		}
	}
}

void ref_bilinear_forward(int nc, int h, int w, int p, int q, const double *x, struct ref *y)
{
	bilinear(nc, h, w, p, q, x, y, false);
}

void ref_bilinear_backward(int nc, int h, int w, int p, int q, const double *dy, struct ref *dx)
{
	bilinear(nc, h, w, p, q, dy, dx, true);
}

/* The oracle of the gradient modes, term by term from their definitions. */
#include "ref_mode.h"

/* Row-major offset in [.,d1,d2,d3]. */
static size_t at4(int i0, int d1, int i1, int d2, int i2, int d3, int i3)
{
	return (((size_t)i0 * (size_t)d1 + (size_t)i1) * (size_t)d2 + (size_t)i2) * (size_t)d3 +
	       (size_t)i3;
}

/* ceil(a / 2), of negative numbers too. */
static int half_up(int a)
{
	return (int)ceil(a / 2.0);
}

static struct ref_filter_side side_of(int in, int out, int kernel, int stride, int dilation, int r)
{
	struct ref_filter_side s = {.grid = (out + r - 1) / r, .r = r, .stride = stride};

	s.before_in = half_up(s.grid * r * stride - in);
	s.before_out = half_up(s.grid * r - out);
	s.keep = dilation > 1 && dilation >= r;
	if (s.keep) {
		s.e = dilation / r;
		s.before_tap = s.e * (kernel - 1) / 2;
	}
	return s;
}

/* A filtered convolution with its two sides. */
struct filter {
	const struct ref_conv *g;
	struct ref_filter_side rows, cols;
	const double *x, *w;
	struct ref *dx, *dw;
};

static struct filter filter_of(const struct ref_conv *g, int r)
{
	struct filter f = {.g = g};
	f.rows = side_of(g->h, g->p, g->kh, g->sh, g->dh, r);
	f.cols = side_of(g->w, g->q, g->kw, g->sw, g->dw, r);
	return f;
}

void ref_filter_sides(const struct ref_conv *g, int r, struct ref_filter_side *rows,
		      struct ref_filter_side *cols)
{
	struct filter f = filter_of(g, r);
	*rows = f.rows;
	*cols = f.cols;
}

/* first <= element < last: those of n elements that a patch has. */
struct span {
	int first, last;
};

static struct span span_of(int patch, int size, int before, int n)
{
	struct span s = {patch * size - before, (patch + 1) * size - before};
	s.first = s.first < 0 ? 0 : s.first;
	s.last = s.last > n ? n : s.last;
	return s;
}

static struct span inputs(const struct ref_filter_side *s, int patch, int n)
{
	return span_of(patch, s->r * s->stride, s->before_in, n);
}

static struct span outputs(const struct ref_filter_side *s, int patch, int n)
{
	return span_of(patch, s->r, s->before_out, n);
}

struct value {
	double v, mag;
};

static void put(struct ref *out, size_t i, struct value t)
{
	out->v[i] += t.v;
	out->mag[i] += t.mag;
}

static struct value times(struct value a, double b)
{
	return (struct value){a.v * b, a.mag * fabs(b)};
}

/* Over the rows and columns of one plane. */
static struct value patch_sum(const double *plane, int width, struct span rows, struct span cols)
{
	struct value s = {0, 0};
	for (int i = rows.first; i < rows.last; i++)
		for (int j = cols.first; j < cols.last; j++) {
			double t = plane[(size_t)i * (size_t)width + (size_t)j];
			s.v += t;
			s.mag += fabs(t);
		}
	return s;
}

static struct value x_sum(const struct filter *f, const double *x, int nc, int i, int j)
{
	const struct ref_conv *g = f->g;
	return patch_sum(x + at4(0, 0, nc, g->h, 0, g->w, 0), g->w, inputs(&f->rows, i, g->h),
			 inputs(&f->cols, j, g->w));
}

static struct value dy_mean(const struct filter *f, const double *dy, int nk, int i, int j)
{
	const struct ref_conv *g = f->g;
	struct span v = outputs(&f->rows, i, g->p), h = outputs(&f->cols, j, g->q);
	double count = (v.last - v.first) * (h.last - h.first);
	struct value s = patch_sum(dy + at4(0, 0, nk, g->p, 0, g->q, 0), g->q, v, h);
	return (struct value){s.v / count, s.mag / count};
}

void ref_filter_sums(const struct ref_conv *g, int r, const double *x, struct ref *xs)
{
	struct filter f = filter_of(g, r);
	ref_clear(xs);
	for (int nc = 0; nc < g->n * g->c; nc++)
		for (int i = 0; i < f.rows.grid; i++)
			for (int j = 0; j < f.cols.grid; j++)
				put(xs, at4(0, 0, nc, f.rows.grid, i, f.cols.grid, j),
				    x_sum(&f, x, nc, i, j));
}

void ref_filter_means(const struct ref_conv *g, int r, const double *dy, struct ref *gm)
{
	struct filter f = filter_of(g, r);
	ref_clear(gm);
	for (int nk = 0; nk < g->n * g->k; nk++)
		for (int i = 0; i < f.rows.grid; i++)
			for (int j = 0; j < f.cols.grid; j++)
				put(gm, at4(0, 0, nk, f.rows.grid, i, f.cols.grid, j),
				    dy_mean(&f, dy, nk, i, j));
}

/* The patch that tap `tap` of the outputs of `patch` reaches among the inputs; may be outside. */
static int reached(const struct ref_filter_side *s, int patch, int tap)
{
	return s->keep ? patch + s->e * tap - s->before_tap : patch;
}

/* Adds t to every pixel of input patch (i, j). */
static void spread(const struct filter *f, int nc, int i, int j, struct value t)
{
	const struct ref_conv *g = f->g;
	if (i < 0 || i >= f->rows.grid || j < 0 || j >= f->cols.grid)
		return;
	struct span v = inputs(&f->rows, i, g->h), h = inputs(&f->cols, j, g->w);
	for (int y = v.first; y < v.last; y++)
		for (int z = h.first; z < h.last; z++)
			put(f->dx, at4(0, 0, nc, g->h, y, g->w, z), t);
}

/* What dy's mean m over patch (i, j) of channel k does with input channel c of its group. */
static void one_pair(const struct filter *f, int n, int k, int c, int i, int j, struct value m)
{
	const struct ref_conv *g = f->g;
	int cg = g->c / g->groups, nc = n * g->c + k / (g->k / g->groups) * cg + c;
	struct value xs = {0, 0};

	if (f->dw)
		xs = x_sum(f, f->x, nc, i, j);
	for (int a = 0; a < g->kh; a++)
		for (int b = 0; b < g->kw; b++) {
			size_t tap = at4(k, cg, c, g->kh, a, g->kw, b);
			if (f->dw)
				put(f->dw, tap, (struct value){m.v * xs.v, m.mag * xs.mag});
			if (f->dx)
				spread(f, nc, reached(&f->rows, i, a), reached(&f->cols, j, b),
				       times(m, f->w[tap]));
		}
}

void ref_filter_backward(const struct ref_conv *g, int r, bool paper, const double *x,
			 const double *w, const double *dy, struct ref *dx, struct ref *dw)
{
	struct filter f = filter_of(g, r);
	double scale = paper ? 1 : 1.0 / (g->sh * g->sw);

	f.x = x;
	f.w = w;
	f.dx = dx;
	f.dw = dw;
	if (dx)
		ref_clear(dx);
	if (dw)
		ref_clear(dw);
	for (int nk = 0; nk < g->n * g->k; nk++)
		for (int i = 0; i < f.rows.grid; i++)
			for (int j = 0; j < f.cols.grid; j++) {
				struct value m = times(dy_mean(&f, dy, nk, i, j), scale);
				for (int c = 0; c < g->c / g->groups; c++)
					one_pair(&f, nk / g->k, nk % g->k, c, i, j, m);
			}
}

/* ---- the sign-symmetric family --------------------------------------------------------------- */

int ref_fan_in(const struct ref_conv *g)
{
	return g->c / g->groups * g->kh * g->kw;
}

double ref_sign_bound(int fan_in)
{
	return sqrt(6.0 / fan_in);
}

void ref_signs(size_t n, int fan_in, const double *w, const double *m, struct ref *b)
{
	ref_clear(b);
	for (size_t i = 0; i < n; i++) {
		double magnitude = m ? m[i] : sqrt(2.0 / fan_in);
		ref_term(b, i, w[i] > 0 ? magnitude : w[i] < 0 ? -magnitude : w[i]);
	}
}

double ref_match_w(size_t n, const double *w, const double *m)
{
	double ww = 0, bb = 0;
	for (size_t i = 0; i < n; i++) {
		ww += w[i] * w[i];
		bb += w[i] == 0 ? 0 : m[i] * m[i];
	}
	return sqrt(ww / bb);
}

/* ---- stochastic pruning ---------------------------------------------------------------------- */

double ref_prune_theta(double p)
{
	/* P(|z| < t) = erf(t / sqrt(2)) rises with t; it is 1 in double beyond 9. */
	double lo = 0, hi = 9;
	for (int i = 0; i < 100; i++) {
		double t = (lo + hi) / 2;
		if (erf(t / sqrt(2)) < p)
			lo = t;
		else
			hi = t;
	}
	return hi;
}

double ref_prune(size_t n, double p, const double *dy, const double *u, struct ref *out,
		 bool *close)
{
	const double near = 1e-5;
	double sum = 0;

	ref_clear(out);
	for (size_t i = 0; i < n; i++)
		sum += fabs(dy[i]);
	double tau = p > 0 ? ref_prune_theta(p) * sum / (double)n : 0;
	for (size_t i = 0; i < n; i++) {
		double size = fabs(dy[i]);
		bool below = size < tau, chosen = u[i] < size / tau;
		if (close)
			close[i] = fabs(size - tau) <= near * tau ||
				   (below && fabs(u[i] - size / tau) <= near);
		ref_term(out, i, !below ? dy[i] : !chosen ? 0 : dy[i] > 0 ? tau : -tau);
	}
	return tau;
}

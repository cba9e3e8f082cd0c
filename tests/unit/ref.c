/* The oracle's sums: convolution, batch norm, activations, loss. Pooling is in ref_pool.c. */
#include <math.h>

#include "ref.h"

/* Row-major offset in [.,d1,d2,d3]. */
static size_t at4(int i0, int d1, int i1, int d2, int i2, int d3, int i3)
{
	return (((size_t)i0 * (size_t)d1 + (size_t)i1) * (size_t)d2 + (size_t)i2) * (size_t)d3 +
	       (size_t)i3;
}

bool ref_conv_size(struct ref_conv *g)
{
	/* The kernel covers (kh - 1) * dh + 1 rows of the padded picture, at every sh-th place. */
	int rows = g->h + 2 * g->ph - ((g->kh - 1) * g->dh + 1);
	int cols = g->w + 2 * g->pw - ((g->kw - 1) * g->dw + 1);
	if (rows < 0 || cols < 0)
		return false;
	g->p = rows / g->sh + 1;
	g->q = cols / g->sw + 1;
	return true;
}

typedef void product_fn(void *arg, size_t y, size_t x, size_t w);

/* The products that make up output (n, k, p, q): product() gets the offsets of all three. */
static void one_output(const struct ref_conv *g, int n, int k, int p, int q, product_fn *product,
		       void *arg)
{
	int cg = g->c / g->groups, kg = g->k / g->groups;
	size_t y = at4(n, g->k, k, g->p, p, g->q, q);

	for (int c = 0; c < cg; c++)
		for (int a = 0; a < g->kh; a++)
			for (int b = 0; b < g->kw; b++) {
				int i = p * g->sh - g->ph + a * g->dh;
				int j = q * g->sw - g->pw + b * g->dw;
				if (i < 0 || i >= g->h || j < 0 || j >= g->w)
					continue;
				size_t x = at4(n, g->c, k / kg * cg + c, g->h, i, g->w, j);
				product(arg, y, x, at4(k, cg, c, g->kh, a, g->kw, b));
			}
}

static void conv_products(const struct ref_conv *g, product_fn *product, void *arg)
{
	for (int n = 0; n < g->n; n++)
		for (int k = 0; k < g->k; k++)
			for (int p = 0; p < g->p; p++)
				for (int q = 0; q < g->q; q++)
					one_output(g, n, k, p, q, product, arg);
}

struct conv_sum {
	const double *a, *b;
	struct ref *out;
};

static void product_y(void *arg, size_t y, size_t x, size_t w)
{
	struct conv_sum *s = arg;
	ref_term(s->out, y, s->a[x] * s->b[w]);
}

static void product_dx(void *arg, size_t y, size_t x, size_t w)
{
	struct conv_sum *s = arg;
	ref_term(s->out, x, s->a[y] * s->b[w]);
}

static void product_dw(void *arg, size_t y, size_t x, size_t w)
{
	struct conv_sum *s = arg;
	ref_term(s->out, w, s->a[x] * s->b[y]);
}

void ref_conv_forward(const struct ref_conv *g, const double *x, const double *w,
		      const double *bias, struct ref *y)
{
	struct conv_sum s = {x, w, y};
	ref_clear(y);
	conv_products(g, product_y, &s);
	for (size_t i = 0; bias && i < y->n; i++)
		ref_term(y, i, bias[i / (size_t)(g->p * g->q) % (size_t)g->k]);
}

void ref_conv_dx(const struct ref_conv *g, const double *dy, const double *w, struct ref *dx)
{
	struct conv_sum s = {dy, w, dx};
	ref_clear(dx);
	conv_products(g, product_dx, &s);
}

void ref_conv_dw(const struct ref_conv *g, const double *x, const double *dy, struct ref *dw)
{
	struct conv_sum s = {x, dy, dw};
	ref_clear(dw);
	conv_products(g, product_dw, &s);
}

void ref_conv_db(const struct ref_conv *g, const double *dy, struct ref *db)
{
	size_t hw = (size_t)(g->p * g->q), n = (size_t)g->n * (size_t)g->k * hw;
	ref_clear(db);
	for (size_t i = 0; i < n; i++)
		ref_term(db, i / hw % (size_t)g->k, dy[i]);
}

void ref_epilogue(int n, int c, int hw, const double *scale, const double *shift,
		  const double *residual, enum ref_act act, struct ref *y)
{
	for (size_t i = 0; i < (size_t)n * (size_t)c * (size_t)hw; i++) {
		size_t ch = i / (size_t)hw % (size_t)c;
		if (scale) {
			y->v[i] *= scale[ch];
			y->mag[i] *= fabs(scale[ch]);
		}
		if (shift)
			ref_term(y, i, shift[ch]);
		if (residual)
			ref_term(y, i, residual[i]);
		y->v[i] = ref_act(act, y->v[i]);
	}
}

void ref_bn_stats(int n, int c, int hw, const double *x, struct ref *mean, struct ref *var)
{
	size_t all = (size_t)n * (size_t)c * (size_t)hw;
	double m = (double)n * hw;

	ref_clear(mean);
	ref_clear(var);
	for (size_t i = 0; i < all; i++)
		ref_term(mean, i / (size_t)hw % (size_t)c, x[i] / m);
	for (size_t i = 0; i < all; i++) {
		size_t ch = i / (size_t)hw % (size_t)c;
		ref_term(var, ch, pow(x[i] - mean->v[ch], 2) / m);
	}
}

void ref_bn_forward(int n, int c, int hw, const double *x, const double *mean, const double *invstd,
		    const double *gamma, const double *beta, struct ref *y)
{
	ref_clear(y);
	for (size_t i = 0; i < (size_t)n * (size_t)c * (size_t)hw; i++) {
		size_t ch = i / (size_t)hw % (size_t)c;
		ref_term(y, i, x[i] * invstd[ch] * gamma[ch]);
		ref_term(y, i, -mean[ch] * invstd[ch] * gamma[ch]);
		ref_term(y, i, beta[ch]);
	}
}

void ref_bn_backward(int n, int c, int hw, const double *x, const double *dy, const double *mean,
		     const double *invstd, const double *gamma, bool batch, struct ref *dx,
		     struct ref *dgamma, struct ref *dbeta)
{
	size_t all = (size_t)n * (size_t)c * (size_t)hw;
	double m = (double)n * hw;

	ref_clear(dx);
	ref_clear(dgamma);
	ref_clear(dbeta);
	for (size_t ch = 0; ch < (size_t)c; ch++) {
		double s = invstd[ch], mu = mean[ch], dvar = 0, dmu = 0, dvar_mag = 0, dmu_mag = 0;
		for (size_t i = 0; i < all; i++) {
			if (i / (size_t)hw % (size_t)c != ch)
				continue;
			double dxhat = dy[i] * gamma[ch];
			dgamma->v[ch] += dy[i] * (x[i] - mu) * s;
			dgamma->mag[ch] += fabs(dy[i]) * (fabs(x[i]) + fabs(mu)) * s;
			ref_term(dbeta, ch, dy[i]);
			/* y = xhat*gamma + beta, xhat = (x - mu) * (var + eps)^(-1/2) */
			dvar += dxhat * (x[i] - mu) * -0.5 * s * s * s;
			dvar_mag += fabs(dxhat) * (fabs(x[i]) + fabs(mu)) * 0.5 * s * s * s;
			dmu += -dxhat * s;
			dmu_mag += fabs(dxhat) * s;
		}
		/* var = sum (x - mu)^2 / m has no gradient to mu: sum (x - mu) is 0. */
		for (size_t i = 0; i < all; i++) {
			if (i / (size_t)hw % (size_t)c != ch)
				continue;
			ref_term(dx, i, dy[i] * gamma[ch] * s);
			if (!batch)
				continue;
			dx->v[i] += dvar * 2 * (x[i] - mu) / m + dmu / m;
			dx->mag[i] += dvar_mag * 2 * (fabs(x[i]) + fabs(mu)) / m + dmu_mag / m;
		}
	}
}

double ref_act(enum ref_act act, double x)
{
	if (isnan(x))
		return x;
	switch (act) {
	case REF_RELU:
		return x > 0 ? x : 0;
	case REF_RELU6:
		return x > 6 ? 6 : x > 0 ? x : 0;
	case REF_HARDSWISH:
		return x <= -3 ? 0 : x >= 3 ? x : x * (x + 3) / 6;
	case REF_SIGMOID:
		return 1 / (1 + exp(-x));
	default:
		return x;
	}
}

double ref_act_slope(enum ref_act act, double x)
{
	double y;
	switch (act) {
	case REF_RELU:
		return x > 0;
	case REF_RELU6:
		return x > 0 && x < 6;
	case REF_HARDSWISH:
		return x < -3 ? 0 : x > 3 ? 1 : x / 3 + 0.5;
	case REF_SIGMOID:
		y = 1 / (1 + exp(-x));
		return y * (1 - y);
	default:
		return 1;
	}
}

void ref_mul_forward(int n, int c, int hw, bool gate, const double *a, const double *b,
		     struct ref *y)
{
	ref_clear(y);
	for (size_t i = 0; i < (size_t)n * (size_t)c * (size_t)hw; i++)
		ref_term(y, i, a[i] * b[gate ? i / (size_t)hw : i]);
}

void ref_mul_backward(int n, int c, int hw, bool gate, const double *a, const double *b,
		      const double *dy, struct ref *da, struct ref *db)
{
	ref_clear(da);
	ref_clear(db);
	for (size_t i = 0; i < (size_t)n * (size_t)c * (size_t)hw; i++) {
		size_t j = gate ? i / (size_t)hw : i;
		ref_term(da, i, dy[i] * b[j]);
		ref_term(db, j, dy[i] * a[i]);
	}
}

double ref_loss_norm(const struct ref_loss *l, size_t rows, const int *label)
{
	double sum = 0;
	for (size_t r = 0; r < rows; r++)
		if (label[r] != l->ignore)
			sum += l->weight ? l->weight[label[r]] : 1;
	return sum;
}

void ref_loss_forward(const struct ref_loss *l, size_t rows, const double *logits, const int *label,
		      double norm, struct ref *loss, struct ref *dlogits, size_t *correct,
		      size_t *used)
{
	const int k = l->k;

	ref_clear(loss);
	ref_clear(dlogits);
	*correct = *used = 0;
	for (size_t r = 0; r < rows; r++, logits += k) {
		if (label[r] == l->ignore)
			continue;
		int best = 0;
		double sum = 0;
		for (int j = 0; j < k; j++) {
			if (logits[j] > logits[best])
				best = j;
			if (isnan(logits[j]))
				sum = NAN;
		}
		for (int j = 0; j < k; j++)
			sum += exp(logits[j] - logits[best]);
		*used += 1;
		*correct += best == label[r];

		/* The loss of the row is sum_j t_j * -log p_j; d/dz_j = p_j * sum_i t_i - t_j. */
		double all = 0;
		for (int j = 0; j < k; j++) {
			double w = l->weight ? l->weight[j] : 1;
			double t =
				l->smoothing / k * w + (j == label[r] ? (1 - l->smoothing) * w : 0);
			double z = logits[j] - logits[best];
			all += t;
			loss->v[0] += t * (log(sum) - z) / norm;
			loss->mag[0] += t * (log(sum) + fabs(z) + 1) / norm;
			ref_term(dlogits, r * (size_t)k + (size_t)j, -t / norm);
		}
		for (int j = 0; j < k; j++) {
			size_t i = r * (size_t)k + (size_t)j;
			double z = logits[j] - logits[best], p = exp(z) / sum;
			dlogits->v[i] += p * all / norm;
			/* An error of eps * z in the exponent is one of that size in p. */
			dlogits->mag[i] += p * all / norm * (1 + fabs(z));
		}
	}
}

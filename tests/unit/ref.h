/*
 * The oracle: every operator written down from its definition, in double, in plain loops, for
 * reading and not for speed. It shares nothing with lib/, not even the layout: tensors are
 * PyTorch's [n,c,h,w], weights [k,c/groups,kh,kw].
 *
 * Beside each result v stands mag, the sum of the absolute values of the terms it is the sum of, so
 * that a float computation of the same sum may be off by a few eps * mag and no more.
 */
#ifndef TEST_REF_H
#define TEST_REF_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct ref {
	size_t n;
	double *v, *mag;
};

static inline void ref_clear(struct ref *r)
{
	memset(r->v, 0, r->n * sizeof(double));
	memset(r->mag, 0, r->n * sizeof(double));
}

static inline void ref_term(struct ref *r, size_t i, double t)
{
	r->v[i] += t;
	r->mag[i] += fabs(t);
}

/* ---- convolution ----------------------------------------------------------------------------- */

struct ref_conv {
	int n, c, h, w;
	int k, kh, kw, sh, sw, ph, pw, dh, dw, groups;
	int p, q; /* by ref_conv_size() */
};

/* false when the output would be empty */
bool ref_conv_size(struct ref_conv *g);
/* y[n,k,p,q] of x[n,c,h,w], weights [k,c/groups,kh,kw], bias [k] or NULL */
void ref_conv_forward(const struct ref_conv *g, const double *x, const double *w,
		      const double *bias, struct ref *y);
void ref_conv_dx(const struct ref_conv *g, const double *dy, const double *w, struct ref *dx);
void ref_conv_dw(const struct ref_conv *g, const double *x, const double *dy, struct ref *dw);
void ref_conv_db(const struct ref_conv *g, const double *dy, struct ref *db);

/* y = act(y * scale[ch] + shift[ch] + residual), where not NULL; act as in ref_act */
enum ref_act { REF_NONE, REF_RELU, REF_RELU6, REF_HARDSWISH, REF_SIGMOID };
void ref_epilogue(int n, int c, int hw, const double *scale, const double *shift,
		  const double *residual, enum ref_act act, struct ref *y);

/* ---- batch norm over x[n,c,hw] --------------------------------------------------------------- */

void ref_bn_stats(int n, int c, int hw, const double *x, struct ref *mean, struct ref *var);
/* y = (x - mean) * invstd * gamma + beta */
void ref_bn_forward(int n, int c, int hw, const double *x, const double *mean, const double *invstd,
		    const double *gamma, const double *beta, struct ref *y);
/* batch: mean and invstd are x's own and pass gradients; else constants. Step by step by the chain
 * rule: through xhat, then var, then mean. */
void ref_bn_backward(int n, int c, int hw, const double *x, const double *dy, const double *mean,
		     const double *invstd, const double *gamma, bool batch, struct ref *dx,
		     struct ref *dgamma, struct ref *dbeta);

/* ---- element by element ---------------------------------------------------------------------- */

double ref_act(enum ref_act act, double x);
/* d act / d x from x, at the corners as PyTorch has it; hardswish's as its scalar loop has it */
double ref_act_slope(enum ref_act act, double x);
/* y = a * b; b [n,c] when gate, else of a's shape [n,c,hw] */
void ref_mul_forward(int n, int c, int hw, bool gate, const double *a, const double *b,
		     struct ref *y);
void ref_mul_backward(int n, int c, int hw, bool gate, const double *a, const double *b,
		      const double *dy, struct ref *da, struct ref *db);

/* ---- pooling --------------------------------------------------------------------------------- */

struct ref_pool {
	int n, c, h, w, kh, kw, sh, sw, ph, pw;
	bool ceil_mode, include_pad;
	int p, q; /* by ref_pool_size() */
};

bool ref_pool_size(struct ref_pool *g);
/* index: a*kw + b of the first maximum, or of the last NaN, as PyTorch's loop leaves it */
void ref_maxpool_forward(const struct ref_pool *g, const double *x, struct ref *y, int *index);
void ref_maxpool_backward(const struct ref_pool *g, const double *dy, const int *index,
			  struct ref *dx);
void ref_avgpool_forward(const struct ref_pool *g, const double *x, struct ref *y);
void ref_avgpool_backward(const struct ref_pool *g, const double *dy, struct ref *dx);
/* from h x w to p x q: mean over floor(i*h/p) .. ceil((i+1)*h/p) */
void ref_adaptive_forward(int nc, int h, int w, int p, int q, const double *x, struct ref *y);
void ref_adaptive_backward(int nc, int h, int w, int p, int q, const double *dy, struct ref *dx);

/* ---- resizing from h x w to p x q, align_corners=False --------------------------------------- */

void ref_nearest_forward(int nc, int h, int w, int p, int q, const double *x, struct ref *y);
void ref_nearest_backward(int nc, int h, int w, int p, int q, const double *dy, struct ref *dx);
void ref_bilinear_forward(int nc, int h, int w, int p, int q, const double *x, struct ref *y);
void ref_bilinear_backward(int nc, int h, int w, int p, int q, const double *dy, struct ref *dx);

/* ---- softmax cross-entropy over rows of k logits --------------------------------------------- */

struct ref_loss {
	int k, ignore;
	double smoothing;
	const double *weight; /* [k] or NULL */
};

double ref_loss_norm(const struct ref_loss *l, size_t rows, const int *label);
/* loss has one element; correct counts rows whose first largest logit is the label */
void ref_loss_forward(const struct ref_loss *l, size_t rows, const double *logits, const int *label,
		      double norm, struct ref *loss, struct ref *dlogits, size_t *correct,
		      size_t *used);

#endif

/* The oracle of the gradient modes: as ref.h, in double, plain loops, sharing nothing with lib/. */
#ifndef TEST_REF_MODE_H
#define TEST_REF_MODE_H

#include "ref.h"

/* ---- gradient filtering ---------------------------------------------------------------------- */

/*
 * One side (rows or columns) of a filtered convolution: `grid` patches, each r outputs and
 * r * stride inputs long. The grid is laid over both centrally: patch 0 begins before_out elements
 * before the first output and before_in before the first input; where a grid is shorter than its
 * side, the number is negative and the elements outside belong to no patch.
 *
 * keep: this side is dilated (by 2 or more) and by at least r, so that tap a reaches
 * `e * a - before_tap` patches further; otherwise all taps meet the same patch. An even kernel has
 * no centre: half a patch is rounded down.
 */
struct ref_filter_side {
	int grid, r, stride, before_in, before_out;
	bool keep;
	int e, before_tap;
};

void ref_filter_sides(const struct ref_conv *g, int r, struct ref_filter_side *rows,
		      struct ref_filter_side *cols);

/* xs[n,c,rows.grid,cols.grid]: the sum of x over each patch; nothing counts beyond the picture. */
void ref_filter_sums(const struct ref_conv *g, int r, const double *x, struct ref *xs);
/* gm[n,k,rows.grid,cols.grid]: the mean of dy over what of each patch lies inside. */
void ref_filter_means(const struct ref_conv *g, int r, const double *dy, struct ref *gm);
/*
 * dx[n,c,h,w] and dw (the same in all taps), either may be NULL. paper: as published, sh * sw times
 * as large. x may be NULL with dw, and w with dx.
 */
void ref_filter_backward(const struct ref_conv *g, int r, bool paper, const double *x,
			 const double *w, const double *dy, struct ref *dx, struct ref *dw);

/* ---- the sign-symmetric family --------------------------------------------------------------- */

/* How many weights feed an output: c/groups * kh * kw. */
int ref_fan_in(const struct ref_conv *g);
/* Magnitudes are drawn uniformly from 0..this: sqrt(6 / fan_in). */
double ref_sign_bound(int fan_in);
/* b[n]: with m, m * sign(w); without, sqrt(2 / fan_in) * sign(w). sign(0) is 0; NaN stays NaN. */
void ref_signs(size_t n, int fan_in, const double *w, const double *m, struct ref *b);
/* What m must be multiplied by so that m * sign(w) has the root mean square of w. */
double ref_match_w(size_t n, const double *w, const double *m);

/* ---- stochastic pruning ---------------------------------------------------------------------- */

/* The t for which a standard normal lies in -t..t with probability p in [0,1). */
double ref_prune_theta(double p);
/*
 * out[n] of dy[n] and uniform u[n] in [0,1); returns tau. close (may be NULL): elements within a
 * relative 1e-5 of a decision, which float arithmetic may decide otherwise.
 */
double ref_prune(size_t n, double p, const double *dy, const double *u, struct ref *out,
		 bool *close);

#endif

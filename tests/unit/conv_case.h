/* One convolution with all that its three operators read, write and should have written. */
#ifndef TEST_CONV_CASE_H
#define TEST_CONV_CASE_H

#include "num.h"

/* Sorts of shapes, so that random ones reach every path. */
enum conv_kind {
	CONV_POINTWISE,
	CONV_K3,
	CONV_K5,
	CONV_K7,
	CONV_OBLONG,
	CONV_STRIDED,
	CONV_DILATED,
	CONV_GROUPED,
	CONV_MULTIPLIER,
	CONV_DEPTHWISE,
	CONV_DEPTHWISE_S2D2,
	CONV_STEM, /* one or three channels */
	CONV_DEEP, /* several depth blocks in forward and data */
	CONV_LINEAR,
	CONV_WIDE, /* more outputs and weight columns than a block of columns */
	CONV_LONG, /* more pixels than a block of rows, for several threads */
	CONV_KINDS
};
/* A random shape of one sort that has an output. */
struct et_conv conv_shape(enum conv_kind kind, struct et_rng *r);

struct conv_case {
	struct et_conv g; /* with its output size */
	int n;
	float *x, *dy, *residual;   /* [n,h,w,c], [n,p,q,k], [n,p,q,k] or NULL */
	float *torch, *w, *dw0;	    /* weights in PyTorch's order and in memory; dw before */
	const float *scale, *shift; /* [k] or NULL */
	enum et_act act;
	float *y, *dx, *dw; /* outputs */
	struct ref want_y, want_dx, want_dw;
	double slack;  /* allowed, in eps of the sum of the terms' absolute values */
	bool only_nan; /* only see that NaN is where it should be: it may be elsewhere too, since
			  padding times NaN is NaN or nothing as an operator likes */
};

struct num_sizes {
	size_t x, y, w;
};
struct num_sizes conv_sizes(const struct conv_case *t);

/* Normal numbers, with any of scale, shift, residual and activation; expectations filled in. */
struct conv_case conv_random(const struct et_conv *g, int n, struct et_rng *r);
/* Fills in w from torch, and the expectations by the oracle. */
void conv_expect(struct conv_case *t);
/* Forward, data and weight gradient through num_run(). */
void conv_run(struct conv_case *t);
/* num_label() of what, followed by the shape. */
void conv_label(const struct conv_case *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif

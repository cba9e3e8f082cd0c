/*
 * Resizing as PIL does it: a triangle filter in fixed point, horizontal pass first, 8 bits between
 * the passes. Weights have 22 fractional bits, so that 255 * sum of weights stays within 32 bits.
 */
#include <math.h>
#include <string.h>

#include "data/priv.h"

#define WEIGHT_BITS 22
#define HALF	    (1u << (WEIGHT_BITS - 1))

/* One axis: output i is the weighted sum of the n[i] inputs from first[i]; span weights for each.
 */
struct axis {
	int out, span;
	int *first, *n;
	uint32_t *weight;
	bool copy; /* every output is one input: nothing to compute */
};

static double filter_support(double scale)
{
	return scale < 1 ? 1 : scale;
}

static int filter_span(double scale)
{
	return (int)ceil(filter_support(scale)) * 2 + 1;
}

static size_t axis_ints(int out, int span)
{
	return (size_t)out * (2 + (size_t)span);
}

static double triangle(double x)
{
	x = fabs(x);
	return x < 1 ? 1 - x : 0;
}

/* Inputs 0..in-1, of which [x0, x0 + length) becomes the outputs. Returns the memory used up. */
static uint32_t *axis_open(struct axis *a, uint32_t *mem, int in, double x0, double length, int out)
{
	double scale = length / out, support = filter_support(scale),
	       step = 1 / filter_support(scale);
	a->out = out;
	a->span = filter_span(scale);
	a->first = (int *)mem;
	a->n = a->first + out;
	a->weight = mem + 2 * (size_t)out;
	a->copy = length == out && x0 == floor(x0);
	for (int i = 0; i < out; i++) {
		double centre = x0 + (i + 0.5) * scale;
		int low = (int)(centre - support + 0.5), high = (int)(centre + support + 0.5);
		low = low < 0 ? 0 : low;
		high = high > in ? in : high;
		int n = high - low;
		double sum = 0;
		for (int k = 0; k < n; k++)
			sum += triangle((low + k - centre + 0.5) * step);
		uint32_t *weight = a->weight + (size_t)i * (size_t)a->span;
		for (int k = 0; k < n; k++) {
			double w = triangle((low + k - centre + 0.5) * step) / sum;
			weight[k] = (uint32_t)(w * (1 << WEIGHT_BITS) + 0.5);
		}
		a->first[i] = low;
		a->n[i] = n;
	}
	return mem + axis_ints(out, a->span);
}

/* Rounding of many small weights may exceed 255 by one. */
static inline uint8_t clip8(uint32_t sum)
{
	sum >>= WEIGHT_BITS;
	return (uint8_t)(sum < 255 ? sum : 255);
}

/* ---- horizontal ------------------------------------------------------------------------------ */

static void across_grey(const uint8_t *src, size_t stride, uint8_t *dst, int rows,
			const struct axis *a)
{
	for (int y = 0; y < rows; y++, src += stride) {
		for (int i = 0; i < a->out; i++) {
			const uint8_t *p = src + a->first[i];
			const uint32_t *w = a->weight + (size_t)i * (size_t)a->span;
			uint32_t sum = HALF;
			for (int k = 0; k < a->n[i]; k++)
				sum += w[k] * p[k];
			*dst++ = clip8(sum);
		}
	}
}

static void across_rgb(const uint8_t *src, size_t stride, uint8_t *dst, int rows,
		       const struct axis *a)
{
	size_t row = 3 * (size_t)a->out;
	for (int y = 0; y < rows; y += 2, src += 2 * stride, dst += 2 * row) {
		/* Two rows share the weights; of an odd last one both are the same. */
		size_t below = y + 1 < rows ? stride : 0, under = y + 1 < rows ? row : 0;
		uint8_t *to = dst;
		for (int i = 0; i < a->out; i++, to += 3) {
			const uint8_t *p = src + 3 * (size_t)a->first[i], *q = p + below;
			const uint32_t *w = a->weight + (size_t)i * (size_t)a->span;
			const uint32_t *end = w + a->n[i];
			uint32_t r = HALF, g = HALF, b = HALF, r1 = HALF, g1 = HALF, b1 = HALF;
			for (; w < end; w++, p += 3, q += 3) {
				r += *w * p[0];
				g += *w * p[1];
				b += *w * p[2];
				r1 += *w * q[0];
				g1 += *w * q[1];
				b1 += *w * q[2];
			}
			to[0] = clip8(r);
			to[1] = clip8(g);
			to[2] = clip8(b);
			to[under] = clip8(r1);
			to[under + 1] = clip8(g1);
			to[under + 2] = clip8(b1);
		}
	}
}

/* ---- vertical -------------------------------------------------------------------------------- */

/* Bytes of a row done at once: constant, so that the compiler makes vectors of the loop. */
#define LANES 32

static void down_lanes(const uint8_t *src, size_t stride, uint8_t *dst, int n, const uint32_t *w)
{
	uint32_t sum[LANES];
	for (int j = 0; j < LANES; j++)
		sum[j] = HALF;
	for (int k = 0; k < n; k++, src += stride)
		for (int j = 0; j < LANES; j++)
			sum[j] += w[k] * src[j];
	for (int j = 0; j < LANES; j++)
		dst[j] = clip8(sum[j]);
}

static void down(const uint8_t *src, size_t stride, size_t row, uint8_t *dst, const struct axis *a)
{
	for (int i = 0; i < a->out; i++, dst += row) {
		const uint8_t *top = src + (size_t)a->first[i] * stride;
		const uint32_t *w = a->weight + (size_t)i * (size_t)a->span;
		size_t x = 0;
		for (; x + LANES <= row; x += LANES)
			down_lanes(top + x, stride, dst + x, a->n[i], w);
		for (; x < row; x++) {
			uint32_t sum = HALF;
			for (int k = 0; k < a->n[i]; k++)
				sum += w[k] * top[x + (size_t)k * stride];
			dst[x] = clip8(sum);
		}
	}
}

/* ---- both ------------------------------------------------------------------------------------ */

struct et_view et_picture_view(const struct et_picture *p, int y, int x, int h, int w)
{
	size_t stride = et_picture_bytes(1, p->w, p->c);
	return (struct et_view){.px = p->px + (size_t)y * stride + (size_t)x * (size_t)p->c,
				.stride = stride,
				.h = h,
				.w = w,
				.c = p->c};
}

size_t et_resize_scratch_bytes(int sh, int sw, int h, int w, int c)
{
	size_t ints = axis_ints(w, filter_span((double)sw / w)) +
		      axis_ints(h, filter_span((double)sh / h));
	return ints * sizeof(uint32_t) + et_picture_bytes(sh, w, c);
}

/* A box computed in floating point may stick out by a rounding error, not by more. */
static bool clamp_box(double *x0, double *length, int in)
{
	const double slack = 1e-6;
	if (!(*x0 >= -slack && *length > 0 && *x0 + *length <= in + slack))
		return false;
	if (*x0 < 0)
		*x0 = 0;
	if (*x0 + *length > in)
		*length = in - *x0;
	return *length > 0;
}

int et_view_resize(const struct et_view *src, double x0, double y0, double bw, double bh, int h,
		   int w, struct et_picture *dst, struct et_picture *scratch, struct et_err *err)
{
	if (h < 1 || w < 1 || !clamp_box(&x0, &bw, src->w) || !clamp_box(&y0, &bh, src->h))
		return et_fail(err, ET_EINTERNAL,
			       "resize of the box %g,%g %g x %g of a picture of %d x %d to %d x %d",
			       x0, y0, bw, bh, src->w, src->h, w, h);
	ET_TRY(et_picture_reserve(dst, h, w, src->c, 0, err));
	size_t ints = axis_ints(w, filter_span(bw / w)) + axis_ints(h, filter_span(bh / h));
	size_t row = et_picture_bytes(1, w, src->c);
	/* Rows within reach of the box, and no others, go through the horizontal pass. */
	double reach = filter_support(bh / h) + 1;
	int most = (int)et_min((size_t)src->h, (size_t)(bh + 2 * reach) + 2);
	size_t bytes = ints * sizeof(uint32_t) + (size_t)most * row;
	ET_TRY(et_picture_reserve(scratch, 0, 0, src->c, bytes, err));
	struct axis x, y;
	uint32_t *mem = (uint32_t *)(void *)scratch->px;
	mem = axis_open(&x, mem, src->w, x0, bw, w);
	mem = axis_open(&y, mem, src->h, y0, bh, h);
	int top = y.copy ? (int)y0 : y.first[0];
	int rows = y.copy ? h : y.first[h - 1] + y.n[h - 1] - top;
	const uint8_t *from = src->px + (size_t)top * src->stride;
	size_t stride = src->stride;
	if (x.copy) {
		from += et_picture_bytes(1, (int)x0, src->c);
	} else {
		uint8_t *to = y.copy ? dst->px : (uint8_t *)mem;
		if (src->c == 1)
			across_grey(from, stride, to, rows, &x);
		else
			across_rgb(from, stride, to, rows, &x);
		if (y.copy)
			return ET_OK;
		from = to;
		stride = row;
	}
	if (y.copy) {
		for (int i = 0; i < h; i++)
			memcpy(dst->px + (size_t)i * row, from + (size_t)i * stride, row);
		return ET_OK;
	}
	for (int i = 0; i < h; i++)
		y.first[i] -= top;
	down(from, stride, row, dst->px, &y);
	return ET_OK;
}

int et_picture_resize(const struct et_picture *src, double x0, double y0, double bw, double bh,
		      int h, int w, struct et_picture *dst, struct et_picture *scratch,
		      struct et_err *err)
{
	struct et_view view = et_picture_view(src, 0, 0, src->h, src->w);
	return et_view_resize(&view, x0, y0, bw, bh, h, w, dst, scratch, err);
}

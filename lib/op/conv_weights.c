/* A convolution's weights: sums over the taps of kernels, and PyTorch's order. */
#include "op/op.h"

/* ---- sums over taps -------------------------------------------------------------------------- */

struct tap_job {
	const struct et_kern *k;
	const struct et_conv *g;
	bool keep_h, keep_w;
	const float *w;
	float *out;
};

/* Adds up the taps of one block of kh x kw vectors of c values: a filter's, or depthwise all. */
static void sum_block_taps(const struct tap_job *j, size_t c, const float *w, float *out)
{
	size_t kh = (size_t)j->g->kh, kw = (size_t)j->g->kw;

	if (j->keep_h) {
		for (size_t a = 0; a < kh; a++)
			j->k->row_sum(kw, c, c, w + a * kw * c, out + a * c);
	} else if (j->keep_w) {
		for (size_t b = 0; b < kw; b++)
			j->k->row_sum(kh, kw * c, c, w + b * c, out + b * c);
	} else {
		j->k->row_sum(kh * kw, c, c, w, out);
	}
}

static void tap_sum_rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct tap_job *j = arg;
	size_t cn = (size_t)(j->g->c / j->g->groups);
	size_t in = (size_t)j->g->kh * (size_t)j->g->kw * cn;
	size_t out = (j->keep_h ? (size_t)j->g->kh : 1) * (j->keep_w ? (size_t)j->g->kw : 1) * cn;
	(void)thread;

	for (size_t k = begin; k < end; k++)
		sum_block_taps(j, cn, j->w + k * in, j->out + k * out);
}

void et_conv_tap_sum(const struct et_ctx *x, const struct et_conv *g, bool keep_h, bool keep_w,
		     const float *w, float *out)
{
	struct tap_job j = {
		.k = x->k, .g = g, .keep_h = keep_h, .keep_w = keep_w, .w = w, .out = out};

	if (et_conv_depthwise(g))
		sum_block_taps(&j, (size_t)g->c, w, out);
	else
		et_parallel(x, (size_t)g->k, et_row_grain(et_conv_weights(g) / (size_t)g->k),
			    tap_sum_rows, &j);
}

/* Index in memory of the weight that PyTorch has at [k][c][a][b]. */
static size_t weight_at(const struct et_conv *g, int k, int c, int a, int b)
{
	int cn = g->c / g->groups;
	if (et_conv_depthwise(g))
		return (size_t)(a * g->kw + b) * (size_t)g->c + (size_t)k;
	return (((size_t)k * (size_t)g->kh + (size_t)a) * (size_t)g->kw + (size_t)b) * (size_t)cn +
	       (size_t)c;
}

void et_conv_to_torch(const struct et_conv *g, const float *w, float *torch)
{
	for (int k = 0; k < g->k; k++)
		for (int c = 0; c < g->c / g->groups; c++)
			for (int a = 0; a < g->kh; a++)
				for (int b = 0; b < g->kw; b++)
					*torch++ = w[weight_at(g, k, c, a, b)];
}

void et_conv_from_torch(const struct et_conv *g, const float *torch, float *w)
{
	for (int k = 0; k < g->k; k++)
		for (int c = 0; c < g->c / g->groups; c++)
			for (int a = 0; a < g->kh; a++)
				for (int b = 0; b < g->kw; b++)
					w[weight_at(g, k, c, a, b)] = *torch++;
}

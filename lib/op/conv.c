/* Convolution forward, by implicit im2col on the one GEMM; depthwise goes to its own kernels. */
#include "op/conv_taps.h"
#include "op/depthwise.h"
#include "op/winograd.h"

/* Rows of a product that are many; see et_conv_images(). */
#define DIRECT_ROWS 512
#define WINO_TILES  196

int et_conv_shape(struct et_conv *g, struct et_err *err)
{
	if (g->c % g->groups || g->k % g->groups)
		return et_fail(err, ET_EDATA,
			       "groups must divide the input and output channels: groups %d, "
			       "channels %d and %d",
			       g->groups, g->c, g->k);
	int64_t p = (int64_t)g->h + 2 * (int64_t)g->ph - (int64_t)g->dh * (g->kh - 1) - 1;
	int64_t q = (int64_t)g->w + 2 * (int64_t)g->pw - (int64_t)g->dw * (g->kw - 1) - 1;
	if (p < 0 || q < 0)
		return et_fail(err, ET_EDATA,
			       "the kernel is larger than its input: %dx%d with dilation %d,%d on "
			       "%dx%d with padding %d,%d",
			       g->kh, g->kw, g->dh, g->dw, g->h, g->w, g->ph, g->pw);
	g->p = (int)(p / g->sh) + 1;
	g->q = (int)(q / g->sw) + 1;
	return ET_OK;
}

size_t et_conv_weights(const struct et_conv *g)
{
	return (size_t)g->k * (size_t)g->kh * (size_t)g->kw * (size_t)(g->c / g->groups);
}

double et_conv_mac(const struct et_conv *g)
{
	return (double)g->p * g->q * (double)et_conv_weights(g);
}

int et_conv_images(const struct et_ctx *x, const struct et_conv *g)
{
	int side = et_conv_side(x, g);
	size_t p = (size_t)g->p, q = (size_t)g->q;

	if (et_conv_depthwise(g))
		return 1;
	/* Tiles count more than pixels: to transform a weight is more work than to pack it. */
	return (int)(side ? et_ceil_div(WINO_TILES,
					et_ceil_div(p, (size_t)side) * et_ceil_div(q, (size_t)side))
			  : et_ceil_div(DIRECT_ROWS, p * q));
}

bool et_conv_takes_prologue(const struct et_conv *g)
{
	(void)g;
	return true;
}

static void forward_wino(const struct et_ctx *x, const struct et_conv *g, int m, int n,
			 const float *in, const struct et_prologue *pro, const float *w,
			 const struct et_epilogue *epi, float *y, struct et_arena *work)
{
	struct et_wino_rows r = {
		.s = et_wino_shape(g, n, m),
		.src = in,
		.pro = pro,
		.weights = w,
		.y = y,
		.epi = epi,
	};
	et_wino_rows(x, &r, work);
}

static void forward_dense(const struct et_ctx *x, const struct et_conv *g, int n, const float *in,
			  const struct et_prologue *pro, const float *w,
			  const struct et_epilogue *epi, float *y, struct et_arena *work)
{
	size_t mark = et_arena_mark(work);
	struct et_taps t = et_taps_alloc(g, work);
	int kn = g->k / g->groups,
	    groups = et_measuring(work) ? 1 : g->groups; /* all need the same scratch */
	size_t depth = (size_t)g->kh * (size_t)g->kw * (size_t)(g->c / g->groups);
	bool all;

	et_taps_list(g, &t, &all, et_measuring(work));
	for (int group = 0; group < groups; group++) {
		int k0 = group * kn;
		struct et_epilogue e = {0};
		struct et_moments moments;
		if (epi) {
			e.scale = epi->scale ? epi->scale + k0 : NULL;
			e.shift = epi->shift ? epi->shift + k0 : NULL;
			e.residual = epi->residual ? epi->residual + k0 : NULL;
			e.act = epi->act;
		}
		if (epi && epi->moments) {
			moments.mean = epi->moments->mean + k0;
			moments.var = epi->moments->var + k0;
			e.moments = &moments;
		}
		struct et_gemm_rows m = {
			.a = et_input_view(g, n, in, pro, group, &t, 0, t.n),
			.b = w + (size_t)k0 * depth,
			.ldb = depth,
			.bt = true,
			.tap_b = all ? NULL : t.b,
			.c = y + k0,
			.ldc = (size_t)g->k,
			.cols = kn,
			.epi = epi ? &e : NULL,
		};
		et_gemm_rows(x, &m, work);
	}
	et_arena_release(work, mark);
}

void et_conv_forward(const struct et_ctx *x, const struct et_conv *g, int n, const float *in,
		     const struct et_prologue *pro, const float *w, const struct et_epilogue *epi,
		     float *y, struct et_arena *work)
{
	int m = et_conv_side(x, g);

	if (m)
		forward_wino(x, g, m, n, in, pro, w, epi, y, work);
	else if (et_conv_depthwise(g))
		et_depthwise_forward(x, g, n, in, pro, w, epi, y, work);
	else
		forward_dense(x, g, n, in, pro, w, epi, y, work);
	if (epi && epi->moments && (m || et_conv_depthwise(g)))
		et_bn_stats(x, (size_t)n * (size_t)g->p * (size_t)g->q, g->k, y, epi->moments->mean,
			    epi->moments->var, work);
}

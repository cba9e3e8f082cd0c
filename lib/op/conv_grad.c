/* Gradients of a convolution: of its input, of its weights, and both. */
#include <string.h>

#include "op/conv_taps.h"
#include "op/depthwise.h"
#include "op/winograd.h"

/* Of the taps of one axis, does tap a reach input position i0 + stride*step, and from which offset?
 */
static bool meets(int i0, int pad, int a, int dil, int stride, int *offset)
{
	int t = i0 + pad - a * dil;
	int r = ((t % stride) + stride) % stride;
	*offset = (t - r) / stride;
	return r == 0;
}

/*
 * Input pixels of one phase (i % sh, j % sw) meet the same taps, each at a constant offset in dy: a
 * convolution of dy with stride 1 that writes every sh-th row and sw-th column of dx.
 */
static void data_phase(const struct et_ctx *x, const struct et_conv *g, int n, const float *dy,
		       const float *w, float *dx, int y0, int x0, struct et_taps *t,
		       struct et_arena *work)
{
	int cn = g->c / g->groups, kn = g->k / g->groups;
	size_t depth = (size_t)g->kh * (size_t)g->kw * (size_t)cn;
	struct et_scatter to = {.h = g->h, .w = g->w, .sh = g->sh, .sw = g->sw, .y0 = y0, .x0 = x0};
	bool whole = g->sh == 1 && g->sw == 1;
	int groups = et_measuring(work) ? 1 : g->groups;
	int gh = (g->h - y0 + g->sh - 1) / g->sh, gw = (g->w - x0 + g->sw - 1) / g->sw;

	t->n = 0;
	for (int a = 0; a < g->kh; a++)
		for (int b = 0; b < g->kw; b++) {
			int oy, ox;
			if (!meets(y0, g->ph, a, g->dh, g->sh, &oy) ||
			    !meets(x0, g->pw, b, g->dw, g->sw, &ox) ||
			    !et_tap_meets(oy, 1, gh, g->p) || !et_tap_meets(ox, 1, gw, g->q))
				continue;
			if (!et_measuring(work)) {
				t->y[t->n] = (int16_t)oy;
				t->x[t->n] = (int16_t)ox;
				t->b[t->n] = (size_t)(a * g->kw + b) * (size_t)cn;
			}
			t->n++;
		}
	if (!t->n && whole && !et_measuring(work))
		memset(dx, 0,
		       (size_t)n * (size_t)g->h * (size_t)g->w * (size_t)g->c * sizeof(float));
	if (!t->n)
		return;
	for (int group = 0; group < groups; group++) {
		struct et_gemm_rows m = {
			.a = {.src = dy,
			      .n = n,
			      .h = g->p,
			      .w = g->q,
			      .c = g->k,
			      .c0 = group * kn,
			      .cn = kn,
			      .gh = gh,
			      .gw = gw,
			      .sh = 1,
			      .sw = 1,
			      .taps = t->n,
			      .y = t->y,
			      .x = t->x},
			.b = w + (size_t)group * (size_t)kn * depth,
			.ldb = depth,
			.tap_b = t->b,
			.c = dx + group * cn,
			.ldc = (size_t)g->c,
			.to = whole ? NULL : &to,
			.cols = cn,
		};
		et_gemm_rows(x, &m, work);
	}
}

/* The convolution of dy with the filters turned round. */
static void data_wino(const struct et_ctx *x, const struct et_conv *g, int m, int n,
		      const float *dy, const float *w, float *dx, struct et_arena *work)
{
	struct et_wino_rows r = {
		.s = et_wino_turned(g, n, m),
		.src = dy,
		.weights = w,
		.back = true,
		.y = dx,
	};
	et_wino_rows(x, &r, work);
}

void et_conv_data(const struct et_ctx *x, const struct et_conv *g, int n, const float *dy,
		  const float *w, float *dx, struct et_arena *work)
{
	int side = et_conv_side(x, g);

	if (side) {
		data_wino(x, g, side, n, dy, w, dx, work);
		return;
	}
	if (et_conv_depthwise(g)) {
		if (!et_measuring(work))
			et_depthwise_data(x, g, n, dy, w, dx);
		return;
	}
	size_t mark = et_arena_mark(work);
	struct et_taps t = et_taps_alloc(g, work);
	/* With taps that skip phases (stride above the kernel's reach), those pixels get nothing.
	 */
	bool gaps = g->sh > 1 || g->sw > 1;

	if (gaps && !et_measuring(work))
		memset(dx, 0,
		       (size_t)n * (size_t)g->h * (size_t)g->w * (size_t)g->c * sizeof(float));
	for (int y0 = 0; y0 < g->sh && y0 < g->h; y0++)
		for (int x0 = 0; x0 < g->sw && x0 < g->w; x0++)
			data_phase(x, g, n, dy, w, dx, y0, x0, &t, work);
	et_arena_release(work, mark);
}

static void weight_wino(const struct et_ctx *x, const struct et_conv *g, int m, int n,
			const float *in, const struct et_prologue *pro, const float *dy, float *dw,
			struct et_arena *work)
{
	struct et_wino_sum s = {
		.s = et_wino_shape(g, n, m),
		.src = in,
		.pro = pro,
		.dy = dy,
		.dw = dw,
	};
	et_wino_sum(x, &s, work);
}

/* Some taps, neighbours in memory, from number `first` of the list and weight `at` of a filter on.
 */
static void weight_taps(const struct et_ctx *x, const struct et_conv *g, int n, const float *in,
			const struct et_prologue *pro, const float *dy, float *dw,
			const struct et_taps *t, int first, int count, size_t at,
			struct et_arena *work)
{
	int kn = g->k / g->groups,
	    groups = et_measuring(work) ? 1 : g->groups; /* all need the same scratch */
	size_t depth = (size_t)g->kh * (size_t)g->kw * (size_t)(g->c / g->groups);

	for (int group = 0; group < groups; group++) {
		struct et_gemm_sum m = {
			.a = et_input_view(g, n, in, pro, group, t, first, count),
			.d = dy + group * kn,
			.ldd = (size_t)g->k,
			.rows = kn,
			.c = dw + (size_t)group * (size_t)kn * depth + at,
			.ldc = depth,
		};
		et_gemm_sum(x, &m, work);
	}
}

void et_conv_weight(const struct et_ctx *x, const struct et_conv *g, int n, const float *in,
		    const struct et_prologue *pro, const float *dy, float *dw,
		    struct et_arena *work)
{
	int side = et_conv_side(x, g);

	if (side) {
		weight_wino(x, g, side, n, in, pro, dy, dw, work);
		return;
	}
	if (et_conv_depthwise(g)) {
		et_depthwise_weight(x, g, n, in, pro, dy, dw, work);
		return;
	}
	size_t mark = et_arena_mark(work);
	struct et_taps t = et_taps_alloc(g, work);
	int cn = g->c / g->groups, first = 0, count;
	bool all;

	et_taps_list(g, &t, &all, et_measuring(work));
	if (all)
		weight_taps(x, g, n, in, pro, dy, dw, &t, 0, t.n, 0, work);
	for (int a = 0; a < g->kh && !all; a++)
		for (int b = 0; b < g->kw && et_row_meets(g, a); b += count + 1, first += count) {
			for (count = 0; b + count < g->kw && et_column_meets(g, b + count);)
				count++;
			if (count)
				weight_taps(x, g, n, in, pro, dy, dw, &t, first, count,
					    (size_t)(a * g->kw + b) * (size_t)cn, work);
		}
	et_arena_release(work, mark);
}

void et_conv_backward(const struct et_ctx *x, const struct et_conv *g, int n,
		      const struct et_conv_pair *pair, struct et_arena *work)
{
	if (et_conv_depthwise(g) && et_depthwise_walks(g, n)) {
		et_depthwise_both(x, g, n, pair, work);
		return;
	}
	et_conv_weight(x, g, n, pair->in, pair->pro, pair->dy, pair->dw, work);
	et_conv_data(x, g, n, pair->dy, pair->w, pair->dx, work);
}

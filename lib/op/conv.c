/* Convolution by implicit im2col on the one GEMM; depthwise goes to its own kernels. */
#include <string.h>

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

/* Taps and their offsets, from the work arena. */
struct taps {
	int16_t *y, *x;
	size_t *b;
	int n;
};

static struct taps taps_alloc(const struct et_conv *g, struct et_arena *work)
{
	size_t n = (size_t)g->kh * (size_t)g->kw;
	struct taps t;
	t.y = et_arena_alloc(work, n, sizeof(*t.y));
	t.x = et_arena_alloc(work, n, sizeof(*t.x));
	t.b = et_arena_alloc(work, n, sizeof(*t.b));
	t.n = 0;
	return t;
}

/* Does a tap at this offset meet any of n pixels, from any of `steps` outputs? */
static bool tap_meets(int offset, int stride, int steps, int n)
{
	for (int i = 0; i < steps; i++, offset += stride)
		if (offset >= 0 && offset < n)
			return true;
	return false;
}

static bool row_meets(const struct et_conv *g, int a)
{
	return tap_meets(a * g->dh - g->ph, g->sh, g->p, g->h);
}

static bool column_meets(const struct et_conv *g, int b)
{
	return tap_meets(b * g->dw - g->pw, g->sw, g->q, g->w);
}

/*
 * The taps that meet more than padding, which in small pictures some never do; all, where none
 * does. *all: whether that is so.
 */
static void list_taps(const struct et_conv *g, struct taps *t, bool *all, bool measuring)
{
	int cn = g->c / g->groups, rows = 0, cols = 0;

	for (int a = 0; a < g->kh; a++)
		rows += row_meets(g, a);
	for (int b = 0; b < g->kw; b++)
		cols += column_meets(g, b);
	*all = rows * cols == 0 || (rows == g->kh && cols == g->kw);
	t->n = *all ? g->kh * g->kw : rows * cols;
	for (int a = 0, i = 0; a < g->kh && !measuring; a++)
		for (int b = 0; b < g->kw; b++) {
			if (!*all && !(row_meets(g, a) && column_meets(g, b)))
				continue;
			t->y[i] = (int16_t)(a * g->dh - g->ph);
			t->x[i] = (int16_t)(b * g->dw - g->pw);
			t->b[i++] = (size_t)(a * g->kw + b) * (size_t)cn;
		}
}

/* The im2col view of one group's input channels, with `count` taps from the first on. */
static struct et_gather input_view(const struct et_conv *g, int n, const float *in,
				   const struct et_prologue *pro, int group, const struct taps *t,
				   int first, int count)
{
	int cn = g->c / g->groups;

	return (struct et_gather){
		.src = in,
		.n = n,
		.h = g->h,
		.w = g->w,
		.c = g->c,
		.c0 = group * cn,
		.cn = cn,
		.gh = g->p,
		.gw = g->q,
		.sh = g->sh,
		.sw = g->sw,
		.taps = count,
		.y = t->y + first,
		.x = t->x + first,
		.pro = pro,
	};
}

/* The side of Winograd's tiles for a convolution in this context; 0: directly. */
static int wino_side(const struct et_ctx *x, const struct et_conv *g)
{
	return x->direct ? 0 : et_wino_side(g);
}

int et_conv_images(const struct et_ctx *x, const struct et_conv *g)
{
	int side = wino_side(x, g);
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
		.m = m,
		.n = n,
		.h = g->h,
		.w = g->w,
		.c = g->c,
		.ph = g->ph,
		.pw = g->pw,
		.p = g->p,
		.q = g->q,
		.k = g->k,
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
	struct taps t = taps_alloc(g, work);
	int kn = g->k / g->groups,
	    groups = et_measuring(work) ? 1 : g->groups; /* all need the same scratch */
	size_t depth = (size_t)g->kh * (size_t)g->kw * (size_t)(g->c / g->groups);
	bool all;

	list_taps(g, &t, &all, et_measuring(work));
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
			.a = input_view(g, n, in, pro, group, &t, 0, t.n),
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
	int m = wino_side(x, g);

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
		       const float *w, float *dx, int y0, int x0, struct taps *t,
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
			    !tap_meets(oy, 1, gh, g->p) || !tap_meets(ox, 1, gw, g->q))
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

/* The convolution of dy with the filters turned round: what was padding is what is missing of 2. */
static void data_wino(const struct et_ctx *x, const struct et_conv *g, int m, int n,
		      const float *dy, const float *w, float *dx, struct et_arena *work)
{
	struct et_wino_rows r = {
		.m = m,
		.n = n,
		.h = g->p,
		.w = g->q,
		.c = g->k,
		.ph = 2 - g->ph,
		.pw = 2 - g->pw,
		.p = g->h,
		.q = g->w,
		.k = g->c,
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
	int side = wino_side(x, g);

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
	struct taps t = taps_alloc(g, work);
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
		.m = m,
		.n = n,
		.h = g->h,
		.w = g->w,
		.c = g->c,
		.ph = g->ph,
		.pw = g->pw,
		.p = g->p,
		.q = g->q,
		.k = g->k,
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
			const struct taps *t, int first, int count, size_t at,
			struct et_arena *work)
{
	int kn = g->k / g->groups,
	    groups = et_measuring(work) ? 1 : g->groups; /* all need the same scratch */
	size_t depth = (size_t)g->kh * (size_t)g->kw * (size_t)(g->c / g->groups);

	for (int group = 0; group < groups; group++) {
		struct et_gemm_sum m = {
			.a = input_view(g, n, in, pro, group, t, first, count),
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
	int side = wino_side(x, g);

	if (side) {
		weight_wino(x, g, side, n, in, pro, dy, dw, work);
		return;
	}
	if (et_conv_depthwise(g)) {
		et_depthwise_weight(x, g, n, in, pro, dy, dw, work);
		return;
	}
	size_t mark = et_arena_mark(work);
	struct taps t = taps_alloc(g, work);
	int cn = g->c / g->groups, first = 0, count;
	bool all;

	list_taps(g, &t, &all, et_measuring(work));
	if (all)
		weight_taps(x, g, n, in, pro, dy, dw, &t, 0, t.n, 0, work);
	for (int a = 0; a < g->kh && !all; a++)
		for (int b = 0; b < g->kw && row_meets(g, a); b += count + 1, first += count) {
			for (count = 0; b + count < g->kw && column_meets(g, b + count);)
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

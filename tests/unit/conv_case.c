#include <stdarg.h>
#include <stdio.h>

#include "conv_case.h"

/* Draws one after the other: in a list of initializers their order would be the compiler's. */
static struct et_conv square(struct et_rng *r, int kernel)
{
	struct et_conv g = {.kh = kernel, .kw = kernel, .groups = 1};
	g.sh = g.sw = g.dh = g.dw = 1;
	g.h = num_int(r, 1, 11);
	g.w = num_int(r, 1, 11);
	g.c = num_int(r, 1, 24);
	g.k = num_int(r, 1, 40);
	g.ph = num_int(r, 0, kernel);
	g.pw = num_int(r, 0, kernel);
	return g;
}

static struct et_conv linear(struct et_rng *r)
{
	struct et_conv g = square(r, 1);
	g.h = g.w = 1;
	g.ph = g.pw = 0;
	g.c = num_int(r, 1, 70);
	g.k = num_int(r, 1, 70);
	return g;
}

static struct et_conv shape_of(enum conv_kind kind, struct et_rng *r)
{
	const int odd[] = {1, 3, 5};
	struct et_conv g = square(r, odd[num_int(r, 0, 2)]);

	switch (kind) {
	case CONV_POINTWISE:
		g = square(r, 1);
		g.ph = g.pw = num_int(r, 0, 3) == 3;
		return g;
	case CONV_K3:
		return square(r, 3);
	case CONV_K5:
		return square(r, 5);
	case CONV_K7:
		return square(r, 7);
	case CONV_OBLONG:
		g.kh = num_int(r, 1, 4);
		g.kw = num_int(r, 1, 5);
		return g;
	case CONV_STRIDED:
		g.sh = num_int(r, 1, 3);
		g.sw = num_int(r, 1, 3);
		return g;
	case CONV_DILATED:
		g = square(r, 3);
		g.dh = num_int(r, 1, 3);
		g.dw = num_int(r, 1, 3);
		g.sh = num_int(r, 1, 2);
		g.sw = num_int(r, 1, 3);
		return g;
	case CONV_GROUPED:
		g.groups = num_int(r, 2, 3);
		g.c = g.groups * num_int(r, 1, 12);
		g.k = g.groups * num_int(r, 1, 12);
		g.sh = g.sw = num_int(r, 1, 2);
		g.dw = num_int(r, 1, 2);
		return g;
	case CONV_MULTIPLIER:
		g.groups = g.c = num_int(r, 2, 9);
		g.k = g.c * num_int(r, 2, 3);
		g.sw = num_int(r, 1, 2);
		return g;
	case CONV_DEPTHWISE:
		g.groups = g.k = g.c = num_int(r, 2, 70);
		g.sh = num_int(r, 1, 3);
		g.sw = num_int(r, 1, 3);
		g.dh = num_int(r, 1, 3);
		return g;
	case CONV_DEPTHWISE_S2D2:
		g = square(r, 3);
		g.groups = g.k = g.c = num_int(r, 2, 70);
		g.sh = g.sw = g.dh = g.dw = 2;
		return g;
	case CONV_STEM:
		g = square(r, 3 + 2 * num_int(r, 0, 2));
		g.c = num_int(r, 0, 1) ? 3 : 1;
		g.sh = g.sw = num_int(r, 1, 2);
		return g;
	case CONV_DEEP:
		g = square(r, 3 * num_int(r, 0, 1) + 1); /* 1x1 or 4x4 */
		g.c = g.kh == 1 ? num_int(r, 820, 900) : num_int(r, 52, 60);
		g.k = num_int(r, 10, 40);
		g.h = num_int(r, 1, 3);
		g.w = num_int(r, 1, 2);
		if (num_int(r, 0, 1)) {
			int c = g.c;
			g.c = g.k;
			g.k = c;
		}
		return g;
	case CONV_WIDE:
		g = linear(r);
		g.k = num_int(r, 500, 1100);
		if (num_int(r, 0, 1)) {
			g.c = g.k;
			g.k = num_int(r, 1, 30);
		}
		return g;
	case CONV_LONG:
		g = square(r, num_int(r, 1, 3));
		g.c = num_int(r, 1, 6);
		g.k = num_int(r, 1, 12);
		g.h = num_int(r, 24, 34);
		g.w = num_int(r, 24, 34);
		return g;
	default:
		return linear(r);
	}
}

struct et_conv conv_shape(enum conv_kind kind, struct et_rng *r)
{
	struct et_conv g = shape_of(kind, r);
	while (et_conv_shape(&g, NULL) < 0) {
		g.h++;
		g.w++;
	}
	return g;
}

struct num_sizes conv_sizes(const struct conv_case *t)
{
	const struct et_conv *g = &t->g;
	size_t n = (size_t)t->n;
	return (struct num_sizes){
		n * (size_t)g->h * (size_t)g->w * (size_t)g->c,
		n * (size_t)g->p * (size_t)g->q * (size_t)g->k,
		(size_t)g->k * (size_t)(g->c / g->groups) * (size_t)g->kh * (size_t)g->kw,
	};
}

/* Where the library keeps PyTorch's weight i: [k][kh][kw][c/groups], depthwise [kh][kw][c]. */
static size_t place(const struct et_conv *g, size_t i)
{
	size_t kw = (size_t)g->kw, kh = (size_t)g->kh, cg = (size_t)(g->c / g->groups);
	size_t b = i % kw, a = i / kw % kh, c = i / kw / kh % cg, k = i / kw / kh / cg;
	if (g->groups > 1 && g->groups == g->c && g->k == g->c)
		return (a * kw + b) * (size_t)g->c + k;
	return ((k * kh + a) * kw + b) * cg + c;
}

struct conv_case conv_random(const struct et_conv *g, int n, struct et_rng *r)
{
	struct conv_case t = {.g = *g, .n = n, .slack = 4};
	struct num_sizes s = conv_sizes(&t);

	t.x = num_normal(r, s.x);
	t.dy = num_normal(r, s.y);
	t.torch = num_normal(r, s.w);
	t.w = num_floats(s.w);
	t.dw0 = num_normal(r, s.w);
	t.residual = num_int(r, 0, 3) ? NULL : num_normal(r, s.y);
	t.scale = num_int(r, 0, 2) ? NULL : num_normal(r, (size_t)g->k);
	t.shift = num_int(r, 0, 1) ? NULL : num_normal(r, (size_t)g->k);
	t.act = (enum et_act)num_int(r, ET_ACT_NONE, ET_ACT_RELU6);
	t.y = num_floats(s.y);
	t.dx = num_floats(s.x);
	t.dw = num_floats(s.w);
	conv_expect(&t);
	return t;
}

static const double *maybe(const float *x, size_t n)
{
	return x ? num_double(x, n) : NULL;
}

void conv_expect(struct conv_case *t)
{
	const struct et_conv *g = &t->g;
	const enum ref_act acts[] = {REF_NONE, REF_RELU, REF_RELU6};
	struct num_sizes s = conv_sizes(t);
	struct ref_conv o = {.n = t->n,
			     .c = g->c,
			     .h = g->h,
			     .w = g->w,
			     .k = g->k,
			     .kh = g->kh,
			     .kw = g->kw,
			     .sh = g->sh,
			     .sw = g->sw,
			     .ph = g->ph,
			     .pw = g->pw,
			     .dh = g->dh,
			     .dw = g->dw,
			     .groups = g->groups};
	size_t hw = (size_t)g->h * (size_t)g->w, pq = (size_t)g->p * (size_t)g->q;
	const double *x = num_nchw(t->n, hw, g->c, t->x), *dy = num_nchw(t->n, pq, g->k, t->dy);
	const double *w = num_double(t->torch, s.w);
	struct ref y = num_ref(s.y), dx = num_ref(s.x), dw = num_ref(s.w);

	ck_assert(ref_conv_size(&o) && o.p == g->p && o.q == g->q);
	ref_conv_forward(&o, x, w, NULL, &y);
	ref_epilogue(t->n, g->k, (int)pq, maybe(t->scale, (size_t)g->k),
		     maybe(t->shift, (size_t)g->k),
		     t->residual ? num_nchw(t->n, pq, g->k, t->residual) : NULL, acts[t->act], &y);
	ref_conv_dx(&o, dy, w, &dx);
	ref_conv_dw(&o, x, dy, &dw);
	t->want_y = num_nhwc(t->n, pq, g->k, &y);
	t->want_dx = num_nhwc(t->n, hw, g->c, &dx);
	t->want_dw = num_ref(s.w);
	for (size_t i = 0; i < s.w; i++) {
		size_t at = place(g, i);
		t->w[at] = t->torch[i];
		t->want_dw.v[at] = dw.v[i] + (double)t->dw0[at];
		t->want_dw.mag[at] = dw.mag[i] + fabs((double)t->dw0[at]);
	}
}

void conv_label(const struct conv_case *t, const char *fmt, ...)
{
	const struct et_conv *g = &t->g;
	char what[64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	num_label("%s: n%d %dx%dx%d to %d, kernel %dx%d, stride %d,%d, padding %d,%d, dilation "
		  "%d,%d, groups %d%s%s%s%s",
		  what, t->n, g->h, g->w, g->c, g->k, g->kh, g->kw, g->sh, g->sw, g->ph, g->pw,
		  g->dh, g->dw, g->groups, t->scale ? ", scale" : "", t->shift ? ", shift" : "",
		  t->residual ? ", residual" : "",
		  (const char *[]){"", ", relu", ", relu6"}[t->act]);
}

static void run_forward(void *arg, const struct et_ctx *x, struct et_arena *work)
{
	struct conv_case *t = arg;
	struct et_epilogue e = {num_at(work, t->scale), num_at(work, t->shift),
				num_at(work, t->residual), t->act, NULL};
	bool plain = !t->scale && !t->shift && !t->residual && t->act == ET_ACT_NONE;
	et_conv_forward(x, &t->g, t->n, num_at(work, t->x), NULL, num_at(work, t->w),
			plain ? NULL : &e, num_at(work, t->y), work);
}

static void run_data(void *arg, const struct et_ctx *x, struct et_arena *work)
{
	struct conv_case *t = arg;
	et_conv_data(x, &t->g, t->n, num_at(work, t->dy), num_at(work, t->w), num_at(work, t->dx),
		     work);
}

static void run_weight(void *arg, const struct et_ctx *x, struct et_arena *work)
{
	struct conv_case *t = arg;
	et_conv_weight(x, &t->g, t->n, num_at(work, t->x), NULL, num_at(work, t->dy),
		       num_at(work, t->dw), work);
}

static void check(const struct conv_case *t, const char *what, const float *got,
		  const struct ref *want)
{
	if (t->only_nan)
		num_check_nan(what, got, want);
	else
		num_check(what, got, want, t->slack);
}

static void check_y(void *arg)
{
	const struct conv_case *t = arg;
	check(t, "y", t->y, &t->want_y);
}

static void check_dx(void *arg)
{
	const struct conv_case *t = arg;
	check(t, "dx", t->dx, &t->want_dx);
}

static void check_dw(void *arg)
{
	const struct conv_case *t = arg;
	check(t, "dw", t->dw, &t->want_dw);
}

void conv_run(struct conv_case *t)
{
	struct num_sizes s = conv_sizes(t);
	num_run(run_forward, check_y, t, &(struct num_out){t->y, s.y * sizeof(float), NULL}, 1);
	num_run(run_data, check_dx, t, &(struct num_out){t->dx, s.x * sizeof(float), NULL}, 1);
	num_run(run_weight, check_dw, t, &(struct num_out){t->dw, s.w * sizeof(float), t->dw0}, 1);
}

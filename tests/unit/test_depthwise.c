/*
 * Depthwise convolution: the kernels' rows of every instruction set against plain loops in double,
 * two rows at once against one at a time, and the operators on every kernel size, stride, dilation
 * and on odd widths, with and without a prologue.
 */
#include <string.h>

#include "conv_case.h"

static const struct et_kern *kern(int i)
{
	return et_kern_at((size_t)i);
}

/* ---- kernels --------------------------------------------------------------------------------- */

#define TAPS 7

struct rows {
	struct et_dw g;
	int count;		 /* output rows */
	size_t in, out, taps, c; /* floats of an input row, an output row, the weights */
	const float *x[TAPS + 1], *dy[TAPS];
	float *w;
	const float *w0; /* where tap 0 is: behind the others when mirrored */
	struct et_dw_end end;
};

static struct rows rows_new(struct et_rng *r)
{
	struct rows d = {.count = num_int(r, 1, 2)};
	struct et_dw *g = &d.g;
	int room;
	do {
		g->c = num_int(r, 1, 3) > 1 ? num_int(r, 1, 40) : num_int(r, 4, 300);
		g->w = num_int(r, 1, 24);
		g->kh = num_int(r, 1, TAPS);
		g->kw = num_int(r, 0, 3) ? 3 + 2 * num_int(r, 0, 2) : num_int(r, 1, TAPS);
		g->sw = num_int(r, 0, 4) ? num_int(r, 1, 2) : 3;
		g->pw = num_int(r, -2, 6);
		g->dw = num_int(r, 0, 3) ? 1 : num_int(r, 2, 3);
		room = g->w + 2 * g->pw - (g->kw - 1) * g->dw - 1;
	} while (room < 0);
	g->q = room / g->sw + 1;
	d.c = (size_t)g->c;
	g->xs = d.c + (size_t)num_int(r, 0, 2);
	g->ys = d.c + (size_t)num_int(r, 0, 2);
	g->ws = g->c + num_int(r, 0, 2);
	d.in = (size_t)(g->w - 1) * g->xs + d.c;
	d.out = (size_t)(g->q - 1) * g->ys + d.c;
	d.taps = (size_t)(g->kh * g->kw - 1) * (size_t)g->ws + d.c;
	for (int a = 0; a <= g->kh; a++)
		d.x[a] = num_int(r, 0, 3) ? num_normal(r, d.in) : NULL;
	for (int a = 0; a < g->kh; a++)
		d.dy[a] = num_int(r, 0, 3) ? num_normal(r, d.out) : NULL;
	d.w0 = d.w = num_normal(r, d.taps);
	if (num_int(r, 0, 1)) {
		d.w0 += (g->kh * g->kw - 1) * g->ws;
		g->ws = -g->ws;
	}
	d.end.scale = num_int(r, 0, 1) ? num_normal(r, d.c) : NULL;
	d.end.shift = num_int(r, 0, 1) ? num_normal(r, d.c) : NULL;
	d.end.res = num_int(r, 0, 2) ? NULL : num_normal(r, 2 * d.out);
	d.end.act = (enum et_act)num_int(r, ET_ACT_NONE, ET_ACT_RELU6);
	return d;
}

static double weight(const struct rows *d, int a, int b, size_t ch)
{
	return (double)d->w0[(a * d->g.kw + b) * d->g.ws + (ptrdiff_t)ch];
}

/* For every output pixel j and tap b inside the row: i = j*sw - pw + b*dw. */
#define EACH_TAP(d, a, b, i, j)                                                      \
	for (int a = 0; a < (d)->g.kh; a++)                                          \
		for (int b = 0; b < (d)->g.kw; b++)                                  \
			for (int j = 0, i = b * (d)->g.dw - (d)->g.pw; j < (d)->g.q; \
			     j++, i += (d)->g.sw)                                    \
				if (i >= 0 && i < (d)->g.w)

/* Gaps between pixels keep what they held. */
static void check_gaps(const struct rows *d, const float *v, size_t n, size_t step)
{
	for (size_t i = 0; i < n; i++)
		ck_assert_msg(i % step < d->c || v[i] == 77, "%s: wrote between pixels",
			      num_label_text());
}

static float *filled(size_t n)
{
	float *v = num_floats(n);
	for (size_t i = 0; i < n; i++)
		v[i] = 77;
	return v;
}

static void check_forward(const struct et_kern *k, const struct rows *d)
{
	static const enum ref_act acts[] = {REF_NONE, REF_RELU, REF_RELU6};
	size_t all = d->out * (size_t)d->count;
	struct ref want = num_ref(all);
	float *y = filled(all), *one = filled(all);
	const struct et_dw_end *e = &d->end;

	for (int row = 0; row < d->count; row++) {
		size_t y0 = (size_t)row * d->out;
		EACH_TAP(d, a, b, i, j)
		for (size_t ch = 0; d->x[a + row] && ch < d->c; ch++)
			ref_term(&want, y0 + (size_t)j * d->g.ys + ch,
				 (double)d->x[a + row][(size_t)i * d->g.xs + ch] *
					 weight(d, a, b, ch));
		for (size_t i = 0; i < d->out; i++) {
			struct ref at = {1, want.v + y0 + i, want.mag + y0 + i};
			double res = e->res ? (double)e->res[y0 + i] : 0, scale, shift;
			size_t ch = i % d->g.ys;
			if (ch >= d->c) {
				*at.v = 77;
				continue;
			}
			scale = e->scale ? (double)e->scale[ch] : 1;
			shift = e->shift ? (double)e->shift[ch] : 0;
			ref_epilogue(1, 1, 1, &scale, &shift, &res, acts[e->act], &at);
		}
	}
	k->dw_forward(&d->g, d->count, d->x, d->w0, e, y, d->out);
	num_check("dw_forward", y, &want, 4);
	check_gaps(d, y, d->out, d->g.ys);
	for (int row = 0; row < d->count; row++) {
		struct et_dw_end by_row = *e;
		if (e->res)
			by_row.res += (size_t)row * d->out;
		k->dw_forward(&d->g, 1, d->x + row, d->w0, &by_row, one + (size_t)row * d->out, 0);
	}
	num_check_bits("two rows one by one", one, y, all * sizeof(float));
	num_check_guards();
}

static void check_data(const struct et_kern *k, const struct rows *d)
{
	struct ref want = num_ref(d->in);
	float *dx = filled(d->in);

	EACH_TAP(d, a, b, i, j)
	for (size_t ch = 0; d->dy[a] && ch < d->c; ch++)
		ref_term(&want, (size_t)i * d->g.xs + ch,
			 (double)d->dy[a][(size_t)j * d->g.ys + ch] * weight(d, a, b, ch));
	for (size_t i = 0; i < d->in; i++)
		if (i % d->g.xs >= d->c)
			want.v[i] = 77;
	k->dw_data(&d->g, d->dy, d->w0, dx);
	num_check("dw_data", dx, &want, 4);
	num_check_guards();
}

/* Twice, so that it must add. */
static void check_weight(const struct et_kern *k, const struct rows *d, struct et_rng *r)
{
	const size_t vl = (size_t)k->vl, slots = (d->c + vl - 1) / vl * vl;
	const size_t taps = (size_t)(d->g.kh * d->g.kw);
	struct ref want = num_ref(taps * d->c);
	float *dy = num_normal(r, d->out), *dw = num_floats(taps * slots),
	      *got = num_floats(taps * d->c);
	struct et_dw g = d->g;

	g.ws = (ptrdiff_t)slots;
	memset(dw, 0, taps * slots * sizeof(float));
	EACH_TAP(d, a, b, i, j)
	for (size_t ch = 0; d->x[a] && ch < d->c; ch++)
		for (int twice = 0; twice < 2; twice++)
			ref_term(&want, (size_t)(a * g.kw + b) * d->c + ch,
				 (double)d->x[a][(size_t)i * g.xs + ch] *
					 (double)dy[(size_t)j * g.ys + ch]);
	k->dw_weight(&g, d->x, dy, dw);
	k->dw_weight(&g, d->x, dy, dw);
	for (size_t i = 0; i < taps * d->c; i++) {
		size_t ch = i % d->c, slot = ch < d->c / vl * vl ? ch : ch + slots - d->c;
		got[i] = dw[i / d->c * slots + slot];
	}
	num_check("dw_weight", got, &want, 6);
	num_check_guards();
}

START_TEST(rows)
{
	const struct et_kern *k = kern(_i);
	struct et_rng r = num_rng(26, 0);
	for (int shape = 0; shape < 400; shape++) {
		struct rows d = rows_new(&r);
		num_label("%s, depthwise %d rows, c %d, w %d, kernel %dx%d, stride %d, padding "
			  "%d, dilation %d",
			  k->name, d.count, d.g.c, d.g.w, d.g.kh, d.g.kw, d.g.sw, d.g.pw, d.g.dw);
		check_forward(k, &d);
		check_data(k, &d);
		check_weight(k, &d, &r);
	}
}
END_TEST

START_TEST(affine_act)
{
	const struct et_kern *k = kern(_i);
	struct et_rng r = num_rng(27, 0);
	for (size_t c = 1; c < 40; c++)
		for (int act = ET_ACT_NONE; act <= ET_ACT_RELU6; act++) {
			size_t xs = c + c % 3, ys = c + c % 2;
			float *x = num_normal(&r, 2 * xs + c), *y = filled(2 * ys + c);
			float *scale = num_normal(&r, c), *shift = num_normal(&r, c);
			float *want = filled(2 * ys + c);
			num_label("%s, affine_act c %zu, act %d", k->name, c, act);
			x[c - 1] = NAN;
			for (size_t i = 0; i < 3; i++) {
				const struct et_prologue p = {scale, shift, ET_ACT_NONE};
				k->affine(1, c, x + i * xs, &p, want + i * ys);
				if (act)
					k->act(c, want + i * ys, want + i * ys, NULL,
					       (enum et_act)act);
			}
			k->affine_act(3, c, x, xs, scale, shift, (enum et_act)act, y, ys);
			num_check_bits("y", y, want, (2 * ys + c) * sizeof(float));
			num_check_guards();
		}
}
END_TEST

/* ---- operators ------------------------------------------------------------------------------- */

static struct et_conv square(int h, int w, int c, int kernel, int stride, int pad, int dilation)
{
	struct et_conv g = {.h = h,
			    .w = w,
			    .c = c,
			    .k = c,
			    .kh = kernel,
			    .kw = kernel,
			    .sh = stride,
			    .sw = stride,
			    .ph = pad,
			    .pw = pad,
			    .dh = dilation,
			    .dw = dilation,
			    .groups = c};
	return g;
}

/* Every kernel size x stride x dilation, widths from one pixel on. */
START_TEST(shapes)
{
	struct et_rng r = num_rng(104, (uint32_t)_i);
	const int kernel = (const int[]){2, 3, 5, 7}[_i % 4];
	for (int stride = 1; stride <= 3; stride++)
		for (int dilation = 1; dilation <= 2; dilation++)
			for (int w = 1; w <= 11; w++) {
				int pad = num_int(&r, 0, 2) ? (kernel - 1) * dilation / 2
							    : num_int(&r, 0, kernel);
				struct et_conv g = square(num_int(&r, 1, 9), w, num_int(&r, 2, 40),
							  kernel, stride, pad, dilation);
				if (et_conv_shape(&g, NULL) < 0)
					continue;
				struct conv_case t = conv_random(&g, num_int(&r, 1, 3), &r);
				conv_label(&t, "depthwise");
				conv_run(&t);
			}
}
END_TEST

/* Several strips of channels, groups of rows and blocks of pixels. */
START_TEST(large)
{
	struct et_rng r = num_rng(105, (uint32_t)_i);
	const struct et_conv g[] = {
		square(7, 7, 424, 3, 1, 1, 1),	 square(14, 14, 200, 3, 2, 1, 1),
		square(40, 33, 24, 3, 1, 1, 1),	 square(8, 8, 160, 7, 1, 3, 1),
		square(16, 19, 130, 5, 2, 2, 1), square(31, 64, 17, 5, 1, 2, 1),
		square(9, 9, 230, 3, 1, 2, 2),	 square(64, 4, 7, 3, 1, 1, 1),
	};
	struct et_conv shape = g[_i];
	ck_assert_int_eq(et_conv_shape(&shape, NULL), ET_OK);
	struct conv_case t = conv_random(&shape, 2, &r);
	conv_label(&t, "large");
	conv_run(&t);
}
END_TEST

/* A prologue, and the same written out before by the unit's own kernels. */
struct pro_case {
	struct conv_case conv;
	struct et_prologue pro;
	float *through, *y, *dw;
};

static void run_prologue(void *arg, const struct et_ctx *x, struct et_arena *work)
{
	struct pro_case *t = arg;
	struct conv_case *c = &t->conv;
	struct et_prologue pro = {num_at(work, t->pro.scale), num_at(work, t->pro.shift),
				  t->pro.act};
	struct et_epilogue e = {num_at(work, c->scale), num_at(work, c->shift),
				num_at(work, c->residual), c->act, NULL};

	ck_assert(et_conv_takes_prologue(&c->g));
	et_conv_forward(x, &c->g, c->n, num_at(work, c->x), &pro, num_at(work, c->w), &e,
			num_at(work, t->y), work);
	et_conv_weight(x, &c->g, c->n, num_at(work, c->x), &pro, num_at(work, c->dy),
		       num_at(work, t->dw), work);
	if (work->base) {
		size_t pixels = (size_t)(c->n * c->g.h * c->g.w), n = pixels * (size_t)c->g.c;
		const struct et_prologue p = {t->pro.scale, t->pro.shift, ET_ACT_NONE};
		et_affine(x, pixels, c->g.c, c->x, &p, t->through);
		if (t->pro.act)
			et_act_forward(x, t->pro.act, n, t->through, t->through, NULL);
		memcpy(c->dw, c->dw0, conv_sizes(c).w * sizeof(float));
	}
	et_conv_forward(x, &c->g, c->n, num_at(work, t->through), NULL, num_at(work, c->w), &e,
			num_at(work, c->y), work);
	et_conv_weight(x, &c->g, c->n, num_at(work, t->through), NULL, num_at(work, c->dy),
		       num_at(work, c->dw), work);
	if (work->base) {
		num_check_bits("y", t->y, c->y, conv_sizes(c).y * sizeof(float));
		num_check_bits("dw", t->dw, c->dw, conv_sizes(c).w * sizeof(float));
	}
}

static void check_nothing(void *arg)
{
	(void)arg;
}

START_TEST(prologue)
{
	struct et_rng r = num_rng(106, (uint32_t)_i);
	for (int i = 0; i < 12; i++) {
		const int kernel = (const int[]){2, 3, 5, 7}[num_int(&r, 0, 3)];
		struct et_conv g =
			square(num_int(&r, 1, 20), num_int(&r, 1, 20), num_int(&r, 2, 40), kernel,
			       num_int(&r, 1, 3), num_int(&r, 0, kernel), num_int(&r, 1, 2));
		if (i == 0)
			g = square(9, 7, 270, 3, 1 + _i % 2, 1, 1);
		if (et_conv_shape(&g, NULL) < 0)
			continue;
		struct pro_case t = {.conv = conv_random(&g, num_int(&r, 1, 3), &r)};
		struct num_sizes s = conv_sizes(&t.conv);
		t.pro.scale = num_normal(&r, (size_t)g.c);
		t.pro.shift = num_normal(&r, (size_t)g.c);
		t.pro.act = (enum et_act)num_int(&r, ET_ACT_NONE, ET_ACT_RELU6);
		t.through = num_floats(s.x);
		t.y = num_floats(s.y);
		t.dw = num_floats(s.w);
		conv_label(&t.conv, "prologue %d", (int)t.pro.act);
		const struct num_out out[] = {{t.y, s.y * sizeof(float), NULL},
					      {t.dw, s.w * sizeof(float), t.conv.dw0}};
		num_run(run_prologue, check_nothing, &t, out, 2);
	}
}
END_TEST

/* ---- moments --------------------------------------------------------------------------------- */

struct moment_case {
	struct conv_case conv;
	struct et_prologue pro;
	bool through;
	float *mean, *var, *y;
	struct ref want_mean, want_var;
};

static void run_moments(void *arg, const struct et_ctx *x, struct et_arena *work)
{
	struct moment_case *t = arg;
	struct conv_case *c = &t->conv;
	struct et_prologue pro = {num_at(work, t->pro.scale), num_at(work, t->pro.shift),
				  t->pro.act};
	struct et_moments moments = {num_at(work, t->mean), num_at(work, t->var)};
	struct et_epilogue e = {num_at(work, c->scale), num_at(work, c->shift),
				num_at(work, c->residual), c->act, &moments};

	et_conv_forward(x, &c->g, c->n, num_at(work, c->x), t->through ? &pro : NULL,
			num_at(work, c->w), &e, num_at(work, t->y), work);
	e.moments = NULL;
	et_conv_forward(x, &c->g, c->n, num_at(work, c->x), t->through ? &pro : NULL,
			num_at(work, c->w), &e, num_at(work, c->y), work);
}

/* Of what was written, in two passes in double. */
static void check_moments(void *arg)
{
	struct moment_case *t = arg;
	const struct conv_case *conv = &t->conv;
	size_t c = (size_t)conv->g.c, n = conv_sizes(conv).y, pixels = n / c;

	num_check_bits("y", t->y, conv->y, n * sizeof(float));
	ref_clear(&t->want_mean);
	ref_clear(&t->want_var);
	for (size_t i = 0; i < n; i++)
		ref_term(&t->want_mean, i % c, (double)t->y[i] / (double)pixels);
	for (size_t i = 0; i < n; i++) {
		double mean = t->want_mean.v[i % c], d = (double)t->y[i] - mean;
		ref_term(&t->want_var, i % c, d * d / (double)pixels);
		/* A float mean is off by its own rounding. */
		t->want_var.mag[i % c] += mean * mean / (double)pixels;
	}
	num_check("mean", t->mean, &t->want_mean, 16);
	num_check("variance", t->var, &t->want_var, 32);
}

START_TEST(moments)
{
	struct et_rng r = num_rng(107, (uint32_t)_i);
	const struct et_conv g[] = {
		square(7, 7, 270, 3, 1, 1, 1),	square(14, 15, 200, 3, 2, 1, 1),
		square(37, 33, 64, 3, 1, 1, 1), square(45, 40, 41, 5, 2, 2, 1),
		square(1, 1, 5, 3, 1, 1, 1),	square(9, 3, 17, 2, 3, 1, 2),
		square(8, 9, 33, 7, 1, 3, 1),	square(120, 70, 16, 3, 1, 1, 1),
	};
	struct et_conv shape = g[_i % 8];
	ck_assert_int_eq(et_conv_shape(&shape, NULL), ET_OK);
	struct moment_case t = {.conv = conv_random(&shape, 1 + _i % 3, &r), .through = _i % 2};
	size_t c = (size_t)shape.c;
	t.pro.scale = num_normal(&r, c);
	t.pro.shift = num_normal(&r, c);
	t.pro.act = ET_ACT_RELU;
	t.mean = num_floats(c);
	t.var = num_floats(c);
	t.y = num_floats(conv_sizes(&t.conv).y);
	t.want_mean = num_ref(c);
	t.want_var = num_ref(c);
	conv_label(&t.conv, "moments");
	const struct num_out out[] = {{t.mean, c * sizeof(float), NULL},
				      {t.var, c * sizeof(float), NULL},
				      {t.y, conv_sizes(&t.conv).y * sizeof(float), NULL}};
	num_run(run_moments, check_moments, &t, out, 3);
}
END_TEST

/* Ones under weights ch + 1: what comes out counts the taps inside. */
START_TEST(hand)
{
	enum { C = 37, W = 6 };
	struct et_ctx x = {.k = kern(_i), .threads = 2};
	struct et_conv g = square(1, W, C, 3, 2, 1, 1);
	float in[W * C], w[9 * C], y[3 * C], dx[W * C], dw[9 * C];
	const int forward[] = {2, 3, 3}, data[] = {1, 2, 1, 2, 1, 1}, weights[] = {2, 3, 3};
	const float scale[C] = {[1] = 3}, shift[C] = {[1] = 1};
	struct et_arena arena;
	struct et_err err;

	ck_assert_int_eq(et_conv_shape(&g, &err), ET_OK);
	ck_assert_int_eq(et_arena_open(&arena, 1 << 20, &err), ET_OK);
	for (int i = 0; i < W * C; i++)
		in[i] = 1;
	for (int i = 0; i < 9 * C; i++) {
		w[i] = (float)(i % C + 1);
		dw[i] = 5;
	}
	et_conv_forward(&x, &g, 1, in, NULL, w, NULL, y, &arena);
	et_conv_data(&x, &g, 1, in, w, dx, &arena);
	et_conv_weight(&x, &g, 1, in, NULL, in, dw, &arena);
	for (int ch = 0; ch < C; ch++) {
		for (int i = 0; i < 3; i++)
			ck_assert(y[i * C + ch] == (float)(forward[i] * (ch + 1)));
		for (int i = 0; i < W; i++)
			ck_assert(dx[i * C + ch] == (float)(data[i] * (ch + 1)));
		/* Only the middle row of taps meets the one row there is. */
		for (int i = 0; i < 9; i++)
			ck_assert(dw[i * C + ch] == (float)(5 + (i / 3 == 1 ? weights[i % 3] : 0)));
	}
	/* 1 * 3 + 1 = 4 in channel 1, where 2 and 3 taps of weight 2 meet it; padding stays 0. */
	struct et_prologue pro = {scale, shift, ET_ACT_RELU};
	et_conv_forward(&x, &g, 1, in, &pro, w, NULL, y, &arena);
	ck_assert(y[1] == 16 && y[C + 1] == 24 && y[2 * C + 1] == 24 && y[0] == 0 && y[2] == 0);
	et_arena_close(&arena);
}
END_TEST

Suite *suite_depthwise(void);
Suite *suite_depthwise(void)
{
	Suite *s = suite_create("depthwise");
	TCase *tc = num_tcase("depthwise");
	int isas = 0;

	while (et_kern_at((size_t)isas))
		isas++;
	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, rows, 0, isas);
	tcase_add_loop_test(tc, affine_act, 0, isas);
	tcase_add_loop_test(tc, hand, 0, isas);
	tcase_add_loop_test(tc, shapes, 0, 4);
	tcase_add_loop_test(tc, large, 0, 8);
	tcase_add_loop_test(tc, prologue, 0, 6);
	tcase_add_loop_test(tc, moments, 0, 16);
	return s;
}

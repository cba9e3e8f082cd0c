/*
 * Convolution and linear layers against PyTorch, and against the oracle on random shapes under
 * every instruction set and number of threads. Numbers worked out by hand are in test_conv_hand.c.
 */
#include <stdio.h>
#include <string.h>

#include "conv_case.h"
#include "gold.h"
#include "parts.h"

#define SHAPES	300
#define PER_RUN 10

struct column_sum {
	size_t rows;
	int c;
	float *in, *sum;
	struct ref want;
};

static void run_sum(void *arg, const struct et_ctx *x, struct et_arena *work)
{
	struct column_sum *t = arg;
	et_channel_sum(x, t->rows, t->c, num_at(work, t->in), num_at(work, t->sum), work);
}

static void check_sum(void *arg)
{
	const struct column_sum *t = arg;
	num_check("sum", t->sum, &t->want, 16);
}

static void sum_case(size_t rows, int c, struct et_rng *r)
{
	size_t n = rows * (size_t)c;
	struct column_sum t = {rows, c, num_normal(r, n), num_floats((size_t)c),
			       num_ref((size_t)c)};
	float *before = num_normal(r, (size_t)c);

	for (size_t i = 0; i < (size_t)c; i++)
		ref_term(&t.want, i, (double)before[i]);
	for (size_t i = 0; i < n; i++) {
		t.in[i] += 3; /* all of a sign: a float sum would drift */
		ref_term(&t.want, i % (size_t)c, (double)t.in[i]);
	}
	num_label("channel sum of %zu rows of %d", rows, c);
	num_run(run_sum, check_sum, &t, &(struct num_out){t.sum, (size_t)c * sizeof(float), before},
		1);
}

/* ---- PyTorch --------------------------------------------------------------------------------- */

static void gold_conv(const struct gold_case *c)
{
	struct conv_case t = {.n = gold_int(c, "n"), .slack = 4};
	struct et_conv *g = &t.g;
	const struct {
		const char *key;
		int *v;
	} keys[] = {{"h", &g->h},	   {"w", &g->w},   {"c", &g->c},   {"k", &g->k},
		    {"kh", &g->kh},	   {"kw", &g->kw}, {"sh", &g->sh}, {"sw", &g->sw},
		    {"ph", &g->ph},	   {"pw", &g->pw}, {"dh", &g->dh}, {"dw", &g->dw},
		    {"groups", &g->groups}};
	for (size_t i = 0; i < ET_COUNT(keys); i++)
		*keys[i].v = gold_int(c, keys[i].key);
	ck_assert_int_eq(et_conv_shape(g, NULL), ET_OK);
	ck_assert_int_eq(g->p, gold_int(c, "p"));
	ck_assert_int_eq(g->q, gold_int(c, "q"));

	size_t hw = (size_t)(g->h * g->w), pq = (size_t)(g->p * g->q), k = (size_t)g->k;
	struct num_sizes s = conv_sizes(&t);
	t.x = gold_nhwc(c, "x", t.n, hw, g->c);
	t.dy = gold_nhwc(c, "dy", t.n, pq, g->k);
	t.torch = gold_f32(c, "w", s.w);
	t.shift = gold_f32(c, "b", k);
	t.y = num_floats(s.y);
	t.dx = num_floats(s.x);
	t.w = num_floats(s.w);
	t.dw = num_floats(s.w);
	t.dw0 = num_alloc(s.w, sizeof(float));
	conv_expect(&t);

	/* The oracle agrees with PyTorch, and the library with both. */
	const float *y = gold_nhwc(c, "y", t.n, pq, g->k), *dx = gold_nhwc(c, "dx", t.n, hw, g->c);
	float *dw = num_floats(s.w), *w = num_floats(s.w);
	et_conv_from_torch(g, gold_f32(c, "dw", s.w), dw);
	et_conv_from_torch(g, t.torch, w);
	num_check_bits("weights from PyTorch", w, t.w, s.w * sizeof(float));
	num_check_ref("oracle's y", &t.want_y, y, 0.5);
	num_check_ref("oracle's dx", &t.want_dx, dx, 0.5);
	num_check_ref("oracle's dw", &t.want_dw, dw, 0.5);
	conv_label(&t, "PyTorch's %s", c->name);
	conv_run(&t);

	const float *db = gold_f32(c, "db", k);
	struct column_sum sum = {(size_t)t.n * pq, g->k, t.dy, num_floats(k), num_ref(k)};
	for (size_t i = 0; i < s.y; i++)
		ref_term(&sum.want, i % k, (double)t.dy[i]);
	num_check_ref("oracle's db", &sum.want, db, 0.5);
	num_run(run_sum, check_sum, &sum,
		&(struct num_out){sum.sum, k * sizeof(float), num_alloc(k, sizeof(float))}, 1);
}

START_TEST(gold)
{
	gold_each("conv", "conv2d", 19, gold_conv);
}
END_TEST

/* ---- against the oracle ---------------------------------------------------------------------- */

START_TEST(oracle)
{
	for (int i = _i * PER_RUN; i < (_i + 1) * PER_RUN; i++) {
		struct et_rng r = num_rng(100, (uint32_t)i);
		struct et_conv g = conv_shape((enum conv_kind)(i % CONV_KINDS), &r);
		struct conv_case t = conv_random(&g, num_int(&r, 1, 3), &r);
		conv_label(&t, "shape %d", i);
		conv_run(&t);
	}
}
END_TEST

/* The generator reaches what it is for, whatever is changed in it. */
START_TEST(coverage)
{
	int several[6] = {0};
	for (int i = 0; i < SHAPES; i++) {
		struct et_rng r = num_rng(100, (uint32_t)i);
		struct et_conv g = conv_shape((enum conv_kind)(i % CONV_KINDS), &r);
		several[0] += g.kh * g.kw * g.c / g.groups > 3 * ET_KC_MAX;
		several[1] += g.kh * g.kw * g.k / g.groups > 3 * ET_KC_MAX;
		several[2] += g.k > 512 || g.kh * g.kw * g.c / g.groups > 512;
		several[3] += g.p * g.q > 3 * ET_KC_MAX;
		several[4] += g.sh > g.kh || g.sw > g.kw; /* pixels that no tap meets */
		several[5] += g.ph >= g.kh || g.pw >= g.kw;
	}
	for (size_t i = 0; i < ET_COUNT(several); i++)
		ck_assert_msg(several[i] >= 5, "only %d shapes of sort %zu", several[i], i);
}
END_TEST

/* Forward, an image gives the same bits in whatever company. */
START_TEST(alone)
{
	struct et_arena arena;
	struct et_err err;

	ck_assert_int_eq(et_arena_open(&arena, 64 << 20, &err), ET_OK);
	for (int i = _i * PER_RUN; i < (_i + 1) * PER_RUN; i++) {
		struct et_rng r = num_rng(104, (uint32_t)i);
		struct et_conv g = conv_shape((enum conv_kind)(i % CONV_KINDS), &r);
		int n = num_int(&r, 2, 9), chunk = num_int(&r, 1, n - 1);
		struct conv_case t = conv_random(&g, n, &r);
		size_t in = conv_sizes(&t).x / (size_t)n, out = conv_sizes(&t).y / (size_t)n;
		float *y = num_floats((size_t)n * out);
		conv_label(&t, "shape %d, %d of %d images", i, chunk, n);
		for (size_t isa = 0; et_kern_at(isa); isa++) {
			struct et_ctx x = {.k = et_kern_at(isa), .threads = 1 + i % 3};
			struct et_epilogue e = {.scale = t.scale, .shift = t.shift, .act = t.act};
			e.residual = t.residual;
			et_conv_forward(&x, &g, n, t.x, NULL, t.w, &e, t.y, &arena);
			for (int at = 0; at < n; at += chunk) {
				size_t from = (size_t)at;
				e.residual = t.residual ? t.residual + from * out : NULL;
				et_conv_forward(&x, &g, n - at < chunk ? n - at : chunk,
						t.x + from * in, NULL, t.w, &e, y + from * out,
						&arena);
			}
			num_check_bits("chunks", y, t.y, (size_t)n * out * sizeof(float));
		}
		num_check_guards();
	}
	et_arena_close(&arena);
}
END_TEST

/* <conv(x, w), d> = <x, data(d, w)> = <w, weight(x, d)>. */
START_TEST(adjoint)
{
	struct et_arena arena;
	struct et_err err;
	struct et_rng r = num_rng(101, (uint32_t)_i);
	struct et_conv g = conv_shape((enum conv_kind)_i, &r);
	struct conv_case t = conv_random(&g, 2, &r);
	t.scale = t.shift = t.residual = NULL;
	t.act = ET_ACT_NONE;
	conv_label(&t, "adjoint");

	struct et_ctx x = {.k = et_kern_at(0), .threads = 2};
	struct num_sizes s = conv_sizes(&t);
	ck_assert_int_eq(et_arena_open(&arena, 64 << 20, &err), ET_OK);
	memset(t.dw, 0, s.w * sizeof(float));
	et_conv_forward(&x, &g, t.n, t.x, NULL, t.w, NULL, t.y, &arena);
	et_conv_data(&x, &g, t.n, t.dy, t.w, t.dx, &arena);
	et_conv_weight(&x, &g, t.n, t.x, NULL, t.dy, t.dw, &arena);
	double yd = 0, xdx = 0, wdw = 0, mag = 0;
	for (size_t i = 0; i < s.y; i++) {
		yd += (double)t.y[i] * (double)t.dy[i];
		mag += t.want_y.mag[i] * fabs((double)t.dy[i]);
	}
	for (size_t i = 0; i < s.x; i++)
		xdx += (double)t.x[i] * (double)t.dx[i];
	for (size_t i = 0; i < s.w; i++)
		wdw += (double)t.w[i] * (double)t.dw[i];
	ck_assert_double_le(fabs(yd - xdx), 1e-7 * mag);
	ck_assert_double_le(fabs(yd - wdw), 1e-7 * mag);
	et_arena_close(&arena);
}
END_TEST

/* One NaN anywhere spoils exactly what depends on it, and relu does not hide it. */
START_TEST(nan_spreads)
{
	struct et_rng r = num_rng(102, (uint32_t)_i);
	struct et_conv g = conv_shape((enum conv_kind)_i, &r);
	for (int which = 0; which < 3; which++) {
		struct conv_case t = conv_random(&g, 2, &r);
		struct num_sizes s = conv_sizes(&t);
		if (which == 0)
			t.x[et_rng_below(&r, (uint32_t)s.x)] = NAN;
		else if (which == 1)
			t.torch[et_rng_below(&r, (uint32_t)s.w)] = NAN;
		else
			t.dy[et_rng_below(&r, (uint32_t)s.y)] = NAN;
		t.act = which ? ET_ACT_RELU6 : ET_ACT_RELU;
		t.only_nan = which > 0;
		conv_expect(&t);
		conv_label(&t, "NaN in %s", (const char *[]){"x", "w", "dy"}[which]);
		conv_run(&t);
	}
}
END_TEST

/* ---- a prologue ------------------------------------------------------------------------------ */

struct through {
	struct conv_case t;
	struct et_prologue pro;
	float *z;      /* x through the prologue, written out */
	float *y, *dw; /* from z */
};

static void run_through(void *arg, const struct et_ctx *x, struct et_arena *work)
{
	const struct through *p = arg;
	const struct conv_case *t = &p->t;
	const struct et_conv *g = &t->g;
	const struct et_prologue pro = {num_at(work, p->pro.scale), num_at(work, p->pro.shift),
					p->pro.act};
	size_t pixels = (size_t)t->n * (size_t)g->h * (size_t)g->w;
	const float *in = num_at(work, t->x), *w = num_at(work, t->w), *dy = num_at(work, t->dy);

	if (!et_measuring(work))
		et_affine(x, pixels, g->c, t->x, &pro, p->z);
	et_conv_forward(x, g, t->n, num_at(work, p->z), NULL, w, NULL, num_at(work, p->y), work);
	et_conv_weight(x, g, t->n, num_at(work, p->z), NULL, dy, num_at(work, p->dw), work);
	et_conv_forward(x, g, t->n, in, &pro, w, NULL, num_at(work, t->y), work);
	et_conv_weight(x, g, t->n, in, &pro, dy, num_at(work, t->dw), work);
}

static void check_through(void *arg)
{
	const struct through *p = arg;
	struct num_sizes s = conv_sizes(&p->t);
	num_check_bits("y", p->t.y, p->y, s.y * sizeof(float));
	num_check_bits("dw", p->t.dw, p->dw, s.w * sizeof(float));
}

/* The same bits as from an input written out by et_affine(). */
START_TEST(prologue)
{
	for (int i = 0; i < 4; i++) {
		struct et_rng r = num_rng(104, (uint32_t)(_i * 4 + i));
		struct et_conv g = conv_shape((enum conv_kind)_i, &r);
		struct through p = {.t = conv_random(&g, num_int(&r, 1, 3), &r)};
		struct num_sizes s = conv_sizes(&p.t);
		if (!et_conv_takes_prologue(&g))
			return;
		p.pro.scale = num_normal(&r, (size_t)g.c);
		p.pro.shift = num_normal(&r, (size_t)g.c); /* so that padding would not stay 0 */
		p.pro.act = (enum et_act)(i % 3);
		p.z = num_floats(s.x);
		p.y = num_floats(s.y);
		p.dw = num_floats(s.w);
		conv_label(&p.t, "prologue %d", i);
		num_run(run_through, check_through, &p,
			(struct num_out[]){{p.t.y, s.y * sizeof(float), NULL},
					   {p.y, s.y * sizeof(float), NULL},
					   {p.t.dw, s.w * sizeof(float), p.t.dw0},
					   {p.dw, s.w * sizeof(float), p.t.dw0}},
			4);
	}
}
END_TEST

START_TEST(who_takes_prologue)
{
	struct et_rng r = num_rng(105, 0);
	for (int kind = 0; kind < CONV_KINDS; kind++) {
		struct et_conv g = conv_shape((enum conv_kind)kind, &r);
		if (g.groups == 1)
			ck_assert(et_conv_takes_prologue(&g));
	}
}
END_TEST

/* Images for 512 pixels, or with Winograd for 196 tiles of 4x4; depthwise ones pack nothing. */
START_TEST(images_at_once)
{
	struct et_ctx x = {.k = et_kern_select("generic"), .threads = 1};
	struct et_conv g = {.h = 28, .w = 28, .c = 128, .k = 128, .kh = 3, .kw = 3, .groups = 1};

	g.sh = g.sw = g.ph = g.pw = g.dh = g.dw = 1;
	ck_assert_int_eq(et_conv_shape(&g, NULL), ET_OK);
	ck_assert_int_eq(et_conv_images(&x, &g), 4); /* 49 tiles */
	x.direct = true;
	ck_assert_int_eq(et_conv_images(&x, &g), 1);
	x.direct = false;
	g.sh = g.sw = 2;
	ck_assert_int_eq(et_conv_shape(&g, NULL), ET_OK);
	ck_assert_int_eq(et_conv_images(&x, &g), 3); /* 196 pixels */
	g.groups = 128;
	ck_assert_int_eq(et_conv_images(&x, &g), 1);
}
END_TEST

/* Scratch for a batch serves every smaller one: the last of an epoch. */
static void measure_all(const struct et_ctx *x, const struct et_conv *g, int n, size_t peak[4])
{
	const struct et_bn_grad through = {0};
	const struct et_bn_sums sums = {0};
	const struct et_prologue pro = {0};
	const struct et_moments moments = {0};
	const struct et_epilogue epi = {.moments = &moments};
	const struct et_conv_pair pair = {.pro = &pro, .through = &through, .sums = &sums};
	struct et_arena work[4];

	for (int i = 0; i < 4; i++)
		work[i] = et_arena_measure();
	et_conv_forward(x, g, n, NULL, &pro, NULL, &epi, NULL, &work[0]);
	et_conv_data(x, g, n, NULL, NULL, NULL, &work[1]);
	et_conv_weight(x, g, n, NULL, &pro, NULL, NULL, &work[2]);
	if (et_conv_walks_both(g) || et_conv_depthwise(g))
		et_conv_backward(x, g, n, &pair, &work[3]);
	for (int i = 0; i < 4; i++)
		peak[i] = work[i].peak;
}

START_TEST(fewer)
{
	struct et_rng r = num_rng(88, (uint32_t)_i);
	static const char *const what[] = {"forward", "data", "weight", "backward"};

	for (int shape = 0; shape < 40; shape++) {
		struct et_conv g = conv_shape((enum conv_kind)(shape % CONV_KINDS), &r);
		ck_assert_int_eq(et_conv_shape(&g, NULL), ET_OK);
		for (size_t i = 0; et_kern_at(i); i++) {
			struct et_ctx x = {.k = et_kern_at(i), .threads = num_int(&r, 1, 4)};
			size_t before[4] = {0}, now[4];
			for (int n = 1; n <= 40; n += 1 + n / 4) {
				measure_all(&x, &g, n, now);
				for (int k = 0; k < 4; k++)
					ck_assert_msg(now[k] >= before[k],
						      "%s, %s: %dx%dx%d to %d, kernel %dx%d, "
						      "stride %d: %d images need %zu, fewer %zu",
						      x.k->name, what[k], g.h, g.w, g.c, g.k, g.kh,
						      g.kw, g.sh, n, now[k], before[k]);
				memcpy(before, now, sizeof(before));
			}
		}
	}
}
END_TEST

/* Bias gradients, long columns among them. */
START_TEST(channel_sum)
{
	struct et_rng r = num_rng(103, (uint32_t)_i);
	const struct {
		size_t rows;
		int c;
	} t[] = {{1, 1}, {3, 5}, {40, 16}, {1000, 33}, {50000, 3}, {700, 130}, {200000, 1}};
	sum_case(t[_i].rows, t[_i].c, &r);
}
END_TEST

Suite *suite_conv(void);
Suite *suite_conv(void)
{
	Suite *s = suite_create("conv");
	TCase *tc = num_tcase("oracle");

	suite_add_tcase(s, tcase_conv_hand());
	suite_add_tcase(s, tc);
	tcase_add_test(tc, gold);
	tcase_add_test(tc, coverage);
	tcase_add_loop_test(tc, oracle, 0, SHAPES / PER_RUN);
	tcase_add_loop_test(tc, alone, 0, SHAPES / PER_RUN);
	tcase_add_loop_test(tc, adjoint, 0, CONV_KINDS);
	tcase_add_loop_test(tc, nan_spreads, 0, CONV_KINDS);
	tcase_add_loop_test(tc, prologue, 0, CONV_KINDS);
	tcase_add_test(tc, who_takes_prologue);
	tcase_add_test(tc, images_at_once);
	tcase_add_loop_test(tc, fewer, 0, 3);
	tcase_add_loop_test(tc, channel_sum, 0, 7);
	return s;
}

/*
 * Convolution and linear layers: by hand, against PyTorch, and against the oracle on random shapes
 * under every instruction set and number of threads.
 */
#include <stdio.h>
#include <string.h>

#include "conv_case.h"
#include "gold.h"

#define SHAPES	300
#define PER_RUN 10

/* ---- by hand ---- */

#define HAND(what, got, ...)                                                                       \
	do {                                                                                       \
		const float hand_[] = {__VA_ARGS__};                                               \
		num_label("line %d, %s", __LINE__, x.k->name);                                     \
		for (size_t i_ = 0; i_ < ET_COUNT(hand_); i_++)                                    \
			ck_assert_msg((got)[i_] == hand_[i_], "%s: " what "[%zu] is %g, not %g",   \
				      num_label_text(), i_, (double)(got)[i_], (double)hand_[i_]); \
	} while (0)

static struct et_arena arena;

static void arena_new(void)
{
	struct et_err err;
	ck_assert_int_eq(et_arena_open(&arena, 64 << 20, &err), ET_OK);
}

START_TEST(hand_ones)
{
	const float one[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
	struct et_ctx x = {et_kern_at((size_t)_i), 1};
	struct et_conv g = {.h = 3,
			    .w = 3,
			    .c = 1,
			    .k = 1,
			    .kh = 3,
			    .kw = 3,
			    .sh = 1,
			    .sw = 1,
			    .ph = 1,
			    .pw = 1,
			    .dh = 1,
			    .dw = 1,
			    .groups = 1};
	float y[9], dx[9], dw[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, db[1] = {100};

	arena_new();
	ck_assert_int_eq(et_conv_shape(&g, NULL), ET_OK);
	et_conv_forward(&x, &g, 1, one, one, NULL, y, &arena);
	HAND("y", y, 4, 6, 4, 6, 9, 6, 4, 6, 4);
	et_conv_data(&x, &g, 1, one, one, dx, &arena);
	HAND("dx", dx, 4, 6, 4, 6, 9, 6, 4, 6, 4);
	et_conv_weight(&x, &g, 1, one, one, dw, &arena);
	HAND("dw", dw, 5, 8, 7, 10, 14, 12, 11, 14, 13);
	et_channel_sum(&x, 9, 1, one, db, &arena);
	HAND("db", db, 109);

	const float scale[1] = {2}, shift[1] = {-10};
	const float residual[9] = {0, 0, 3, 0, 0, 0, 0, 0, 20};
	struct et_epilogue e = {scale, shift, residual, ET_ACT_RELU};
	et_conv_forward(&x, &g, 1, one, one, &e, y, &arena);
	HAND("y", y, 0, 2, 1, 2, 8, 2, 0, 2, 18);
	e.act = ET_ACT_RELU6;
	et_conv_forward(&x, &g, 1, one, one, &e, y, &arena);
	HAND("y", y, 0, 2, 1, 2, 6, 2, 0, 2, 6);
	et_arena_close(&arena);
}
END_TEST

/* Two channels in depthwise layout: the first as 3x3 ones, the second a lone tap at the top left.
 */
START_TEST(hand_depthwise)
{
	float x0[18], w[18] = {0}, y[18], dx[18], dw[18] = {0};
	struct et_ctx x = {et_kern_at((size_t)_i), 1};
	struct et_conv g = {.h = 3,
			    .w = 3,
			    .c = 2,
			    .k = 2,
			    .kh = 3,
			    .kw = 3,
			    .sh = 1,
			    .sw = 1,
			    .ph = 1,
			    .pw = 1,
			    .dh = 1,
			    .dw = 1,
			    .groups = 2};

	arena_new();
	ck_assert_int_eq(et_conv_shape(&g, NULL), ET_OK);
	for (int i = 0; i < 9; i++) {
		x0[2 * i] = w[2 * i] = 1;
		x0[2 * i + 1] = (float)(i + 1);
	}
	w[1] = 10;
	et_conv_forward(&x, &g, 1, x0, w, NULL, y, &arena);
	HAND("y", y, 4, 0, 6, 0, 4, 0, 6, 0, 9, 10, 6, 20, 4, 0, 6, 40, 4, 50);
	et_conv_data(&x, &g, 1, x0, w, dx, &arena);
	HAND("dx", dx, 4, 50, 6, 60, 4, 0, 6, 80, 9, 90, 6, 0, 4, 0, 6, 0, 4, 0);
	et_conv_weight(&x, &g, 1, x0, x0, dw, &arena);
	/* second channel, tap at the top left: 1*5 + 2*6 + 4*8 + 5*9 */
	HAND("dw", dw, 4, 94);
	et_arena_close(&arena);
}
END_TEST

START_TEST(hand_linear)
{
	const float in[6] = {1, 2, 3, 4, 5, 6}, w[6] = {1, 10, 100, 0, -1, 1}, dy[4] = {1, 2, 3, 4};
	float y[4], dx[6], dw[6] = {0}, torch[6];
	struct et_ctx x = {et_kern_at((size_t)_i), 1};
	struct et_conv g = {.h = 1,
			    .w = 1,
			    .c = 3,
			    .k = 2,
			    .kh = 1,
			    .kw = 1,
			    .sh = 1,
			    .sw = 1,
			    .dh = 1,
			    .dw = 1,
			    .groups = 1};

	arena_new();
	ck_assert_int_eq(et_conv_shape(&g, NULL), ET_OK);
	et_conv_forward(&x, &g, 2, in, w, NULL, y, &arena);
	HAND("y", y, 321, 1, 654, 1);
	et_conv_data(&x, &g, 2, dy, w, dx, &arena);
	HAND("dx", dx, 1, 8, 102, 3, 26, 304);
	et_conv_weight(&x, &g, 2, in, dy, dw, &arena);
	HAND("dw", dw, 13, 17, 21, 18, 24, 30);
	et_conv_to_torch(&g, w, torch);
	HAND("[out][in]", torch, 1, 10, 100, 0, -1, 1);
	et_arena_close(&arena);
}
END_TEST

START_TEST(layouts)
{
	const struct et_kern *k = et_kern_at(0);
	struct et_ctx x = {k, 1};
	float w[12], torch[12], back[12];
	for (int i = 0; i < 12; i++)
		w[i] = (float)i;
	/* [k=2][1][kw=3][c=2] -> [2][2][1][3] */
	struct et_conv g = {.c = 2, .k = 2, .kh = 1, .kw = 3, .groups = 1};
	ck_assert_uint_eq(et_conv_weights(&g), 12);
	et_conv_to_torch(&g, w, torch);
	HAND("OIHW", torch, 0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11);
	et_conv_from_torch(&g, torch, back);
	num_check_bits("OHWI again", back, w, sizeof(w));
	/* depthwise [kh=2][kw=2][c=3] -> [3][1][2][2] */
	struct et_conv d = {.c = 3, .k = 3, .kh = 2, .kw = 2, .groups = 3};
	ck_assert_uint_eq(et_conv_weights(&d), 12);
	et_conv_to_torch(&d, w, torch);
	HAND("depthwise", torch, 0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11);
	et_conv_from_torch(&d, torch, back);
	num_check_bits("HWC again", back, w, sizeof(w));
	/* groups of one channel with two outputs each are no depthwise layer */
	struct et_conv m = {.c = 3, .k = 6, .kh = 1, .kw = 2, .groups = 3};
	ck_assert(!et_conv_depthwise(&m) && et_conv_depthwise(&d) && !et_conv_depthwise(&g));
	et_conv_to_torch(&m, w, torch);
	num_check_bits("multiplier", torch, w, sizeof(w));
}
END_TEST

START_TEST(shapes)
{
	struct et_err err;
	struct et_conv g = {.h = 7,
			    .w = 5,
			    .c = 6,
			    .k = 9,
			    .kh = 3,
			    .kw = 5,
			    .sh = 2,
			    .sw = 1,
			    .ph = 1,
			    .pw = 0,
			    .dh = 2,
			    .dw = 1,
			    .groups = 3};
	ck_assert_int_eq(et_conv_shape(&g, &err), ET_OK);
	ck_assert_int_eq(g.p, 3);
	ck_assert_int_eq(g.q, 1);
	ck_assert_uint_eq(et_conv_weights(&g), 9 * 3 * 5 * 2);
	ck_assert_double_eq(et_conv_mac(&g), 3.0 * 1 * 9 * 3 * 5 * 2);
	g.w = 4;
	ck_assert_int_eq(et_conv_shape(&g, &err), ET_EDATA);
	ck_assert_int_eq(err.code, ET_EDATA);
	ck_assert_ptr_nonnull(strstr(err.text, "kernel"));
	g.w = 5;
	g.groups = 2; /* divides 6, not 9 */
	ck_assert_int_eq(et_conv_shape(&g, &err), ET_EDATA);
	ck_assert_ptr_nonnull(strstr(err.text, "groups"));
	g.groups = 9; /* and the other way round */
	ck_assert_int_eq(et_conv_shape(&g, &err), ET_EDATA);
}
END_TEST

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

/* ---- PyTorch ---- */

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

/* ---- against the oracle ---- */

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

/* <conv(x, w), d> = <x, data(d, w)> = <w, weight(x, d)>. */
START_TEST(adjoint)
{
	struct et_rng r = num_rng(101, (uint32_t)_i);
	struct et_conv g = conv_shape((enum conv_kind)_i, &r);
	struct conv_case t = conv_random(&g, 2, &r);
	t.scale = t.shift = t.residual = NULL;
	t.act = ET_ACT_NONE;
	conv_label(&t, "adjoint");

	struct et_ctx x = {et_kern_at(0), 2};
	struct num_sizes s = conv_sizes(&t);
	arena_new();
	memset(t.dw, 0, s.w * sizeof(float));
	et_conv_forward(&x, &g, t.n, t.x, t.w, NULL, t.y, &arena);
	et_conv_data(&x, &g, t.n, t.dy, t.w, t.dx, &arena);
	et_conv_weight(&x, &g, t.n, t.x, t.dy, t.dw, &arena);
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
	TCase *hand = num_tcase("hand"), *tc = num_tcase("oracle");
	int isas = 0;

	while (et_kern_at((size_t)isas))
		isas++;
	suite_add_tcase(s, hand);
	tcase_add_loop_test(hand, hand_ones, 0, isas);
	tcase_add_loop_test(hand, hand_depthwise, 0, isas);
	tcase_add_loop_test(hand, hand_linear, 0, isas);
	tcase_add_test(hand, layouts);
	tcase_add_test(hand, shapes);
	tcase_add_test(hand, gold);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, coverage);
	tcase_add_loop_test(tc, oracle, 0, SHAPES / PER_RUN);
	tcase_add_loop_test(tc, adjoint, 0, CONV_KINDS);
	tcase_add_loop_test(tc, nan_spreads, 0, CONV_KINDS);
	tcase_add_loop_test(tc, channel_sum, 0, 7);
	return s;
}

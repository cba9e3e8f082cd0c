/*
 * Winograd convolutions against the oracle, with the error that their transforms allow; exact and
 * hand-made cases; both orders of work bit for bit.
 */
#include <string.h>

#include "conv_case.h"
#include "op/winograd.h"
#include "ref_wino.h"

#define SHAPES	120
#define PER_RUN 8

/* A 3x3 convolution as a Winograd job, forward or dx. */
struct rows {
	struct et_wino_rows g;
	float *y;
	float *residual;
	const float *weights, *scale, *shift, *pro_scale, *pro_shift;
	enum et_act act, pro_act;
	bool pro;
	struct ref want;
	double slack;
};

static void run_rows(void *arg, const struct et_ctx *x, struct et_arena *work)
{
	struct rows *t = arg;
	struct et_wino_rows g = t->g;
	struct et_prologue pro = {num_at(work, t->pro_scale), num_at(work, t->pro_shift),
				  t->pro_act};
	struct et_epilogue epi = {num_at(work, t->scale), num_at(work, t->shift),
				  num_at(work, t->residual), t->act, NULL};

	g.src = num_at(work, t->g.src);
	g.weights = num_at(work, t->weights);
	g.y = num_at(work, t->y);
	g.pro = t->pro ? &pro : NULL;
	g.epi = t->scale || t->shift || t->residual || t->act ? &epi : NULL;
	et_wino_rows(x, &g, work);
}

static void check_rows(void *arg)
{
	const struct rows *t = arg;
	num_check("y", t->y, &t->want, t->slack);
}

static float act_of(enum et_act act, float v)
{
	if (act != ET_ACT_NONE && v < 0)
		v = 0;
	return act == ET_ACT_RELU6 && v > 6 ? 6 : v;
}

/* Channels: few, around the vectors and panels, and now and then several depth blocks. */
static int channels(struct et_rng *r)
{
	int sort = num_int(r, 0, 9);
	return sort < 5 ? num_int(r, 1, 40) : sort < 9 ? num_int(r, 41, 90) : num_int(r, 257, 290);
}

static struct et_conv shape(struct et_rng *r)
{
	struct et_conv g = {.kh = 3, .kw = 3, .groups = 1};
	g.sh = g.sw = g.dh = g.dw = 1;
	g.h = num_int(r, 1, 11);
	g.w = num_int(r, 1, 11);
	g.c = channels(r);
	g.k = channels(r);
	g.ph = num_int(r, 0, 2);
	g.pw = num_int(r, 0, 2);
	while (et_conv_shape(&g, NULL) < 0) {
		g.h++;
		g.w++;
	}
	return g;
}

/* What the prologue makes of x; and the magnitude of its terms, at which scale it is rounded. */
static float *after_prologue(const struct rows *t, size_t n, float *mag)
{
	float *x = num_floats(n);
	for (size_t i = 0; i < n; i++) {
		size_t ch = i % (size_t)t->g.s.c;
		x[i] = t->g.src[i];
		if (t->pro_scale)
			x[i] *= t->pro_scale[ch];
		mag[i] = fabsf(x[i]);
		if (t->pro_shift) {
			x[i] += t->pro_shift[ch];
			mag[i] += fabsf(t->pro_shift[ch]);
		}
		x[i] = act_of(t->pro_act, x[i]);
	}
	return x;
}

static void expect(struct rows *t, struct et_conv g, int n)
{
	struct conv_case c = {.g = g,
			      .n = n,
			      .scale = t->scale,
			      .shift = t->shift,
			      .residual = t->residual,
			      .act = t->act};
	struct num_sizes s = conv_sizes(&c);
	struct ref_wino f = ref_wino_make(t->g.s.m);
	double *mag = num_alloc(s.y, sizeof(double));
	float *xmag = num_floats(s.x);

	c.x = after_prologue(t, s.x, xmag);
	c.dy = num_alloc(s.y, sizeof(float));
	c.w = num_floats(s.w);
	c.dw0 = num_alloc(s.w, sizeof(float));
	c.torch = num_floats(s.w);
	et_conv_to_torch(&g, t->weights, c.torch);
	conv_expect(&c);
	ref_wino_rows(&f, n, g.h, g.w, g.c, g.ph, g.pw, g.p, g.q, g.k, xmag, t->weights, mag);
	t->want = c.want_y;
	for (size_t i = 0; i < s.y; i++)
		t->want.mag[i] += mag[i] * (t->scale ? fabs((double)t->scale[i % (size_t)g.k]) : 1);
}

static void random_rows(int i, bool check_order)
{
	struct et_rng r = num_rng(900, (uint32_t)i);
	struct et_conv g = shape(&r);
	int n = num_int(&r, 1, 4);
	struct conv_case sizes = {.g = g, .n = n};
	struct num_sizes s = conv_sizes(&sizes);
	size_t k = (size_t)g.k, c = (size_t)g.c;
	struct rows t = {.g = {.s = et_wino_shape(&g, n, i % 2 ? 4 : 2)}, .slack = 1};

	t.g.order = (enum et_wino_order)num_int(&r, 0, 2);
	t.g.src = num_normal(&r, s.x);
	t.weights = num_normal(&r, s.w);
	t.y = num_floats(s.y);
	t.scale = num_int(&r, 0, 2) ? NULL : num_normal(&r, k);
	t.shift = num_int(&r, 0, 1) ? NULL : num_normal(&r, k);
	t.residual = num_int(&r, 0, 3) ? NULL : num_normal(&r, s.y);
	t.act = (enum et_act)num_int(&r, ET_ACT_NONE, ET_ACT_RELU6);
	t.pro = num_int(&r, 0, 1);
	if (t.pro) {
		t.pro_scale = num_int(&r, 0, 2) ? num_normal(&r, c) : NULL;
		t.pro_shift = num_int(&r, 0, 2) ? num_normal(&r, c) : NULL;
		t.pro_act = (enum et_act)num_int(&r, ET_ACT_NONE, ET_ACT_RELU6);
	}
	expect(&t, g, n);
	if (num_int(&r, 0, 1)) { /* the same from the layer whose dx this is */
		float *turned = num_floats(s.w);
		for (size_t o = 0; o < k; o++)
			for (size_t tap = 0; tap < 9; tap++)
				for (size_t ch = 0; ch < c; ch++)
					turned[(ch * 9 + 8 - tap) * k + o] =
						t.weights[(o * 9 + tap) * c + ch];
		t.weights = turned;
		t.g.back = true;
	}
	sizes.scale = t.scale;
	sizes.shift = t.shift;
	sizes.residual = t.residual;
	sizes.act = t.act;
	conv_label(&sizes, "F(%d)%s%s", t.g.s.m, t.g.back ? " back" : "", t.pro ? " prologue" : "");
	if (!check_order) {
		num_run(run_rows, check_rows, &t, &(struct num_out){t.y, s.y * sizeof(float), NULL},
			1);
		return;
	}
	struct et_ctx x;
	for (size_t isa = 0; (x = (struct et_ctx){.k = et_kern_at(isa), .threads = 2}).k; isa++) {
		float *y[3];
		for (int order = 1; order <= 2; order++) {
			struct et_arena work, plan = et_arena_measure();
			t.g.order = (enum et_wino_order)order;
			t.y = y[order] = num_floats(s.y);
			run_rows(&t, &x, &plan);
			ck_assert_int_eq(et_arena_open(&work, plan.peak, NULL), ET_OK);
			run_rows(&t, &x, &work);
			et_arena_close(&work);
		}
		num_check_bits(x.k->name, y[1], y[2], s.y * sizeof(float));
	}
}

START_TEST(rows_oracle)
{
	for (int i = _i * PER_RUN; i < (_i + 1) * PER_RUN; i++)
		random_rows(i, false);
}
END_TEST

START_TEST(rows_orders)
{
	for (int i = _i * PER_RUN; i < (_i + 1) * PER_RUN; i++)
		random_rows(i, true);
}
END_TEST

/* ---- the weight gradient --------------------------------------------------------------------- */

struct sum {
	struct et_wino_sum g;
	float *dw, *dw0;
	struct et_prologue pro;
	bool prologue;
	struct ref want;
	double slack;
};

static void run_sum(void *arg, const struct et_ctx *x, struct et_arena *work)
{
	struct sum *t = arg;
	struct et_wino_sum g = t->g;
	struct et_prologue pro = {num_at(work, t->pro.scale), num_at(work, t->pro.shift),
				  t->pro.act};

	g.src = num_at(work, t->g.src);
	g.dy = num_at(work, t->g.dy);
	g.dw = num_at(work, t->dw);
	g.pro = t->prologue ? &pro : NULL;
	et_wino_sum(x, &g, work);
}

static void check_sum(void *arg)
{
	const struct sum *t = arg;
	num_check("dw", t->dw, &t->want, t->slack);
}

static void sum_case(int m, struct et_conv g, int n, bool integers, struct et_rng *r)
{
	struct conv_case c = {.g = g, .n = n};
	struct num_sizes s = conv_sizes(&c);
	struct sum t = {.g = {.s = et_wino_shape(&g, n, m)}, .slack = integers ? 0 : 1};
	struct ref_wino f = ref_wino_make(m);
	double *mag = num_alloc(s.w, sizeof(double));
	float *x = num_normal(r, s.x), *dy = num_normal(r, s.y);

	t.dw = num_floats(s.w);
	t.dw0 = num_normal(r, s.w);
	for (size_t i = 0; integers && i < s.x; i++)
		x[i] = (float)num_int(r, -9, 9);
	for (size_t i = 0; integers && i < s.y; i++)
		dy[i] = (float)(2 * num_int(r, -9, 9)); /* G^T divides by 4 */
	for (size_t i = 0; integers && i < s.w; i++)
		t.dw0[i] = (float)num_int(r, -9, 9);
	t.g.src = c.x = x;
	t.g.dy = c.dy = dy;
	t.prologue = !integers && num_int(r, 0, 1);
	float *xmag = x;
	if (t.prologue) {
		t.pro = (struct et_prologue){num_normal(r, (size_t)g.c), num_normal(r, (size_t)g.c),
					     (enum et_act)num_int(r, ET_ACT_NONE, ET_ACT_RELU6)};
		struct rows rows = {.g = {.src = x, .s.c = g.c},
				    .pro_scale = t.pro.scale,
				    .pro_shift = t.pro.shift,
				    .pro_act = t.pro.act};
		xmag = num_floats(s.x);
		c.x = after_prologue(&rows, s.x, xmag);
	}
	c.dw0 = t.dw0;
	c.w = num_floats(s.w);
	c.torch = num_alloc(s.w, sizeof(float));
	conv_expect(&c);
	ref_wino_sum(&f, n, g.h, g.w, g.c, g.ph, g.pw, g.p, g.q, g.k, xmag, dy, mag);
	t.want = c.want_dw;
	for (size_t i = 0; i < s.w; i++)
		t.want.mag[i] += mag[i];
	conv_label(&c, "F(%d) dw%s%s", m, integers ? " of integers" : "",
		   t.prologue ? " prologue" : "");
	num_run(run_sum, check_sum, &t, &(struct num_out){t.dw, s.w * sizeof(float), t.dw0}, 1);
}

START_TEST(sum_oracle)
{
	for (int i = _i * PER_RUN; i < (_i + 1) * PER_RUN; i++) {
		struct et_rng r = num_rng(902, (uint32_t)i);
		struct et_conv g = shape(&r);
		if (i % 10 == 9) { /* several blocks of tiles */
			g.h = num_int(&r, 30, 40);
			g.w = num_int(&r, 30, 40);
			g.c = num_int(&r, 1, 40);
			g.k = num_int(&r, 1, 20);
			ck_assert_int_eq(et_conv_shape(&g, NULL), ET_OK);
		}
		int n = num_int(&r, 1, 4);
		sum_case(i % 2 ? 4 : 2, g, n, i % 8 == 0, &r);
	}
}
END_TEST

/* ---- what is known without an oracle --------------------------------------------------------- */

/* The matrices that the bound is made of are those of an algorithm that computes a convolution. */
START_TEST(matrices)
{
	struct ref_wino f = ref_wino_make(_i ? 4 : 2);
	for (int tap = 0; tap < 3; tap++)
		for (int in = 0; in < f.n; in++)
			for (int out = 0; out < f.m; out++) {
				double y = 0;
				for (int i = 0; i < f.n; i++)
					y += f.at[out][i] * f.g[i][tap] * f.bt[i][in];
				ck_assert_double_eq_tol(y, in == out + tap, 1e-14);
			}
}
END_TEST

/* Scratch is planned for the largest batch: a smaller one needs no more. */
START_TEST(scratch)
{
	const int sides[] = {1, 4, 7, 8, 14, 28}, channels_of[] = {32, 64, 128, 200, 256, 512};
	struct et_ctx x = {.threads = 1 + _i % 3};

	for (size_t isa = 0; (x.k = et_kern_at(isa)); isa++)
		for (size_t i = 0; i < ET_COUNT(sides) * ET_COUNT(channels_of); i++) {
			int side = sides[i % ET_COUNT(sides)], c = channels_of[i / ET_COUNT(sides)];
			size_t rows = 0, sum = 0;
			for (int n = 1; n <= 40; n++) {
				struct et_arena a = et_arena_measure(), b = et_arena_measure();
				struct et_wino_shape shape = {4, n, side, side, c,
							      1, 1, side, side, 2 * c};
				struct et_wino_rows g = {.s = shape};
				struct et_wino_sum s = {.s = shape};
				et_wino_rows(&x, &g, &a);
				et_wino_sum(&x, &s, &b);
				num_label("%d images of %dx%dx%d, %s", n, side, side, c, x.k->name);
				ck_assert_msg(a.peak >= rows, "%s: rows: %zu bytes, %zu for fewer",
					      num_label_text(), a.peak, rows);
				ck_assert_msg(b.peak >= sum, "%s: sum: %zu bytes, %zu for fewer",
					      num_label_text(), b.peak, sum);
				rows = a.peak;
				sum = b.peak;
			}
		}
}
END_TEST

/* F(2x2) has no rounding among small integers. */
START_TEST(integers)
{
	struct et_rng r = num_rng(901, (uint32_t)_i);
	struct et_conv g = shape(&r);
	struct conv_case sizes = {.g = g, .n = 2};
	struct num_sizes s = conv_sizes(&sizes);
	float *x = num_floats(s.x), *w = num_floats(s.w);
	struct rows t = {.g = {.s = et_wino_shape(&g, 2, 2), .src = x},
			 .weights = w,
			 .y = num_floats(s.y),
			 .slack = 0};

	for (size_t i = 0; i < s.x; i++)
		x[i] = (float)num_int(&r, -9, 9);
	for (size_t i = 0; i < s.w; i++)
		w[i] = (float)num_int(&r, -9, 9);
	expect(&t, g, 2);
	conv_label(&sizes, "integers");
	num_run(run_rows, check_rows, &t, &(struct num_out){t.y, s.y * sizeof(float), NULL}, 1);
}
END_TEST

/* Ones: every result counts the pixels that a kernel meets. And a lone tap shifts the picture. */
START_TEST(by_hand)
{
	enum { SIDE = 6, N = SIDE * SIDE };
	float one[N], w[9], y[N], x[N];
	const int met[SIDE] = {2, 3, 3, 3, 3, 2};
	struct et_wino_rows g = {
		.s = {4, 1, SIDE, SIDE, 1, 1, 1, SIDE, SIDE, 1}, .weights = w, .y = y};
	struct et_arena work;
	struct et_ctx ctx;

	ck_assert_int_eq(et_arena_open(&work, 16 << 20, NULL), ET_OK);
	for (size_t isa = 0; (ctx = (struct et_ctx){.k = et_kern_at(isa), .threads = 1}).k; isa++)
		for (g.s.m = 2; g.s.m <= 4; g.s.m += 2) {
			for (int i = 0; i < N; i++) {
				one[i] = 1;
				x[i] = (float)(i * i % 31);
			}
			for (int i = 0; i < 9; i++)
				w[i] = 1;
			g.src = one;
			et_wino_rows(&ctx, &g, &work);
			for (int i = 0; i < N; i++)
				ck_assert_float_eq_tol(y[i], (float)(met[i / SIDE] * met[i % SIDE]),
						       1e-5f);
			g.src = x;
			for (int tap = 0; tap < 9; tap++) {
				memset(w, 0, sizeof(w));
				w[tap] = 1;
				et_wino_rows(&ctx, &g, &work);
				for (int i = 0; i < N; i++) {
					int a = i / SIDE + tap / 3 - 1, b = i % SIDE + tap % 3 - 1;
					bool in = a >= 0 && a < SIDE && b >= 0 && b < SIDE;
					ck_assert_float_eq_tol(y[i], in ? x[a * SIDE + b] : 0,
							       1e-4f);
				}
			}
		}
	et_arena_close(&work);
}
END_TEST

Suite *suite_winograd(void);
Suite *suite_winograd(void)
{
	Suite *s = suite_create("winograd");
	TCase *tc = num_tcase("rows");

	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, matrices, 0, 2);
	tcase_add_test(tc, by_hand);
	tcase_add_loop_test(tc, scratch, 0, 3);
	tcase_add_loop_test(tc, integers, 0, 12);
	tcase_add_loop_test(tc, rows_oracle, 0, SHAPES / PER_RUN);
	tcase_add_loop_test(tc, sum_oracle, 0, SHAPES / PER_RUN);
	tcase_add_loop_test(tc, rows_orders, 0, 4);
	return s;
}

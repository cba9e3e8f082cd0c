/* Pooling and resizing: by hand, against PyTorch, and against the oracle on random shapes. */
#include <string.h>

#include "gold.h"
#include "pool_case.h"

/* ---- PyTorch --------------------------------------------------------------------------------- */

static enum pool_kind gold_kind;

/* PyTorch's index is h*w of the chosen pixel; ours is the tap of the window. */
static void gold_index(const struct gold_case *c, const struct pool_case *t)
{
	const struct et_pool *g = &t->g;
	const int32_t *index = gold_i32(c, "index", t->ny);
	for (int i = 0; i < (int)t->ny; i++) {
		int q = i % g->q, p = i / g->q % g->p, ch = i / (g->q * g->p) % g->c;
		int img = i / (g->q * g->p * g->c);
		int tap = t->tap[((img * g->p + p) * g->q + q) * g->c + ch];
		int row = p * g->sh - g->ph + tap / g->kw, col = q * g->sw - g->pw + tap % g->kw;
		ck_assert_int_eq(index[i], row * g->w + col);
	}
}

static void gold_window(const struct gold_case *c)
{
	struct pool_case t = {.kind = gold_kind, .n = gold_int(c, "n")};
	struct et_pool *g = &t.g;

	g->h = gold_int(c, "h");
	g->w = gold_int(c, "w");
	g->c = gold_int(c, "c");
	if (t.kind <= POOL_AVG) {
		g->kh = gold_int(c, "kh");
		g->kw = gold_int(c, "kw");
		g->sh = gold_int(c, "sh");
		g->sw = gold_int(c, "sw");
		g->ph = gold_int(c, "ph");
		g->pw = gold_int(c, "pw");
		g->ceil_mode = gold_int(c, "ceil");
		g->include_pad = gold_int(c, "include");
		ck_assert_int_eq(et_pool_shape(g, NULL), ET_OK);
		ck_assert_int_eq(g->p, gold_int(c, "p"));
		ck_assert_int_eq(g->q, gold_int(c, "q"));
	} else {
		g->p = gold_int(c, "p");
		g->q = gold_int(c, "q");
	}
	size_t hw = (size_t)(g->h * g->w), pq = (size_t)(g->p * g->q);
	pool_alloc(&t);
	t.x = gold_nhwc(c, "x", t.n, hw, g->c);
	t.dy = gold_nhwc(c, "dy", t.n, pq, g->c);
	pool_run(&t);
	num_check_ref("oracle's y", &t.want_y, gold_nhwc(c, "y", t.n, pq, g->c), 1);
	num_check_ref("oracle's dx", &t.want_dx, gold_nhwc(c, "dx", t.n, hw, g->c), 1);
	if (t.kind == POOL_MAX)
		gold_index(c, &t);
}

START_TEST(gold)
{
	const char *const files[] = {"pool", "pool", "pool", "upsample", "upsample"};
	const int least[] = {7, 9, 4, 8, 8};
	gold_kind = (enum pool_kind)_i;
	gold_each(files[_i], pool_kinds[_i], least[_i], gold_window);
}
END_TEST

/* Rows 40..42 of 2 to 82: PyTorch's float ratio takes row 0 for output 41. */
static void gold_rounding(const struct gold_case *c)
{
	struct et_ctx x = {.k = et_kern_at(0), .threads = 1};
	const float *in = gold_nhwc(c, "x", 1, 6, 2), *want = gold_nhwc(c, "y", 1, 3 * 123, 2);
	const size_t n = (size_t)82 * 123 * 2, at = (size_t)40 * 123 * 2;
	float *y = num_floats(n);
	struct ref exact = num_ref(n);
	et_upsample_forward(&x, ET_UPSAMPLE_NEAREST, 1, 2, 3, 2, 82, 123, in, y);
	num_check_bits("y", y + at, want, (size_t)3 * 123 * 2 * sizeof(float));
	ref_nearest_forward(2, 2, 3, 82, 123, num_nchw(1, 6, 2, in), &exact);
	exact = num_nhwc(1, (size_t)82 * 123, 2, &exact);
	num_check("y", y, &exact, 0);
}

START_TEST(rounding)
{
	gold_each("upsample", "nearest_rows", 1, gold_rounding);
}
END_TEST

/* ---- shapes ---------------------------------------------------------------------------------- */

START_TEST(pool_shapes)
{
	struct et_rng r = num_rng(70, 0);
	struct et_err err;
	int good = 0;
	for (int i = 0; i < 5000; i++) {
		struct pool_case t = {.n = 1};
		struct et_pool *g = &t.g;
		g->c = 1;
		g->h = num_int(&r, 1, 12);
		g->w = num_int(&r, 1, 12);
		g->kh = num_int(&r, 1, 5);
		g->kw = num_int(&r, 1, 5);
		g->sh = num_int(&r, 1, 4);
		g->sw = num_int(&r, 1, 4);
		g->ph = num_int(&r, 0, 3);
		g->pw = num_int(&r, 0, 3);
		g->ceil_mode = num_int(&r, 0, 1);
		struct ref_pool o = pool_oracle(&t);
		bool ok = ref_pool_size(&o) && 2 * g->ph <= g->kh && 2 * g->pw <= g->kw;
		ck_assert_int_eq(et_pool_shape(g, &err), ok ? ET_OK : ET_EDATA);
		if (!ok)
			continue;
		good++;
		ck_assert_int_eq(g->p, o.p);
		ck_assert_int_eq(g->q, o.q);
	}
	ck_assert_int_gt(good, 1000);
	struct et_pool g = {.h = 20, .w = 20, .c = 1, .kh = 16, .kw = 16, .sh = 1, .sw = 1};
	ck_assert_int_eq(et_pool_shape(&g, &err), ET_EDATA); /* 256 taps */
	g.kh = 15;
	ck_assert_int_eq(et_pool_shape(&g, &err), ET_OK);
}
END_TEST

/* ---- against the oracle ---------------------------------------------------------------------- */

START_TEST(oracle)
{
	for (int shape = 0; shape < 60; shape++) {
		struct pool_case t = {.kind = (enum pool_kind)_i};
		struct et_rng r = num_rng(71, (uint32_t)(_i * 1000 + shape));
		pool_random(&t, &r, shape % 2);
		pool_label(&t, shape);
		pool_run(&t);
	}
}
END_TEST

/* A NaN anywhere reaches what it touches; the infinities are numbers like others to max. */
START_TEST(nan_spreads)
{
	for (int shape = 0; shape < 20; shape++) {
		/* A bilinear place rounded off a pixel's centre touches the next as well. */
		struct pool_case t = {.kind = (enum pool_kind)_i, .only_nan = _i == POOL_BILINEAR};
		struct et_rng r = num_rng(72, (uint32_t)(_i * 1000 + shape));
		pool_random(&t, &r, true);
		for (int some = 0; some < 5; some++) {
			if (_i == POOL_MAX)
				t.x[et_rng_below(&r, (uint32_t)t.nx)] = -INFINITY;
			t.x[et_rng_below(&r, (uint32_t)t.nx)] = NAN;
			t.dy[et_rng_below(&r, (uint32_t)t.ny)] = NAN;
		}
		pool_label(&t, shape);
		pool_run(&t);
	}
}
END_TEST

/* All of a window -Inf: still one of its taps inside the picture, by vectors and one by one. */
START_TEST(all_infinite)
{
	const int channels[] = {1, 3, 7, 21};
	for (size_t ch = 0; ch < ET_COUNT(channels); ch++) {
		struct pool_case t = {.kind = POOL_MAX, .n = 1};
		struct et_rng r = num_rng(73, 0);
		t.g = (struct et_pool){.h = 5,
				       .w = 6,
				       .c = channels[ch],
				       .kh = 3,
				       .kw = 3,
				       .sh = 2,
				       .sw = 2,
				       .ph = 1,
				       .pw = 1};
		ck_assert_int_eq(et_pool_shape(&t.g, NULL), ET_OK);
		pool_alloc(&t);
		t.x = num_floats(t.nx);
		t.dy = num_normal(&r, t.ny);
		for (size_t i = 0; i < t.nx; i++)
			t.x[i] = -INFINITY;
		num_label("max of -Inf, %d channels", channels[ch]);
		pool_run(&t);
	}
}
END_TEST

/* ---- by hand --------------------------------------------------------------------------------- */

#define HAND(got, ...)                                                                        \
	do {                                                                                  \
		const float hand_[] = {__VA_ARGS__};                                          \
		for (size_t i_ = 0; i_ < ET_COUNT(hand_); i_++)                               \
			ck_assert_msg((got)[i_] == hand_[i_], #got "[%zu] is %g, not %g", i_, \
				      (double)(got)[i_], (double)hand_[i_]);                  \
	} while (0)

START_TEST(hand)
{
	struct et_ctx x = {.k = et_kern_at((size_t)_i), .threads = 1};
	const float in[] = {1, 3, 2, 3, 0, 5, 4, 4, 1}, one[] = {1, 1, 1, 1};
	const float count[] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, line[] = {1, 2, 3, 4, 5};
	float y[16], dx[9];
	uint8_t index[4];
	struct et_pool g = {.h = 3, .w = 3, .c = 1, .kh = 2, .kw = 2, .sh = 1, .sw = 1};

	ck_assert_int_eq(et_pool_shape(&g, NULL), ET_OK);
	et_maxpool_forward(&x, &g, 1, in, y, index);
	HAND(y, 3, 5, 4, 5);
	HAND(index, 1, 3, 2, 1);
	et_maxpool_backward(&x, &g, 1, one, index, dx);
	HAND(dx, 0, 1, 0, 0, 0, 2, 1, 0, 0);

	struct et_pool a = {
		.h = 3, .w = 3, .c = 1, .kh = 3, .kw = 3, .sh = 2, .sw = 2, .ph = 1, .pw = 1};
	ck_assert_int_eq(et_pool_shape(&a, NULL), ET_OK);
	et_avgpool_forward(&x, &a, 1, count, y);
	HAND(y, 3, 4, 6, 7);
	const float dy[] = {36, 0, 0, 0};
	et_avgpool_backward(&x, &a, 1, dy, dx);
	HAND(dx, 9, 9, 0, 9, 9, 0, 0, 0, 0);
	a.include_pad = true;
	et_avgpool_backward(&x, &a, 1, dy, dx);
	HAND(dx, 4, 4, 0, 4, 4, 0, 0, 0, 0);

	et_adaptive_forward(&x, 1, 1, 5, 1, 1, 3, line, y);
	HAND(y, 1.5f, 3, 4.5f);
	et_adaptive_forward(&x, 1, 3, 3, 1, 1, 1, count, y);
	HAND(y, 5);
	const float corner[] = {0, 1, 2, 3};
	et_upsample_forward(&x, ET_UPSAMPLE_NEAREST, 1, 2, 2, 1, 4, 4, corner, y);
	HAND(y, 0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 3, 3, 2, 2, 3, 3);
	et_upsample_backward(&x, ET_UPSAMPLE_NEAREST, 1, 1, 3, 1, 1, 5, line, dx);
	HAND(dx, 3, 7, 5);
	et_upsample_forward(&x, ET_UPSAMPLE_BILINEAR, 1, 2, 2, 1, 4, 4, corner, y);
	HAND(y, 0, 0.25f, 0.75f, 1, 0.5f, 0.75f, 1.25f, 1.5f, 1.5f, 1.75f, 2.25f, 2.5f, 2, 2.25f,
	     2.75f, 3);
}
END_TEST

Suite *suite_pool(void);
Suite *suite_pool(void)
{
	Suite *s = suite_create("pool");
	TCase *tc = num_tcase("pool");
	int isas = 0;

	while (et_kern_at((size_t)isas))
		isas++;
	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, hand, 0, isas);
	tcase_add_loop_test(tc, gold, 0, POOL_KINDS);
	tcase_add_test(tc, rounding);
	tcase_add_test(tc, pool_shapes);
	tcase_add_loop_test(tc, oracle, 0, POOL_KINDS);
	tcase_add_loop_test(tc, nan_spreads, 0, POOL_KINDS);
	tcase_add_test(tc, all_infinite);
	return s;
}

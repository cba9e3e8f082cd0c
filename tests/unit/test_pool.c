/* Pooling and resizing: by hand, against PyTorch, and against the oracle on random shapes. */
#include <string.h>

#include "gold.h"

/* Every operator here is x -> y forward and dy -> dx backward; g serves all of them. */
enum kind { MAX, AVG, ADAPTIVE, NEAREST, BILINEAR, KINDS };
static const char *const kinds[] = {"maxpool2d", "avgpool2d", "adaptive_avgpool2d", "nearest",
				    "bilinear"};

struct window {
	enum kind kind;
	int n;
	struct et_pool g; /* of it all but MAX and AVG use h, w, c, p, q alone */
	size_t nx, ny;	  /* elements */
	float *x, *dy, *y, *dx;
	uint8_t *index, *tap; /* the library's, the oracle's */
	struct ref want_y, want_dx;
	bool only_nan; /* see that NaN is where it should be, and nothing else */
};

static void run_forward(void *arg, const struct et_ctx *x, struct et_arena *work)
{
	const struct window *t = arg;
	const struct et_pool *g = &t->g;
	if (et_measuring(work))
		return; /* these take no scratch */
	switch (t->kind) {
	case MAX:
		et_maxpool_forward(x, g, t->n, t->x, t->y, t->index);
		break;
	case AVG:
		et_avgpool_forward(x, g, t->n, t->x, t->y);
		break;
	case ADAPTIVE:
		et_adaptive_forward(x, t->n, g->h, g->w, g->c, g->p, g->q, t->x, t->y);
		break;
	default:
		et_upsample_forward(x,
				    t->kind == NEAREST ? ET_UPSAMPLE_NEAREST : ET_UPSAMPLE_BILINEAR,
				    t->n, g->h, g->w, g->c, g->p, g->q, t->x, t->y);
	}
}

static void run_backward(void *arg, const struct et_ctx *x, struct et_arena *work)
{
	const struct window *t = arg;
	const struct et_pool *g = &t->g;
	if (et_measuring(work))
		return;
	switch (t->kind) {
	case MAX:
		et_maxpool_backward(x, g, t->n, t->dy, t->tap, t->dx);
		break;
	case AVG:
		et_avgpool_backward(x, g, t->n, t->dy, t->dx);
		break;
	case ADAPTIVE:
		et_adaptive_backward(x, t->n, g->h, g->w, g->c, g->p, g->q, t->dy, t->dx);
		break;
	default:
		et_upsample_backward(
			x, t->kind == NEAREST ? ET_UPSAMPLE_NEAREST : ET_UPSAMPLE_BILINEAR, t->n,
			g->h, g->w, g->c, g->p, g->q, t->dy, t->dx);
	}
}

static void check_forward(void *arg)
{
	const struct window *t = arg;
	if (t->only_nan)
		num_check_nan("y", t->y, &t->want_y);
	else
		num_check("y", t->y, &t->want_y, 4);
	if (t->index)
		num_check_bits("index", t->index, t->tap, t->ny);
}

static void check_backward(void *arg)
{
	const struct window *t = arg;
	if (t->only_nan)
		num_check_nan("dx", t->dx, &t->want_dx);
	else
		num_check("dx", t->dx, &t->want_dx, 4);
}

static struct ref_pool oracle_pool(const struct window *t)
{
	const struct et_pool *g = &t->g;
	return (struct ref_pool){.n = t->n,
				 .c = g->c,
				 .h = g->h,
				 .w = g->w,
				 .kh = g->kh,
				 .kw = g->kw,
				 .sh = g->sh,
				 .sw = g->sw,
				 .ph = g->ph,
				 .pw = g->pw,
				 .ceil_mode = g->ceil_mode,
				 .include_pad = g->include_pad,
				 .p = g->p,
				 .q = g->q};
}

/* The oracle's y, its chosen taps and dx. */
static void window_expect(struct window *t)
{
	const struct et_pool *g = &t->g;
	struct ref_pool o = oracle_pool(t);
	size_t hw = (size_t)(g->h * g->w), pq = (size_t)(g->p * g->q);
	const double *x = num_nchw(t->n, hw, g->c, t->x), *dy = num_nchw(t->n, pq, g->c, t->dy);
	struct ref y = num_ref(t->ny), dx = num_ref(t->nx);
	int nc = t->n * g->c, *index = num_alloc(t->ny, sizeof(int));

	switch (t->kind) {
	case MAX:
		ref_maxpool_forward(&o, x, &y, index);
		ref_maxpool_backward(&o, dy, index, &dx);
		break;
	case AVG:
		ref_avgpool_forward(&o, x, &y);
		ref_avgpool_backward(&o, dy, &dx);
		break;
	case ADAPTIVE:
		ref_adaptive_forward(nc, g->h, g->w, g->p, g->q, x, &y);
		ref_adaptive_backward(nc, g->h, g->w, g->p, g->q, dy, &dx);
		break;
	case NEAREST:
		ref_nearest_forward(nc, g->h, g->w, g->p, g->q, x, &y);
		ref_nearest_backward(nc, g->h, g->w, g->p, g->q, dy, &dx);
		break;
	default:
		ref_bilinear_forward(nc, g->h, g->w, g->p, g->q, x, &y);
		ref_bilinear_backward(nc, g->h, g->w, g->p, g->q, dy, &dx);
	}
	t->want_y = num_nhwc(t->n, pq, g->c, &y);
	t->want_dx = num_nhwc(t->n, hw, g->c, &dx);
	for (size_t i = 0; i < t->ny; i++) {
		size_t c = (size_t)g->c, img = i / c / pq, at = i / c % pq;
		t->tap[i] = (uint8_t)index[(img * c + i % c) * pq + at];
	}
}

/* Buffers for a geometry whose p and q are known; x and dy are the caller's to fill. */
static void window_alloc(struct window *t)
{
	const struct et_pool *g = &t->g;
	t->nx = (size_t)t->n * (size_t)g->h * (size_t)g->w * (size_t)g->c;
	t->ny = (size_t)t->n * (size_t)g->p * (size_t)g->q * (size_t)g->c;
	t->y = num_floats(t->ny);
	t->dx = num_floats(t->nx);
	t->tap = num_guarded(t->ny);
	t->index = t->kind == MAX ? num_guarded(t->ny) : NULL;
}

static void window_run(struct window *t)
{
	const struct num_out out[] = {{t->y, t->ny * sizeof(float), NULL}, {t->index, t->ny, NULL}};
	window_expect(t);
	num_run(run_forward, check_forward, t, out, t->kind == MAX ? 2 : 1);
	num_run(run_backward, check_backward, t,
		&(struct num_out){t->dx, t->nx * sizeof(float), NULL}, 1);
	if (t->kind != MAX)
		return;
	t->index = NULL; /* inference keeps none */
	num_run(run_forward, check_forward, t, out, 1);
}

/* ---- PyTorch ---- */

static enum kind gold_kind;

/* PyTorch's index is h*w of the chosen pixel; ours is the tap of the window. */
static void gold_index(const struct gold_case *c, const struct window *t)
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
	struct window t = {.kind = gold_kind, .n = gold_int(c, "n")};
	struct et_pool *g = &t.g;

	g->h = gold_int(c, "h");
	g->w = gold_int(c, "w");
	g->c = gold_int(c, "c");
	if (t.kind <= AVG) {
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
	window_alloc(&t);
	t.x = gold_nhwc(c, "x", t.n, hw, g->c);
	t.dy = gold_nhwc(c, "dy", t.n, pq, g->c);
	window_run(&t);
	num_check_ref("oracle's y", &t.want_y, gold_nhwc(c, "y", t.n, pq, g->c), 1);
	num_check_ref("oracle's dx", &t.want_dx, gold_nhwc(c, "dx", t.n, hw, g->c), 1);
	if (t.kind == MAX)
		gold_index(c, &t);
}

START_TEST(gold)
{
	const char *const files[] = {"pool", "pool", "pool", "upsample", "upsample"};
	const int least[] = {7, 9, 4, 8, 8};
	gold_kind = (enum kind)_i;
	gold_each(files[_i], kinds[_i], least[_i], gold_window);
}
END_TEST

/* Rows 40..42 of 2 to 82: PyTorch's float ratio takes row 0 for output 41. */
static void gold_rounding(const struct gold_case *c)
{
	struct et_ctx x = {et_kern_at(0), 1};
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

/* ---- shapes ---- */

START_TEST(pool_shapes)
{
	struct et_rng r = num_rng(70, 0);
	struct et_err err;
	int good = 0;
	for (int i = 0; i < 5000; i++) {
		struct window t = {.n = 1};
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
		struct ref_pool o = oracle_pool(&t);
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

/* ---- against the oracle ---- */

static void random_shape(struct window *t, struct et_rng *r, bool ties)
{
	struct et_pool *g = &t->g;

	t->n = num_int(r, 1, 3);
	do {
		g->h = num_int(r, 1, 13);
		g->w = num_int(r, 1, 13);
		g->c = num_int(r, 0, 2) ? num_int(r, 1, 20) : num_int(r, 20, 80);
		g->kh = num_int(r, 1, 4);
		g->kw = num_int(r, 1, 4);
		g->sh = num_int(r, 1, 4);
		g->sw = num_int(r, 1, 4);
		g->ph = num_int(r, 0, g->kh / 2);
		g->pw = num_int(r, 0, g->kw / 2);
		g->ceil_mode = num_int(r, 0, 1);
		g->include_pad = num_int(r, 0, 1);
	} while (et_pool_shape(g, NULL) < 0);
	if (t->kind > AVG) {
		g->p = num_int(r, 1, 16);
		g->q = num_int(r, 0, 5) ? num_int(r, 1, 16) : num_int(r, 60, 150);
	}
	window_alloc(t);
	t->x = num_normal(r, t->nx);
	t->dy = num_normal(r, t->ny);
	for (size_t i = 0; ties && i < t->nx; i++)
		t->x[i] = rintf(t->x[i]);
}

static void window_label(const struct window *t, int shape)
{
	const struct et_pool *g = &t->g;
	num_label("%s %d: n%d %dx%dx%d to %dx%d, kernel %dx%d, stride %d,%d, padding %d,%d, ceil "
		  "%d, include %d",
		  kinds[t->kind], shape, t->n, g->h, g->w, g->c, g->p, g->q, g->kh, g->kw, g->sh,
		  g->sw, g->ph, g->pw, g->ceil_mode, g->include_pad);
}

START_TEST(oracle)
{
	for (int shape = 0; shape < 60; shape++) {
		struct window t = {.kind = (enum kind)_i};
		struct et_rng r = num_rng(71, (uint32_t)(_i * 1000 + shape));
		random_shape(&t, &r, shape % 2);
		window_label(&t, shape);
		window_run(&t);
	}
}
END_TEST

/* A NaN anywhere reaches what it touches; the infinities are numbers like others to max. */
START_TEST(nan_spreads)
{
	for (int shape = 0; shape < 20; shape++) {
		/* A bilinear place rounded off a pixel's centre touches the next as well. */
		struct window t = {.kind = (enum kind)_i, .only_nan = _i == BILINEAR};
		struct et_rng r = num_rng(72, (uint32_t)(_i * 1000 + shape));
		random_shape(&t, &r, true);
		for (int some = 0; some < 5; some++) {
			if (_i == MAX)
				t.x[et_rng_below(&r, (uint32_t)t.nx)] = -INFINITY;
			t.x[et_rng_below(&r, (uint32_t)t.nx)] = NAN;
			t.dy[et_rng_below(&r, (uint32_t)t.ny)] = NAN;
		}
		window_label(&t, shape);
		window_run(&t);
	}
}
END_TEST

/* All of a window -Inf: still one of its taps inside the picture. */
START_TEST(all_infinite)
{
	struct window t = {.kind = MAX, .n = 1};
	t.g = (struct et_pool){
		.h = 5, .w = 6, .c = 21, .kh = 3, .kw = 3, .sh = 2, .sw = 2, .ph = 1, .pw = 1};
	ck_assert_int_eq(et_pool_shape(&t.g, NULL), ET_OK);
	window_alloc(&t);
	struct et_rng r = num_rng(73, 0);
	t.x = num_floats(t.nx);
	t.dy = num_normal(&r, t.ny);
	for (size_t i = 0; i < t.nx; i++)
		t.x[i] = -INFINITY;
	window_run(&t);
}
END_TEST

/* ---- by hand ---- */

#define HAND(got, ...)                                                                        \
	do {                                                                                  \
		const float hand_[] = {__VA_ARGS__};                                          \
		for (size_t i_ = 0; i_ < ET_COUNT(hand_); i_++)                               \
			ck_assert_msg((got)[i_] == hand_[i_], #got "[%zu] is %g, not %g", i_, \
				      (double)(got)[i_], (double)hand_[i_]);                  \
	} while (0)

START_TEST(hand)
{
	struct et_ctx x = {et_kern_at((size_t)_i), 1};
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
	tcase_add_loop_test(tc, gold, 0, KINDS);
	tcase_add_test(tc, rounding);
	tcase_add_test(tc, pool_shapes);
	tcase_add_loop_test(tc, oracle, 0, KINDS);
	tcase_add_loop_test(tc, nan_spreads, 0, KINDS);
	tcase_add_test(tc, all_infinite);
	return s;
}

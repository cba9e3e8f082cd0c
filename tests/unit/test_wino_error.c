/*
 * Where Winograd's algorithm is taken, and how far its results are from the oracle's on layers like
 * those of ResNet-18. ET_WINO_ERROR=1 prints the table that the manual has.
 */
#include <stdio.h>
#include <stdlib.h>

#include "conv_case.h"
#include "op/winograd.h"

START_TEST(side)
{
	static const struct {
		int size, padding, c, k, want;
	} shapes[] = {
		{56, 1, 64, 64, 4},  {28, 1, 128, 128, 4}, {14, 1, 256, 256, 4},
		{7, 1, 512, 512, 4}, {8, 1, 64, 64, 4},	   {6, 1, 64, 64, 4},
		{4, 1, 128, 128, 4}, {4, 0, 128, 128, 0},  {6, 0, 64, 64, 4},
		{5, 1, 64, 64, 0},   {3, 1, 64, 64, 0},	   {2, 1, 256, 256, 0},
		{1, 1, 512, 512, 0}, {56, 1, 31, 64, 0},   {56, 1, 64, 31, 0},
	};

	for (size_t i = 0; i < ET_COUNT(shapes); i++) {
		struct et_conv g = {.c = shapes[i].c, .h = shapes[i].size, .k = shapes[i].k};
		g.w = g.h;
		g.kh = g.kw = 3;
		g.sh = g.sw = g.dh = g.dw = g.groups = 1;
		g.ph = g.pw = shapes[i].padding;
		ck_assert_int_eq(et_conv_shape(&g, NULL), ET_OK);
		ck_assert_int_eq(et_wino_side(&g), shapes[i].want);
		g.sh = 2;
		ck_assert_int_eq(et_wino_side(&g), 0);
		g.sh = 1;
		g.dw = 2;
		ck_assert_int_eq(et_wino_side(&g), 0);
		g.dw = 1;
		g.groups = 2;
		ck_assert_int_eq(et_wino_side(&g), 0);
	}
}
END_TEST

/* ---- errors ---------------------------------------------------------------------------------- */

struct error {
	double rms, most; /* parts of the root mean square of the right results */
};

static struct error error_of(const float *got, const struct ref *want)
{
	struct error e = {0, 0};
	double squares = 0;

	for (size_t i = 0; i < want->n; i++) {
		double d = fabs((double)got[i] - want->v[i]);
		squares += want->v[i] * want->v[i];
		e.rms += d * d;
		e.most = fmax(e.most, d);
	}
	e.rms = sqrt(e.rms / squares);
	e.most /= sqrt(squares / (double)want->n);
	return e;
}

enum { FORWARD, DATA, WEIGHT, PASSES };

/* By Winograd with tiles of m x m, or with m = 0 as the sum. */
static void compute(const struct conv_case *t, const struct et_ctx *x, int m,
		    float *const out[PASSES], struct et_arena *work)
{
	const struct et_conv *g = &t->g;
	struct et_wino_rows y = {
		.s = et_wino_shape(g, t->n, m), .src = t->x, .weights = t->w, .y = out[FORWARD]};
	struct et_wino_rows dx = y;
	struct et_wino_sum dw = {
		.s = et_wino_shape(g, t->n, m), .src = t->x, .dy = t->dy, .dw = out[WEIGHT]};

	if (!m) {
		et_conv_forward(x, g, t->n, t->x, NULL, t->w, NULL, out[FORWARD], work);
		et_conv_data(x, g, t->n, t->dy, t->w, out[DATA], work);
		et_conv_weight(x, g, t->n, t->x, NULL, t->dy, out[WEIGHT], work);
		return;
	}
	dx.s = et_wino_turned(g, t->n, m);
	dx.src = t->dy;
	dx.back = true;
	dx.y = out[DATA];
	et_wino_rows(x, &y, work);
	et_wino_rows(x, &dx, work);
	et_wino_sum(x, &dw, work);
}

static void check(const struct conv_case *t, const struct et_ctx *x, int m, struct et_arena *work)
{
	const char *const names[PASSES] = {"y", "dx", "dw"};
	struct num_sizes s = conv_sizes(t);
	const struct ref *want[PASSES] = {&t->want_y, &t->want_dx, &t->want_dw};
	float *const out[PASSES] = {num_floats(s.y), num_floats(s.x), num_floats(s.w)};

	memset(out[WEIGHT], 0, s.w * sizeof(float));
	compute(t, x, m, out, work);
	for (int i = 0; i < PASSES; i++) {
		struct error e = error_of(out[i], want[i]);
		if (getenv("ET_WINO_ERROR"))
			printf("%-8s %4d channels %2dx%-2d F(%d) %-2s  rms %.1e  most %.1e\n",
			       x->k->name, t->g.c, t->g.h, t->g.w, m, names[i], e.rms, e.most);
		conv_label(t, "%s, F(%d), %s", x->k->name, m, names[i]);
		ck_assert_msg(e.rms < (m == 4 ? 2e-6 : 1e-6), "%s: error %g of its size",
			      num_label_text(), e.rms);
		ck_assert_msg(e.most < (m == 4 ? 3e-5 : 1e-5), "%s: largest error %g",
			      num_label_text(), e.most);
	}
}

/* Normal pictures, gradients and weights, the latter as small as He's initialization. */
START_TEST(error)
{
	static const struct {
		int c, size;
	} layers[] = {{64, 28}, {128, 14}, {256, 7}};
	struct et_rng r = num_rng(905, (uint32_t)_i);
	struct conv_case t = {.n = 1, .g = {.c = layers[_i].c, .h = layers[_i].size}};
	struct et_arena work;
	struct et_ctx x = {.threads = 1, .direct = true};

	t.g.k = t.g.c;
	t.g.w = t.g.h;
	t.g.kh = t.g.kw = 3;
	t.g.ph = t.g.pw = t.g.sh = t.g.sw = t.g.dh = t.g.dw = t.g.groups = 1;
	ck_assert_int_eq(et_conv_shape(&t.g, NULL), ET_OK);
	struct num_sizes s = conv_sizes(&t);
	t.x = num_normal(&r, s.x);
	t.dy = num_normal(&r, s.y);
	t.torch = num_normal(&r, s.w);
	for (size_t i = 0; i < s.w; i++)
		t.torch[i] *= sqrtf(2.0f / (9 * (float)t.g.c));
	t.w = num_floats(s.w);
	t.dw0 = num_alloc(s.w, sizeof(float));
	conv_expect(&t);
	ck_assert_int_eq(et_arena_open(&work, 64 << 20, NULL), ET_OK);
	for (size_t isa = 0; (x.k = et_kern_at(isa)); isa++)
		for (int m = 0; m <= 4; m += 2)
			check(&t, &x, m, &work);
	et_arena_close(&work);
}
END_TEST

Suite *suite_wino_error(void);
Suite *suite_wino_error(void)
{
	Suite *s = suite_create("wino_error");
	TCase *tc = num_tcase("layers");

	suite_add_tcase(s, tc);
	tcase_add_test(tc, side);
	tcase_add_loop_test(tc, error, 0, 3);
	return s;
}

/* The oracle of the gradient modes: by hand, by identities, against PyTorch's numbers. */
#include "gold.h"
#include "parts.h"
#include "ref_hand.h"
#include "ref_mode.h"

static struct ref_conv sized(struct ref_conv g)
{
	g.n = g.n ? g.n : 1;
	g.groups = g.groups ? g.groups : 1;
	g.sh = g.sh ? g.sh : 1;
	g.sw = g.sw ? g.sw : 1;
	g.dh = g.dh ? g.dh : 1;
	g.dw = g.dw ? g.dw : 1;
	ck_assert(ref_conv_size(&g));
	return g;
}

static size_t size_x(const struct ref_conv *g)
{
	return (size_t)g->n * (size_t)g->c * (size_t)g->h * (size_t)g->w;
}

static size_t size_y(const struct ref_conv *g)
{
	return (size_t)g->n * (size_t)g->k * (size_t)g->p * (size_t)g->q;
}

static size_t size_w(const struct ref_conv *g)
{
	return (size_t)g->k * (size_t)(g->c / g->groups) * (size_t)g->kh * (size_t)g->kw;
}

struct gradients {
	struct ref dx, dw;
};

static struct gradients filtered(const struct ref_conv *g, int r, bool paper, const double *x,
				 const double *w, const double *dy)
{
	struct gradients d = {num_ref(size_x(g)), num_ref(size_w(g))};
	ref_filter_backward(g, r, paper, x, w, dy, &d.dx, &d.dw);
	return d;
}

static struct gradients exact(const struct ref_conv *g, const double *x, const double *w,
			      const double *dy)
{
	struct gradients d = {num_ref(size_x(g)), num_ref(size_w(g))};
	ref_conv_dx(g, dy, w, &d.dx);
	ref_conv_dw(g, x, dy, &d.dw);
	return d;
}

/* ---- filtering, by hand ---------------------------------------------------------------------- */

/* Rows and columns of 3 in patches of 2: {0} and {1,2}, the padding being at the beginning. */
START_TEST(filter_square)
{
	const double x[] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, w[] = {1, 0, 2, 0, 3, 0, -1, 0, 0};
	const double dy[] = {4, -1, 5, 2, 8, 0, 6, 4, 0};
	struct ref_conv g = sized((struct ref_conv){
		.c = 1, .h = 3, .w = 3, .k = 1, .kh = 3, .kw = 3, .ph = 1, .pw = 1});
	struct ref xs = num_ref(4), gm = num_ref(4);

	ref_filter_sums(&g, 2, x, &xs);
	HAND(xs, 1, 2 + 3, 4 + 7, 5 + 6 + 8 + 9);
	ref_filter_means(&g, 2, dy, &gm);
	HAND(gm, 4, 2, 4, 3);
	ck_assert(gm.mag[1] == 3);
	struct gradients d = filtered(&g, 2, false, x, w, dy);
	HAND(d.dx, 20, 10, 10, 20, 15, 15, 20, 15, 15);
	ck_assert(d.dx.mag[0] == 4 * 7 && d.dx.mag[1] == 3 * 7);
	const double all = 4 * 1 + 2 * 5 + 4 * 11 + 3 * 28;
	HAND(d.dw, all, all, all, all, all, all, all, all, all);
	ck_assert(d.dw.mag[0] == all + 1 * 5);
	/* A patch larger than the picture holds all of it. */
	d = filtered(&g, 8, false, x, w, dy);
	const double mean = 28.0 / 9;
	ck_assert(fabs(d.dx.v[0] - 5 * mean) < 1e-12 && fabs(d.dw.v[0] - 45 * mean) < 1e-12);
}
END_TEST

/* A grid of 8 over 6 inputs and one of 4 over 3 outputs. */
START_TEST(filter_stride)
{
	const double x[] = {1, 2, 3, 4, 5, 6}, w[] = {1, 10, 100}, dy[] = {2, 4, 8};
	struct ref_conv g = sized((struct ref_conv){
		.c = 1, .h = 1, .w = 6, .k = 1, .kh = 1, .kw = 3, .sw = 2, .pw = 1});
	struct ref xs = num_ref(2);

	ref_filter_sums(&g, 2, x, &xs);
	HAND(xs, 1 + 2 + 3, 4 + 5 + 6);
	struct gradients d = filtered(&g, 2, true, x, w, dy);
	HAND(d.dx, 222, 222, 222, 666, 666, 666);
	HAND(d.dw, 102, 102, 102);
	d = filtered(&g, 2, false, x, w, dy);
	HAND(d.dx, 111, 111, 111, 333, 333, 333);
	HAND(d.dw, 51, 51, 51);
	ck_assert(d.dx.mag[5] == 333 && d.dw.mag[0] == 51);
	/* The same along the other side. */
	struct ref_conv t = sized((struct ref_conv){
		.c = 1, .h = 6, .w = 1, .k = 1, .kh = 3, .kw = 1, .sh = 2, .ph = 1});
	d = filtered(&t, 2, false, x, w, dy);
	HAND(d.dx, 111, 111, 111, 333, 333, 333);
	HAND(d.dw, 51, 51, 51);
	/* Strides of both sides count. */
	t = sized((struct ref_conv){
		.c = 1, .h = 2, .w = 3, .k = 1, .kh = 2, .kw = 3, .sh = 2, .sw = 3});
	d = filtered(&t, 1, false, x, (const double[]){1, 2, 3, 4, 5, 9}, (const double[]){6});
	HAND(d.dx, 24, 24, 24, 24, 24, 24);
	HAND(d.dw, 21, 21, 21, 21, 21, 21);
}
END_TEST

/* Grids shorter than the picture: what they leave out has no gradient, and none comes from it. */
START_TEST(filter_valid)
{
	const double x[] = {1, 2, 3, 4, 5}, w[] = {1, 10, 100}, dy[] = {1, 2, 3, 4};
	struct ref_conv g =
		sized((struct ref_conv){.c = 1, .h = 1, .w = 5, .k = 1, .kh = 1, .kw = 3});

	struct gradients d = filtered(&g, 1, false, x, w, dy);
	HAND(d.dx, 0, 111, 222, 333, 0);
	HAND(d.dw, 20, 20, 20); /* 1*2 + 2*3 + 3*4 */
	/* 4 of 5: half a place is rounded up to 0, the end is cut off. */
	g.kw = 2;
	g = sized(g);
	d = filtered(&g, 1, false, x, w, dy);
	HAND(d.dx, 11, 22, 33, 44, 0);
	HAND(d.dw, 30, 30);
	d = filtered(&g, 2, false, x, w, dy);
	HAND(d.dx, 16.5, 16.5, 38.5, 38.5, 0);
	HAND(d.dw, 1.5 * 3 + 3.5 * 7, 1.5 * 3 + 3.5 * 7);
	/* More outputs than inputs: patches {}, {0}, {1}, {}. */
	struct ref_conv wide =
		sized((struct ref_conv){.c = 1, .h = 1, .w = 2, .k = 1, .kh = 1, .kw = 1, .pw = 1});
	d = filtered(&wide, 1, false, x, w, dy);
	HAND(d.dx, 2, 3);
	HAND(d.dw, 2 * 1 + 3 * 2);
}
END_TEST

START_TEST(filter_dilation)
{
	const double x[] = {1, 2, 3, 4, 5, 6, 7}, w[] = {1, 10, 100};
	const double dy[] = {1, 2, 4, 6, 0, 5, 3};
	struct ref_conv g = sized((struct ref_conv){
		.c = 1, .h = 1, .w = 7, .k = 1, .kh = 1, .kw = 3, .pw = 2, .dw = 2});
	const double dw = 1 * 1 + 3 * 5 + 3 * 9 + 4 * 13;

	/* Means 1 3 3 4; a tap is one patch. */
	struct gradients d = filtered(&g, 2, false, x, w, dy);
	HAND(d.dx, 13, 133, 133, 334, 334, 340, 340);
	HAND(d.dw, dw, dw, dw);
	/* 3 is one patch of 2 and a half, 4 and 5 are two. */
	g.dw = g.pw = 3;
	d = filtered(&g, 2, false, x, w, dy);
	HAND(d.dx, 13, 133, 133, 334, 334, 340, 340);
	g.dw = g.pw = 5;
	d = filtered(&g, 2, false, x, w, dy);
	HAND(d.dx, 10 + 3, 30 + 4, 30 + 4, 30 + 100, 30 + 100, 40 + 300, 40 + 300);
	HAND(d.dw, dw, dw, dw);
	/* Below a patch: means 7/3 and 7/2. */
	g.dw = g.pw = 2;
	d = filtered(&g, 4, false, x, w, dy);
	HAND(d.dx, 259, 259, 259, 388.5, 388.5, 388.5, 388.5);
	HAND(d.dw, 91, 91, 91);
	/* The other side is not dilated: its taps are summed. */
	const double w9[] = {1, 0, 60, 0, 10, 0, 0, 0, 40};
	g.kh = 3;
	g.ph = 1;
	g = sized(g);
	d = filtered(&g, 2, false, x, w9, dy);
	HAND(d.dx, 13, 133, 133, 334, 334, 340, 340);
	HAND(d.dw, dw, dw, dw, dw, dw, dw, dw, dw, dw);
	struct ref_conv t = sized((struct ref_conv){
		.c = 1, .h = 7, .w = 1, .k = 1, .kh = 3, .kw = 1, .ph = 2, .dh = 2, .dw = 4});
	d = filtered(&t, 2, false, x, w, dy);
	HAND(d.dx, 13, 133, 133, 334, 334, 340, 340);
	/* Taps side by side are not dilated, even where a patch is one output. */
	t = sized((struct ref_conv){.c = 1, .h = 3, .w = 1, .k = 1, .kh = 3, .kw = 1, .ph = 1});
	d = filtered(&t, 1, false, x, w, dy);
	HAND(d.dx, 111, 222, 444);
	t.dh = t.ph = 2;
	t = sized(t);
	d = filtered(&t, 1, false, x, w, dy);
	HAND(d.dx, 10 + 4, 20, 40 + 100);
}
END_TEST

START_TEST(filter_channels)
{
	struct ref_conv g = {.n = 2, .c = 2, .h = 1, .w = 1, .k = 2, .kh = 1, .kw = 1};
	const double w[] = {1, 2, 3, 4}, x[] = {5, 6, 7, 8}, dy[] = {10, 100, -1, 0};

	g = sized(g);
	struct gradients d = filtered(&g, 3, false, x, w, dy);
	HAND(d.dx, 310, 420, -1, -2);
	HAND(d.dw, 50 - 7, 60 - 8, 500, 600);
	/* Two groups of two channels, one output each. */
	g = sized((struct ref_conv){.c = 4, .h = 1, .w = 1, .k = 2, .kh = 1, .kw = 1, .groups = 2});
	d = filtered(&g, 3, false, x, w, dy);
	HAND(d.dx, 10, 20, 300, 400);
	HAND(d.dw, 50, 60, 700, 800);
	/* Depthwise, two outputs a channel. */
	g = sized((struct ref_conv){.c = 2, .h = 1, .w = 1, .k = 4, .kh = 1, .kw = 1, .groups = 2});
	d = filtered(&g, 3, false, x, w, dy);
	HAND(d.dx, 210, -3);
	HAND(d.dw, 50, 500, -6, 0);
}
END_TEST

/* ---- filtering, identities ------------------------------------------------------------------- */

static const double *normal(struct et_rng *r, size_t n)
{
	return num_double(num_normal(r, n), n);
}

static void same(const char *what, const struct ref *got, const struct ref *want)
{
	for (size_t i = 0; i < want->n; i++)
		if (!(fabs(got->v[i] - want->v[i]) <= 1e-14 * want->mag[i]))
			ck_abort_msg("%s[%zu]: %.17g, expected %.17g", what, i, got->v[i],
				     want->v[i]);
}

START_TEST(filter_pointwise)
{
	struct et_rng r = num_rng(700, 0);
	struct ref_conv g = sized((struct ref_conv){
		.n = 2, .c = 6, .h = 5, .w = 3, .k = 4, .kh = 1, .kw = 1, .groups = 2});
	const double *x = normal(&r, size_x(&g)), *w = normal(&r, size_w(&g));
	const double *dy = normal(&r, size_y(&g));
	struct gradients f = filtered(&g, 1, false, x, w, dy), e = exact(&g, x, w, dy);
	same("dx", &f.dx, &e.dx);
	same("dw", &f.dw, &e.dw);
	/* Not so with larger kernels. */
	g.kh = g.kw = 3;
	g.ph = g.pw = 1;
	w = normal(&r, size_w(&g));
	f = filtered(&g, 1, false, x, w, dy);
	e = exact(&g, x, w, dy);
	ck_assert(fabs(f.dx.v[0] - e.dx.v[0]) > 1e-3 && fabs(f.dw.v[0] - e.dw.v[0]) > 1e-3);
}
END_TEST

/* Each channel constant: v[i] = one of per[] for each of them. */
static const double *constant(struct et_rng *r, size_t channels, size_t hw)
{
	const double *per = normal(r, channels);
	double *v = num_alloc(channels * hw, sizeof(double));
	for (size_t i = 0; i < channels * hw; i++)
		v[i] = per[i / hw];
	return v;
}

/* Where no border is near: all of dx; and the kernel's middle, which meets every output. */
START_TEST(filter_constant)
{
	struct et_rng r = num_rng(701, (uint32_t)_i);
	struct ref_conv g = sized((struct ref_conv){
		.c = 3, .h = 9, .w = 9, .k = 4, .kh = 3, .kw = 3, .ph = 1, .pw = 1});
	if (_i == 5) { /* dilated */
		g.dh = g.dw = g.ph = g.pw = 3;
		g = sized(g);
	}
	const int patch = _i == 5 ? 3 : _i + 1;
	const double *x = constant(&r, 3, 81), *w = normal(&r, size_w(&g));
	const double *dy = constant(&r, 4, 81);
	struct gradients f = filtered(&g, patch, false, x, w, dy), e = exact(&g, x, w, dy);

	for (size_t i = 0; i < f.dx.n; i++) {
		size_t row = i / 9 % 9, col = i % 9, edge = (size_t)g.ph;
		if (row >= edge && row < 9 - edge && col >= edge && col < 9 - edge)
			ck_assert(fabs(f.dx.v[i] - e.dx.v[i]) <= 1e-13 * e.dx.mag[i]);
	}
	for (size_t i = 0; i < f.dw.n; i++)
		ck_assert(fabs(f.dw.v[i] - e.dw.v[i / 9 * 9 + 4]) <=
			  1e-13 * e.dw.mag[i / 9 * 9 + 4]);
}
END_TEST

/* Windows side by side with equal taps: exact to scale, and as published 4 times that. */
START_TEST(filter_scale)
{
	struct et_rng r = num_rng(702, 0);
	struct ref_conv g = sized((struct ref_conv){
		.c = 3, .h = 10, .w = 14, .k = 2, .kh = 2, .kw = 2, .sh = 2, .sw = 2});
	const double *x = constant(&r, 3, 140), *w = constant(&r, 6, 4);
	const double *dy = constant(&r, 2, 35);
	struct gradients f = filtered(&g, 3, false, x, w, dy), e = exact(&g, x, w, dy);
	struct gradients paper = filtered(&g, 3, true, x, w, dy);

	for (size_t i = 0; i < e.dx.n; i++) {
		ck_assert(fabs(f.dx.v[i] - e.dx.v[i]) <= 1e-13 * e.dx.mag[i]);
		ck_assert(fabs(paper.dx.v[i] - 4 * e.dx.v[i]) <= 1e-12 * e.dx.mag[i]);
	}
	for (size_t i = 0; i < e.dw.n; i++) {
		ck_assert(fabs(f.dw.v[i] - e.dw.v[i]) <= 1e-13 * e.dw.mag[i]);
		ck_assert(fabs(paper.dw.v[i] - 4 * e.dw.v[i]) <= 1e-12 * e.dw.mag[i]);
	}
}
END_TEST

/* ---- filtering, PyTorch ---------------------------------------------------------------------- */

static void near_gold(const struct gold_case *c, const char *tensor, const struct ref *got)
{
	const float *want = gold_f32(c, tensor, got->n);
	for (size_t i = 0; i < got->n; i++)
		if (!(fabs(got->v[i] - (double)want[i]) <= 1e-7 * got->mag[i]))
			ck_abort_msg("%s: %s[%zu]: %.9g, expected %.9g", num_label_text(), tensor,
				     i, got->v[i], (double)want[i]);
}

static void gold_filter(const struct gold_case *c)
{
	struct ref_conv g = {.n = gold_int(c, "n"),
			     .c = gold_int(c, "c"),
			     .h = gold_int(c, "h"),
			     .w = gold_int(c, "w"),
			     .k = gold_int(c, "k"),
			     .kh = gold_int(c, "kh"),
			     .kw = gold_int(c, "kw"),
			     .sh = gold_int(c, "sh"),
			     .sw = gold_int(c, "sw"),
			     .ph = gold_int(c, "ph"),
			     .pw = gold_int(c, "pw"),
			     .dh = gold_int(c, "dh"),
			     .dw = gold_int(c, "dw"),
			     .groups = gold_int(c, "groups")};
	ck_assert(ref_conv_size(&g) && g.p == gold_int(c, "p") && g.q == gold_int(c, "q"));
	const double *x = num_double(gold_f32(c, "x", size_x(&g)), size_x(&g));
	const double *w = num_double(gold_f32(c, "w", size_w(&g)), size_w(&g));
	const double *dy = num_double(gold_f32(c, "dy", size_y(&g)), size_y(&g));
	struct gradients d = filtered(&g, gold_int(c, "r"), gold_int(c, "paper"), x, w, dy);
	near_gold(c, "dx", &d.dx);
	near_gold(c, "dw", &d.dw);
}

START_TEST(filter_gold)
{
	gold_each("filter", "filter", 55, gold_filter);
}
END_TEST

/* ---- signs ----------------------------------------------------------------------------------- */

START_TEST(signs)
{
	const double x[] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, w[] = {1, -2, 0.5, -1};
	const double dy[] = {1, 0, -1, 2}, m[] = {0.3, 0.2, 0.7, 0.1};
	struct ref_conv g =
		sized((struct ref_conv){.c = 1, .h = 3, .w = 3, .k = 1, .kh = 2, .kw = 2});
	struct ref b = num_ref(4);

	struct gradients d = exact(&g, x, w, dy);
	HAND(d.dw, 7, 9, 13, 15);
	HAND(d.dx, 1, -2, 0, -0.5, 3, -4, -0.5, 2, -2);
	ref_signs(4, ref_fan_in(&g), w, m, &b);
	HAND(b, 0.3, -0.2, 0.7, -0.1);
	d = exact(&g, x, b.v, dy);
	HAND(d.dx, 0.3, -0.2, 0, 0.4, 0.7, -0.4, -0.7, 1.5, -0.2);
	/* Without magnitudes: sqrt(2/4) each. */
	const double s = 0.70710678118654752;
	ref_signs(4, ref_fan_in(&g), w, NULL, &b);
	HAND(b, s, -s, s, -s);
	/* Zeros have no sign; magnitudes |w| give w. */
	const double some[] = {0, -0.0, 3, -4}, size[] = {0, 0, 3, 4};
	ref_signs(4, 8, some, NULL, &b);
	HAND(b, 0, 0, 0.5, -0.5);
	ref_signs(4, 8, some, size, &b);
	HAND(b, 0, 0, 3, -4);
	ck_assert(b.mag[3] == 4);
	ck_assert(ref_sign_bound(24) == 0.5);
	/* 25 = t^2 * (1 + 4): the magnitudes where w is 0 are not there. */
	ck_assert(fabs(ref_match_w(4, some, (const double[]){7, 7, 1, 2}) - sqrt(5)) < 1e-12);
	struct ref_conv grouped = {.c = 6, .groups = 2, .kh = 3, .kw = 5};
	ck_assert_int_eq(ref_fan_in(&grouped), 45);
}
END_TEST

/* ---- pruning --------------------------------------------------------------------------------- */

START_TEST(prune)
{
	const double p[] = {0.5, 0.7, 0.9, 0.95, 0.99};
	const double theta[] = {0.6744898, 1.0364334, 1.6448536, 1.9599640, 2.5758293};
	for (size_t i = 0; i < ET_COUNT(p); i++)
		ck_assert(fabs(ref_prune_theta(p[i]) - theta[i]) < 5e-8);

	const double d[] = {.10, -.02, .30, -.50, .05, .01, -.25, .04};
	const double u[] = {.50, .05, .90, .10, .40, .90, .70, .02};
	struct ref out = num_ref(8);
	double t = ref_prune(8, 0.5, d, u, &out, NULL);
	ck_assert(fabs(t - 0.1070752) < 5e-8);
	HAND(out, t, -t, .3, -.5, t, 0, -.25, t);
	t = ref_prune(8, 0.9, d, u, &out, NULL);
	ck_assert(fabs(t - 0.2611205) < 5e-8);
	HAND(out, 0, -t, .3, -.5, 0, 0, -t, t);
	ck_assert(ref_prune(8, 0, d, u, &out, NULL) == 0);
	HAND(out, .10, -.02, .30, -.50, .05, .01, -.25, .04);
	const double none[] = {0, -0.0};
	struct ref two = num_ref(2);
	ck_assert(ref_prune(2, 0.9, none, u, &two, NULL) == 0);
	HAND(two, 0, 0);
}
END_TEST

/* Over all random numbers the mean is dy itself; where it is close, and a NaN spoils everything. */
START_TEST(prune_mean)
{
	enum { N = 1000 };
	const double d[] = {0.001, -0.02, 0.3, -1.7};
	double sum[4] = {0};
	struct ref out = num_ref(4);
	bool close[4];

	for (int i = 0; i < N; i++) {
		const double at = (i + 0.5) / N, u[] = {at, at, at, at};
		double tau = ref_prune(4, 0.8, d, u, &out, close);
		for (int j = 0; j < 4; j++)
			sum[j] += out.v[j];
		ck_assert(close[0] == (fabs(at - 0.001 / tau) <= 1e-5) && !close[3]);
	}
	for (int j = 0; j < 4; j++)
		ck_assert(fabs(sum[j] / N - d[j]) < 1.0 / N);

	const double equal[] = {1, 1, 1, 1}, u[] = {0, 0, 0, 0};
	ref_prune(4, 0.682689492137086, equal, u, &out, close); /* one standard deviation: tau 1 */
	ck_assert(close[0] && close[3]);
	const double spoilt[] = {1, NAN, 0, 2};
	ck_assert(isnan(ref_prune(4, 0.5, spoilt, u, &out, NULL)) && isnan(out.v[1]));
}
END_TEST

TCase *tcase_ref_mode(void)
{
	TCase *tc = num_tcase("gradient modes");
	tcase_add_test(tc, filter_square);
	tcase_add_test(tc, filter_stride);
	tcase_add_test(tc, filter_valid);
	tcase_add_test(tc, filter_dilation);
	tcase_add_test(tc, filter_channels);
	tcase_add_test(tc, filter_pointwise);
	tcase_add_loop_test(tc, filter_constant, 0, 6);
	tcase_add_test(tc, filter_scale);
	tcase_add_test(tc, filter_gold);
	tcase_add_test(tc, signs);
	tcase_add_test(tc, prune);
	tcase_add_test(tc, prune_mean);
	return tc;
}

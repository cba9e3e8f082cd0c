/* The oracle against numbers worked out by hand: what all other numeric tests stand on. */
#include "parts.h"
#include "ref_hand.h"

static struct ref_conv conv(struct ref_conv g)
{
	ck_assert(ref_conv_size(&g));
	return g;
}

static struct ref conv_y(const struct ref_conv *g, const double *x, const double *w,
			 const double *bias)
{
	struct ref y = num_ref((size_t)(g->n * g->k * g->p * g->q));
	ref_conv_forward(g, x, w, bias, &y);
	return y;
}

START_TEST(conv_ones)
{
	const double one[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
	struct ref_conv g = conv((struct ref_conv){.n = 1,
						   .c = 1,
						   .h = 3,
						   .w = 3,
						   .k = 1,
						   .kh = 3,
						   .kw = 3,
						   .sh = 1,
						   .sw = 1,
						   .ph = 1,
						   .pw = 1,
						   .dh = 1,
						   .dw = 1,
						   .groups = 1});
	struct ref y = conv_y(&g, one, one, NULL), dx = num_ref(9), dw = num_ref(9),
		   db = num_ref(1);
	HAND(y, 4, 6, 4, 6, 9, 6, 4, 6, 4);
	ck_assert(y.mag[4] == 9);
	ref_conv_dx(&g, one, one, &dx);
	HAND(dx, 4, 6, 4, 6, 9, 6, 4, 6, 4);
	ref_conv_dw(&g, one, one, &dw);
	HAND(dw, 4, 6, 4, 6, 9, 6, 4, 6, 4);
	ref_conv_db(&g, one, &db);
	HAND(db, 9);
	const double bias[1] = {-1};
	y = conv_y(&g, one, one, bias);
	HAND(y, 3, 5, 3, 5, 8, 5, 3, 5, 3);
	ck_assert(y.mag[4] == 10);
}
END_TEST

START_TEST(conv_stride)
{
	const double x[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
	const double w[] = {1, 2, 3, 4}, dy[] = {1, 2, 3, 4};
	struct ref_conv g = conv((struct ref_conv){.n = 1,
						   .c = 1,
						   .h = 4,
						   .w = 4,
						   .k = 1,
						   .kh = 2,
						   .kw = 2,
						   .sh = 2,
						   .sw = 2,
						   .dh = 1,
						   .dw = 1,
						   .groups = 1});
	struct ref y = conv_y(&g, x, w, NULL), dx = num_ref(16), dw = num_ref(4), db = num_ref(1);
	HAND(y, 44, 64, 124, 144);
	ref_conv_dx(&g, dy, w, &dx);
	HAND(dx, 1, 2, 2, 4, 3, 4, 6, 8, 3, 6, 4, 8, 9, 12, 12, 16);
	ref_conv_dw(&g, x, dy, &dw);
	HAND(dw, 78, 88, 118, 128);
	ref_conv_db(&g, dy, &db);
	HAND(db, 10);
}
END_TEST

START_TEST(conv_dilation)
{
	const double x[] = {1, 2, 3, 4, 5}, w[] = {1, 10, 100};
	struct ref_conv g = {.n = 1,
			     .c = 1,
			     .h = 1,
			     .w = 5,
			     .k = 1,
			     .kh = 1,
			     .kw = 3,
			     .sh = 1,
			     .sw = 1,
			     .pw = 2,
			     .dh = 1,
			     .dw = 2,
			     .groups = 1};
	g = conv(g);
	struct ref y = conv_y(&g, x, w, NULL);
	HAND(y, 310, 420, 531, 42, 53);
	g.sw = 2;
	g = conv(g);
	y = conv_y(&g, x, w, NULL);
	HAND(y, 310, 531, 53);
	/* The same along the other side. */
	struct ref_conv t = {.n = 1,
			     .c = 1,
			     .h = 5,
			     .w = 1,
			     .k = 1,
			     .kh = 3,
			     .kw = 1,
			     .sh = 2,
			     .sw = 1,
			     .ph = 2,
			     .dh = 2,
			     .dw = 1,
			     .groups = 1};
	t = conv(t);
	y = conv_y(&t, x, w, NULL);
	HAND(y, 310, 531, 53);
}
END_TEST

START_TEST(conv_oblong)
{
	const double x[] = {1, 2, 3, 4, 5, 6}, w[] = {1, 10};
	struct ref_conv g = {.n = 1,
			     .c = 1,
			     .h = 2,
			     .w = 3,
			     .k = 1,
			     .kh = 2,
			     .kw = 1,
			     .sh = 1,
			     .sw = 1,
			     .dh = 1,
			     .dw = 1,
			     .groups = 1};
	g = conv(g);
	struct ref y = conv_y(&g, x, w, NULL);
	HAND(y, 41, 52, 63);
	g.ph = 1;
	g = conv(g);
	y = conv_y(&g, x, w, NULL);
	HAND(y, 10, 20, 30, 41, 52, 63, 4, 5, 6);
}
END_TEST

START_TEST(conv_channels)
{
	struct ref_conv g = {.n = 1,
			     .c = 2,
			     .h = 1,
			     .w = 1,
			     .k = 2,
			     .kh = 1,
			     .kw = 1,
			     .sh = 1,
			     .sw = 1,
			     .dh = 1,
			     .dw = 1,
			     .groups = 1};
	const double w[] = {1, 2, 3, 4}, x[] = {5, 6};
	g = conv(g);
	struct ref y = conv_y(&g, x, w, NULL), dx = num_ref(2), dw = num_ref(4);
	HAND(y, 17, 39);
	const double dy[] = {10, 100};
	ref_conv_dx(&g, dy, w, &dx);
	HAND(dx, 310, 420);
	ref_conv_dw(&g, x, dy, &dw);
	HAND(dw, 50, 60, 500, 600);

	/* Two groups of two channels, one output each; then one channel, two outputs each. */
	const double wg[] = {1, 10, 100, 1000}, x4[] = {1, 2, 3, 4};
	g.groups = 2;
	g.c = 4;
	g = conv(g);
	y = conv_y(&g, x4, wg, NULL);
	HAND(y, 21, 4300);
	g.c = 2;
	g.k = 4;
	g = conv(g);
	y = conv_y(&g, x4, wg, NULL);
	HAND(y, 1, 10, 200, 2000);
}
END_TEST

START_TEST(conv_size)
{
	struct ref_conv g = {
		.h = 7, .w = 4, .kh = 3, .kw = 5, .sh = 2, .sw = 1, .ph = 1, .dh = 2, .dw = 1};
	ck_assert(!ref_conv_size(&g));
	g.w = 5;
	ck_assert(ref_conv_size(&g));
	ck_assert_int_eq(g.p, 3);
	ck_assert_int_eq(g.q, 1);
}
END_TEST

START_TEST(epilogue)
{
	struct ref y = num_ref(4);
	const double scale[] = {2, -1}, shift[] = {1, 3}, residual[] = {0, 2, 0, -5};
	for (int i = 0; i < 4; i++)
		y.v[i] = y.mag[i] = i + 1;
	ref_epilogue(1, 2, 2, scale, shift, residual, REF_RELU, &y);
	HAND(y, 3, 7, 0, 0);
	ck_assert(y.mag[1] == 7 && y.mag[3] == 12);
}
END_TEST

START_TEST(norm)
{
	struct ref mean = num_ref(1), var = num_ref(1), y = num_ref(4), dx = num_ref(4);
	struct ref dgamma = num_ref(1), dbeta = num_ref(1);
	const double x[] = {1, 3, 5, 7}, half[] = {0.5}, two[] = {2}, one[] = {1};

	ref_bn_stats(2, 1, 2, x, &mean, &var);
	HAND(mean, 4);
	HAND(var, 5);
	ref_bn_forward(2, 1, 2, x, mean.v, half, two, one, &y);
	HAND(y, -2, 0, 2, 4);
	const double dy[] = {1, 0, 0, 2};
	ref_bn_backward(2, 1, 2, x, dy, mean.v, half, two, false, &dx, &dgamma, &dbeta);
	HAND(dx, 1, 0, 0, 2);
	HAND(dgamma, 1.5);
	HAND(dbeta, 3);

	/* mean 0, variance 1: dx = gamma * (dy - mean(dy) - xhat * mean(dy * xhat)) */
	const double xb[] = {-1, -1, 1, 1}, dyb[] = {1, 2, 3, 6};
	ref_bn_stats(1, 1, 4, xb, &mean, &var);
	HAND(mean, 0);
	HAND(var, 1);
	ref_bn_backward(1, 1, 4, xb, dyb, mean.v, one, two, true, &dx, &dgamma, &dbeta);
	HAND(dx, -1, 1, -3, 3);
	HAND(dgamma, 6);
	HAND(dbeta, 12);
	/* Twice as wide: the same xhat, half the slope. */
	const double wide[] = {-2, -2, 2, 2};
	ref_bn_backward(1, 1, 4, wide, dyb, mean.v, half, two, true, &dx, &dgamma, &dbeta);
	HAND(dx, -0.5, 0.5, -1.5, 1.5);
	HAND(dgamma, 6);

	/* Channels are the middle index. */
	struct ref mean2 = num_ref(2), var2 = num_ref(2);
	const double x2[] = {1, 3, 10, 20, 5, 7, 30, 40};
	ref_bn_stats(2, 2, 2, x2, &mean2, &var2);
	HAND(mean2, 4, 25);
	HAND(var2, 5, 125);
}
END_TEST

START_TEST(activations)
{
	const struct {
		enum ref_act act;
		double x, y, slope;
	} t[] = {
		{REF_RELU, -1, 0, 0},
		{REF_RELU, 0, 0, 0},
		{REF_RELU, 2, 2, 1},
		{REF_RELU6, -1, 0, 0},
		{REF_RELU6, 5, 5, 1},
		{REF_RELU6, 6, 6, 0},
		{REF_RELU6, 7, 6, 0},
		{REF_HARDSWISH, -4, 0, 0},
		{REF_HARDSWISH, -3, 0, -0.5},
		{REF_HARDSWISH, -1, -1.0 / 3, 1.0 / 6},
		{REF_HARDSWISH, 1, 2.0 / 3, 5.0 / 6},
		{REF_HARDSWISH, 3, 3, 1.5},
		{REF_HARDSWISH, 4, 4, 1},
		{REF_SIGMOID, 0, 0.5, 0.25},
		{REF_SIGMOID, 1.0986122886681098, 0.75, 0.1875}, /* ln 3 */
	};
	for (size_t i = 0; i < ET_COUNT(t); i++) {
		const double got[] = {ref_act(t[i].act, t[i].x), ref_act_slope(t[i].act, t[i].x)};
		num_label("activation %d at %g", (int)t[i].act, t[i].x);
		num_check_hand("y and slope", got, &t[i].y, 2);
	}
	ck_assert(isnan(ref_act(REF_RELU, NAN)) && isnan(ref_act(REF_RELU6, NAN)) &&
		  isnan(ref_act(REF_HARDSWISH, NAN)));
}
END_TEST

START_TEST(gate)
{
	struct ref y = num_ref(4), da = num_ref(4), db = num_ref(2);
	const double a[] = {1, 2, 3, 4}, b[] = {10, 100}, one[] = {1, 1, 1, 1};
	ref_mul_forward(1, 2, 2, true, a, b, &y);
	HAND(y, 10, 20, 300, 400);
	ref_mul_backward(1, 2, 2, true, a, b, one, &da, &db);
	HAND(da, 10, 10, 100, 100);
	HAND(db, 3, 7);
}
END_TEST

START_TEST(loss)
{
	const double ln4 = log(4.0), z[] = {0, 1.0986122886681098, 7, 7}; /* p = 1/4, 3/4 */
	const int label[] = {0, 1};
	struct ref_loss l = {.k = 2, .ignore = -1};
	struct ref sum = num_ref(1), dz = num_ref(2), dz2 = num_ref(4);
	size_t correct, used;

	ck_assert(ref_loss_norm(&l, 2, label) == 2);
	ref_loss_forward(&l, 1, z, label, 1, &sum, &dz, &correct, &used);
	HAND(sum, ln4);
	HAND(dz, -0.75, 0.75);
	ck_assert(correct == 0 && used == 1);
	ref_loss_forward(&l, 1, z, label + 1, 1, &sum, &dz, &correct, &used);
	ck_assert(correct == 1);
	HAND(dz, 0.25, -0.25);

	l.smoothing = 0.5;
	ref_loss_forward(&l, 1, z, label, 1, &sum, &dz, &correct, &used);
	HAND(sum, 0.75 * ln4 + 0.25 * log(4.0 / 3));
	HAND(dz, -0.5, 0.5);
	const double weight[] = {2, 4};
	l.weight = weight;
	ck_assert(ref_loss_norm(&l, 2, label) == 6);
	ref_loss_forward(&l, 1, z, label, 2, &sum, &dz, &correct, &used);
	HAND(sum, (1.5 * ln4 + log(4.0 / 3)) / 2);
	HAND(dz, -0.4375, 0.4375);

	/* The second row has equal logits: the first is the guess. Ignored rows leave no trace. */
	l = (struct ref_loss){.k = 2, .ignore = 0};
	ck_assert(ref_loss_norm(&l, 2, label) == 1);
	ref_loss_forward(&l, 2, z, label, 1, &sum, &dz2, &correct, &used);
	HAND(sum, log(2.0));
	HAND(dz2, 0, 0, 0.5, -0.5);
	ck_assert(correct == 0 && used == 1);
}
END_TEST

Suite *suite_ref(void);
Suite *suite_ref(void)
{
	Suite *s = suite_create("ref");
	TCase *tc = num_tcase("hand");
	suite_add_tcase(s, tc);
	tcase_add_test(tc, conv_ones);
	tcase_add_test(tc, conv_stride);
	tcase_add_test(tc, conv_dilation);
	tcase_add_test(tc, conv_oblong);
	tcase_add_test(tc, conv_channels);
	tcase_add_test(tc, conv_size);
	tcase_add_test(tc, epilogue);
	tcase_add_test(tc, norm);
	tcase_add_test(tc, activations);
	tcase_add_test(tc, gate);
	tcase_add_test(tc, loss);
	suite_add_tcase(s, tcase_ref_pool());
	suite_add_tcase(s, tcase_ref_mode());
	return s;
}

/* The oracle's pooling and resizing against numbers worked out by hand. */
#include "parts.h"
#include "ref_hand.h"

static void max_of(const struct ref_pool *g, const double *x, const double *y, const int *index)
{
	struct ref_pool s = *g;
	ck_assert(ref_pool_size(&s));
	struct ref out = num_ref((size_t)(s.p * s.q));
	int *at = num_alloc(out.n, sizeof(int));
	ref_maxpool_forward(&s, x, &out, at);
	num_check_hand("max", out.v, y, out.n);
	for (size_t i = 0; i < out.n; i++)
		ck_assert_int_eq(at[i], index[i]);
}

START_TEST(maxpool)
{
	const double x[] = {1, 3, 2, 3, 0, 5, 4, 4, 1}, one[] = {1, 1, 1, 1};
	const double y[] = {3, 5, 4, 5};
	struct ref_pool g = {.n = 1, .c = 1, .h = 3, .w = 3, .kh = 2, .kw = 2, .sh = 1, .sw = 1};
	const int first[] = {1, 3, 2, 1};
	max_of(&g, x, y, first);
	ck_assert(ref_pool_size(&g));
	struct ref dx = num_ref(9);
	ref_maxpool_backward(&g, one, first, &dx);
	HAND(dx, 0, 1, 0, 0, 0, 2, 1, 0, 0);

	struct ref_pool padded = {.n = 1,
				  .c = 1,
				  .h = 3,
				  .w = 3,
				  .kh = 3,
				  .kw = 3,
				  .sh = 2,
				  .sw = 2,
				  .ph = 1,
				  .pw = 1};
	max_of(&padded, x, y, (const int[]){5, 7, 4, 1});
	struct ref_pool row = {.n = 1, .c = 1, .h = 1, .w = 3, .kh = 1, .kw = 3, .sh = 1, .sw = 1};
	max_of(&row, (const double[]){1, NAN, 2}, (const double[]){NAN}, (const int[]){1});
	max_of(&row, (const double[]){-3, -1, -2}, (const double[]){-1}, (const int[]){1});
}
END_TEST

START_TEST(avgpool)
{
	const double x[] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, dy[] = {36, 0, 0, 0};
	struct ref_pool g = {.n = 1,
			     .c = 1,
			     .h = 3,
			     .w = 3,
			     .kh = 3,
			     .kw = 3,
			     .sh = 2,
			     .sw = 2,
			     .ph = 1,
			     .pw = 1,
			     .include_pad = true};
	struct ref y = num_ref(4), dx = num_ref(9);
	ck_assert(ref_pool_size(&g));
	ref_avgpool_forward(&g, x, &y);
	HAND(y, 12.0 / 9, 16.0 / 9, 24.0 / 9, 28.0 / 9);
	ref_avgpool_backward(&g, dy, &dx);
	HAND(dx, 4, 4, 0, 4, 4, 0, 0, 0, 0);
	g.include_pad = false;
	ref_avgpool_forward(&g, x, &y);
	HAND(y, 3, 4, 6, 7);
	ref_avgpool_backward(&g, dy, &dx);
	HAND(dx, 9, 9, 0, 9, 9, 0, 0, 0, 0);

	/* The last window of a row of 6 with 1 of padding hangs over by one that nobody counts. */
	struct ref_pool row = {.n = 1,
			       .c = 1,
			       .h = 1,
			       .w = 6,
			       .kh = 1,
			       .kw = 3,
			       .sh = 1,
			       .sw = 3,
			       .pw = 1,
			       .ceil_mode = true,
			       .include_pad = true};
	struct ref r = num_ref(3);
	ck_assert(ref_pool_size(&row));
	ck_assert_int_eq(row.q, 3);
	ref_avgpool_forward(&row, x, &r);
	HAND(r, 1, 4, 3);
	row.include_pad = false;
	ref_avgpool_forward(&row, x, &r);
	HAND(r, 1.5, 4, 6);
}
END_TEST

START_TEST(pool_size)
{
	const struct {
		int w, kw, sw, pw, floor, ceil;
	} t[] = {{4, 3, 2, 0, 1, 2}, {3, 2, 2, 1, 2, 2}, {5, 3, 3, 1, 2, 2}, {6, 3, 3, 1, 2, 3},
		 {7, 3, 2, 1, 4, 4}, {5, 2, 2, 0, 2, 3}, {2, 2, 5, 0, 1, 1}};
	for (size_t i = 0; i < ET_COUNT(t); i++) {
		struct ref_pool g = {.h = 1,
				     .w = t[i].w,
				     .kh = 1,
				     .kw = t[i].kw,
				     .sh = 1,
				     .sw = t[i].sw,
				     .pw = t[i].pw};
		ck_assert(ref_pool_size(&g));
		ck_assert_int_eq(g.q, t[i].floor);
		g.ceil_mode = true;
		ck_assert(ref_pool_size(&g));
		ck_assert_int_eq(g.q, t[i].ceil);
	}
}
END_TEST

START_TEST(adaptive)
{
	const double x[] = {1, 2, 3, 4, 5}, dy[] = {2, 3, 4};
	struct ref y = num_ref(3), dx = num_ref(5);
	ref_adaptive_forward(1, 1, 5, 1, 3, x, &y);
	HAND(y, 1.5, 3, 4.5);
	ref_adaptive_backward(1, 1, 5, 1, 3, dy, &dx);
	HAND(dx, 1, 2, 1, 3, 2);
	const double x2[] = {1, 3};
	ref_adaptive_forward(1, 2, 1, 3, 1, x2, &y);
	HAND(y, 1, 2, 3);
}
END_TEST

START_TEST(upsample)
{
	const double x[] = {0, 1, 2, 3}, dy5[] = {1, 2, 3, 4, 5};
	struct ref y = num_ref(16), y5 = num_ref(5), dx = num_ref(4), dx3 = num_ref(3);

	ref_nearest_forward(1, 2, 2, 4, 4, x, &y);
	HAND(y, 0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 3, 3, 2, 2, 3, 3);
	ref_nearest_forward(1, 1, 3, 1, 5, x, &y5);
	HAND(y5, 0, 0, 1, 1, 2);
	ref_nearest_backward(1, 3, 1, 5, 1, dy5, &dx3);
	HAND(dx3, 3, 7, 5);

	ref_bilinear_forward(1, 2, 2, 4, 4, x, &y);
	HAND(y, 0, 0.25, 0.75, 1, 0.5, 0.75, 1.25, 1.5, 1.5, 1.75, 2.25, 2.5, 2, 2.25, 2.75, 3);
	double dy[16] = {0};
	dy[5] = 1;
	dy[3] = 8;
	ref_bilinear_backward(1, 2, 2, 4, 4, dy, &dx);
	HAND(dx, 0.5625, 8.1875, 0.1875, 0.0625);
	/* 3 to 2: centres at 0.25 and 1.75 */
	struct ref y2 = num_ref(2);
	const double x3[] = {0, 4, 12};
	ref_bilinear_forward(1, 1, 3, 1, 2, x3, &y2);
	HAND(y2, 1, 10);
}
END_TEST

TCase *tcase_ref_pool(void)
{
	TCase *tc = num_tcase("hand, pooling");
	tcase_add_test(tc, maxpool);
	tcase_add_test(tc, avgpool);
	tcase_add_test(tc, pool_size);
	tcase_add_test(tc, adaptive);
	tcase_add_test(tc, upsample);
	return tc;
}

/* Convolution, linear layers and the layouts of their weights by hand. */
#include <string.h>

#include "num.h"
#include "parts.h"

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
	struct et_ctx x = {.k = et_kern_at((size_t)_i), .threads = 1};
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
	et_conv_forward(&x, &g, 1, one, NULL, one, NULL, y, &arena);
	HAND("y", y, 4, 6, 4, 6, 9, 6, 4, 6, 4);
	et_conv_data(&x, &g, 1, one, one, dx, &arena);
	HAND("dx", dx, 4, 6, 4, 6, 9, 6, 4, 6, 4);
	et_conv_weight(&x, &g, 1, one, NULL, one, dw, &arena);
	HAND("dw", dw, 5, 8, 7, 10, 14, 12, 11, 14, 13);
	et_channel_sum(&x, 9, 1, one, db, &arena);
	HAND("db", db, 109);

	const float scale[1] = {2}, shift[1] = {-10};
	const float residual[9] = {0, 0, 3, 0, 0, 0, 0, 0, 20};
	struct et_epilogue e = {scale, shift, residual, ET_ACT_RELU, NULL};
	et_conv_forward(&x, &g, 1, one, NULL, one, &e, y, &arena);
	HAND("y", y, 0, 2, 1, 2, 8, 2, 0, 2, 18);
	e.act = ET_ACT_RELU6;
	et_conv_forward(&x, &g, 1, one, NULL, one, &e, y, &arena);
	HAND("y", y, 0, 2, 1, 2, 6, 2, 0, 2, 6);
	et_arena_close(&arena);
}
END_TEST

/* Two channels in depthwise layout: the first as 3x3 ones, the second a lone tap at the top left.
 */
START_TEST(hand_depthwise)
{
	float x0[18], w[18] = {0}, y[18], dx[18], dw[18] = {0};
	struct et_ctx x = {.k = et_kern_at((size_t)_i), .threads = 1};
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
	et_conv_forward(&x, &g, 1, x0, NULL, w, NULL, y, &arena);
	HAND("y", y, 4, 0, 6, 0, 4, 0, 6, 0, 9, 10, 6, 20, 4, 0, 6, 40, 4, 50);
	et_conv_data(&x, &g, 1, x0, w, dx, &arena);
	HAND("dx", dx, 4, 50, 6, 60, 4, 0, 6, 80, 9, 90, 6, 0, 4, 0, 6, 0, 4, 0);
	et_conv_weight(&x, &g, 1, x0, NULL, x0, dw, &arena);
	/* second channel, tap at the top left: 1*5 + 2*6 + 4*8 + 5*9 */
	HAND("dw", dw, 4, 94);
	et_arena_close(&arena);
}
END_TEST

START_TEST(hand_linear)
{
	const float in[6] = {1, 2, 3, 4, 5, 6}, w[6] = {1, 10, 100, 0, -1, 1}, dy[4] = {1, 2, 3, 4};
	float y[4], dx[6], dw[6] = {0}, torch[6];
	struct et_ctx x = {.k = et_kern_at((size_t)_i), .threads = 1};
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
	et_conv_forward(&x, &g, 2, in, NULL, w, NULL, y, &arena);
	HAND("y", y, 321, 1, 654, 1);
	et_conv_data(&x, &g, 2, dy, w, dx, &arena);
	HAND("dx", dx, 1, 8, 102, 3, 26, 304);
	et_conv_weight(&x, &g, 2, in, NULL, dy, dw, &arena);
	HAND("dw", dw, 13, 17, 21, 18, 24, 30);
	et_conv_to_torch(&g, w, torch);
	HAND("[out][in]", torch, 1, 10, 100, 0, -1, 1);
	et_arena_close(&arena);
}
END_TEST

START_TEST(layouts)
{
	const struct et_kern *k = et_kern_at(0);
	struct et_ctx x = {.k = k, .threads = 1};
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

TCase *tcase_conv_hand(void)
{
	TCase *tc = num_tcase("hand");
	int isas = 0;

	while (et_kern_at((size_t)isas))
		isas++;
	tcase_add_loop_test(tc, hand_ones, 0, isas);
	tcase_add_loop_test(tc, hand_depthwise, 0, isas);
	tcase_add_loop_test(tc, hand_linear, 0, isas);
	tcase_add_test(tc, layouts);
	tcase_add_test(tc, shapes);
	return tc;
}

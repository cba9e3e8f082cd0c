/* Resizing: by hand, and against PIL. */
#include <stdlib.h>

#include "data/priv.h"
#include "picture_gold.h"
#include "test_picture.h"

static struct et_picture resize(const struct et_picture *src, const double box[4], int h, int w)
{
	struct et_picture dst = {0}, scratch = {0};
	struct et_err err;
	int rc = et_picture_resize(src, box[0], box[1], box[2], box[3], h, w, &dst, &scratch, &err);
	ck_assert_msg(rc == 0, "%s", err.text);
	ck_assert_uint_le(scratch.cap, et_resize_scratch_bytes(src->h, src->w, h, w, src->c));
	et_picture_free(&scratch);
	return dst;
}

/* One row or one column of grey, from n bytes to m. */
static void check_line(int n, const uint8_t *from, int m, const uint8_t *to)
{
	struct et_picture row = picture_make(1, n, 1, from), column = picture_make(n, 1, 1, from);
	struct et_picture a = resize(&row, (double[]){0, 0, n, 1}, 1, m);
	struct et_picture b = resize(&column, (double[]){0, 0, 1, n}, m, 1);
	ck_assert_mem_eq(a.px, to, (size_t)m);
	ck_assert_mem_eq(b.px, to, (size_t)m);
	et_picture_free(&a);
	et_picture_free(&b);
	et_picture_free(&row);
	et_picture_free(&column);
}

START_TEST(by_hand)
{
	/* Centres at 1/4, 3/4, 5/4, 7/4 of pixels whose centres are at 1/2 and 3/2. */
	check_line(2, (uint8_t[]){0, 100}, 4, (uint8_t[]){0, 25, 75, 100});
	/* Weights 3/4, 3/4, 1/4 over 7/4: 50/7 and its mirror. */
	check_line(4, (uint8_t[]){0, 10, 20, 30}, 2, (uint8_t[]){7, 23});
	/* Weights 2/3, 1, 2/3 over 7/3: 690/7. */
	check_line(3, (uint8_t[]){30, 90, 180}, 1, (uint8_t[]){99});
	check_line(1, (uint8_t[]){77}, 5, (uint8_t[]){77, 77, 77, 77, 77});
	check_line(3, (uint8_t[]){1, 2, 3}, 3, (uint8_t[]){1, 2, 3});

	/* Channels stay apart, rows stay apart. */
	struct et_picture src =
		picture_make(2, 2, 3, (uint8_t[]){0, 50, 7, 100, 50, 9, 0, 60, 7, 100, 60, 9});
	struct et_picture dst = resize(&src, (double[]){0, 0, 2, 2}, 2, 4);
	ck_assert_mem_eq(dst.px, ((uint8_t[]){0, 50, 7, 25, 50, 8, 75, 50, 9, 100, 50, 9,
					      0, 60, 7, 25, 60, 8, 75, 60, 9, 100, 60, 9}),
			 24);
	et_picture_free(&dst);
	et_picture_free(&src);
}
END_TEST

START_TEST(against_pil)
{
	int k = 0;
	for (; gold_has("resize.%d.src", k); k++) {
		double box[4];
		gold_numbers(box, 4, "resize.%d.box", k);
		struct et_picture src = gold_picture("resize.%d.src", k),
				  want = gold_picture("resize.%d.dst", k),
				  got = resize(&src, box, want.h, want.w);
		size_t n = (size_t)want.h * (size_t)want.w * (size_t)want.c, off = 0;
		ck_assert_msg(picture_distance(&got, &want) <= 1, "case %d", k);
		for (size_t i = 0; i < n; i++)
			off += got.px[i] != want.px[i];
		ck_assert_msg(off <= n / 100, "case %d: %zu of %zu differ", k, off, n);
		et_picture_free(&src);
		et_picture_free(&want);
		et_picture_free(&got);
	}
	ck_assert_int_ge(k, 13);
}
END_TEST

/* Whatever the sizes and the box, one colour stays that colour: weights add up to one. */
START_TEST(one_colour)
{
	struct et_rng r = et_rng_open(1, ET_STREAM_TEST, 1, 0);
	for (int i = 0; i < 300; i++) {
		int h = 1 + (int)et_rng_below(&r, 60), w = 1 + (int)et_rng_below(&r, 60);
		int c = i % 2 ? 3 : 1, level = i % 3 ? 255 : 1;
		struct et_picture src = picture_make(h, w, c, NULL);
		for (size_t k = 0; k < src.cap; k++)
			src.px[k] = (uint8_t)level;
		double x0 = w * 0.9 * (double)et_rng_unit(&r),
		       y0 = h * 0.9 * (double)et_rng_unit(&r);
		double box[4] = {x0, y0, (w - x0) * (1 - 0.9 * (double)et_rng_unit(&r)),
				 (h - y0) * (1 - 0.9 * (double)et_rng_unit(&r))};
		struct et_picture dst = resize(&src, box, 1 + (int)et_rng_below(&r, 60),
					       1 + (int)et_rng_below(&r, 60));
		for (size_t k = 0; k < (size_t)dst.h * (size_t)dst.w * (size_t)c; k++)
			ck_assert_int_eq(dst.px[k], level);
		et_picture_free(&dst);
		et_picture_free(&src);
	}
}
END_TEST

/* A view is resized as if it were all there is. */
START_TEST(view)
{
	struct et_rng r = et_rng_open(2, ET_STREAM_TEST, 1, 0);
	struct et_picture all = picture_noise(&r, 20, 24, 3), part = picture_make(9, 11, 3, NULL);
	for (int y = 0; y < 9; y++)
		for (int x = 0; x < 33; x++)
			part.px[33 * y + x] = all.px[72 * (y + 4) + 3 * 6 + x];
	const int sizes[][2] = {{5, 7}, {30, 31}, {9, 4}, {4, 11}, {9, 11}};
	for (size_t i = 0; i < ET_COUNT(sizes); i++) {
		int h = sizes[i][0], w = sizes[i][1];
		struct et_picture want = resize(&part, (double[]){0, 0, 11, 9}, h, w), got = {0},
				  scratch = {0};
		struct et_view v = et_picture_view(&all, 4, 6, 9, 11);
		ck_assert_int_eq(et_view_resize(&v, 0, 0, 11, 9, h, w, &got, &scratch, NULL), 0);
		ck_assert_int_eq(picture_distance(&got, &want), 0);
		et_picture_free(&want);
		et_picture_free(&got);
		et_picture_free(&scratch);
	}
	et_picture_free(&all);
	et_picture_free(&part);
}
END_TEST

START_TEST(wrong_boxes)
{
	const double boxes[][4] = {{-1, 0, 4, 4}, {0, 0, 9, 4}, {0, 0, 4, 7},	     {3, 3, 0, 1},
				   {0, 2, 3, -1}, {8, 0, 1, 1}, {0.0 / 0.0, 0, 1, 1}};
	struct et_picture src = picture_make(6, 8, 1, NULL), dst = {0}, scratch = {0};
	struct et_err err;
	for (size_t i = 0; i < ET_COUNT(boxes); i++)
		ck_assert_int_eq(et_picture_resize(&src, boxes[i][0], boxes[i][1], boxes[i][2],
						   boxes[i][3], 3, 3, &dst, &scratch, &err),
				 ET_EINTERNAL);
	ck_assert_int_eq(et_picture_resize(&src, 0, 0, 8, 6, 0, 3, &dst, &scratch, &err),
			 ET_EINTERNAL);
	et_picture_free(&src);
	et_picture_free(&dst);
	et_picture_free(&scratch);
}
END_TEST

TCase *tcase_resize(void)
{
	TCase *tc = tcase_create("resize");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, by_hand);
	tcase_add_test(tc, against_pil);
	tcase_add_test(tc, one_colour);
	tcase_add_test(tc, view);
	tcase_add_test(tc, wrong_boxes);
	return tc;
}

/* From a picture to the network's input: geometry, numbers, and the order of the augmentations. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/priv.h"
#include "picture_gold.h"
#include "test_picture.h"

/* Pixels as they are: 255 levels to 0..1, kept as whole numbers by the test. */
static struct et_prep plain(int c, int h, int w)
{
	return (struct et_prep){
		.channels = c, .height = h, .width = w, .std = {1, 1, 1}, .crop_pct = 1};
}

static float *run(const struct et_prep *prep, const struct et_augment *a, uint64_t epoch,
		  uint32_t sample, const struct et_picture *src)
{
	struct et_picture tmp[3] = {{0}};
	struct et_err err;
	size_t n = (size_t)prep->height * (size_t)prep->width * (size_t)prep->channels;
	float *x = malloc(n * sizeof(*x));
	ck_assert_ptr_nonnull(x);
	for (size_t i = 0; i < n; i++)
		x[i] = NAN;
	int rc = et_prep_run(prep, a, 3, epoch, sample, src, tmp, x, &err);
	ck_assert_msg(rc == 0, "%s", err.text);
	for (int i = 0; i < 3; i++)
		et_picture_free(&tmp[i]);
	return x;
}

/* The same as pixels, for a plain() prep. */
static struct et_picture run_pixels(const struct et_prep *prep, const struct et_augment *a,
				    uint64_t epoch, uint32_t sample, const struct et_picture *src)
{
	float *x = run(prep, a, epoch, sample, src);
	struct et_picture p = picture_make(prep->height, prep->width, prep->channels, NULL);
	for (size_t i = 0; i < p.cap; i++) {
		p.px[i] = (uint8_t)lrintf(x[i] * 255);
		ck_assert(x[i] == (float)p.px[i] / 255.0f);
	}
	free(x);
	return p;
}

/* ---- numbers --------------------------------------------------------------------------------- */

START_TEST(normalised)
{
	struct et_prep prep = plain(3, 1, 2);
	prep.mean[0] = 0.5f;
	prep.mean[2] = 1;
	prep.std[0] = 0.25f;
	prep.std[1] = 0.5f;
	prep.std[2] = 2;
	struct et_picture src = picture_make(1, 2, 3, (uint8_t[]){255, 255, 255, 0, 51, 0});
	float *x = run(&prep, NULL, 0, 0, &src);
	const float want[] = {2, 2, 0, -2, 0.4f, -0.5f};
	for (int i = 0; i < 6; i++)
		ck_assert_float_eq_tol(x[i], want[i], 1e-7f);
	free(x);
	et_picture_free(&src);
}
END_TEST

START_TEST(normalised_as_torchvision)
{
	struct et_picture src = gold_picture("norm.src");
	struct et_prep prep = plain(3, src.h, src.w);
	double mean[3], std[3];
	gold_numbers(mean, 3, "norm.mean");
	gold_numbers(std, 3, "norm.std");
	for (int i = 0; i < 3; i++) {
		prep.mean[i] = (float)mean[i];
		prep.std[i] = (float)std[i];
	}
	size_t n = (size_t)src.h * (size_t)src.w * 3;
	float *want = gold_floats(n, "norm.dst"), *x = run(&prep, NULL, 0, 0, &src);
	ck_assert_mem_eq(x, want, n * sizeof(*x));
	free(want);
	free(x);
	et_picture_free(&src);
}
END_TEST

START_TEST(channels)
{
	struct et_picture rgb = picture_make(1, 2, 3, (uint8_t[]){255, 0, 0, 0, 0, 255});
	struct et_picture grey = picture_make(1, 2, 1, (uint8_t[]){7, 9});
	struct et_prep one = plain(1, 1, 2), three = plain(3, 1, 2);
	struct et_picture a = run_pixels(&one, NULL, 0, 0, &rgb),
			  b = run_pixels(&three, NULL, 0, 0, &grey);
	ck_assert_mem_eq(a.px, ((uint8_t[]){76, 29}), 2);
	ck_assert_mem_eq(b.px, ((uint8_t[]){7, 7, 7, 9, 9, 9}), 6);
	et_picture_free(&a);
	et_picture_free(&b);
	et_picture_free(&rgb);
	et_picture_free(&grey);
}
END_TEST

/* ---- geometry -------------------------------------------------------------------------------- */

START_TEST(crop_as_torchvision)
{
	int k = 0;
	for (; gold_has("crop.%d.src", k); k++) {
		struct et_picture src = gold_picture("crop.%d.src", k),
				  want = gold_picture("crop.%d.dst", k);
		struct et_prep prep = plain(src.c, want.h, want.w);
		gold_numbers(&prep.crop_pct, 1, "crop.%d.pct", k);
		struct et_picture got = run_pixels(&prep, NULL, 0, 0, &src);
		int d = picture_distance(&got, &want);
		ck_assert_msg(d <= 1, "case %d: %d levels away", k, d);
		et_picture_free(&src);
		et_picture_free(&want);
		et_picture_free(&got);
	}
	ck_assert_int_ge(k, 8);
}
END_TEST

/* A picture of the size wanted is taken as it is, and no scratch is needed. */
START_TEST(nothing_to_do)
{
	struct et_rng r = et_rng_open(1, ET_STREAM_TEST, 2, 0);
	struct et_picture src = picture_noise(&r, 9, 13, 3), tmp[3] = {{0}};
	struct et_prep prep = plain(3, 9, 13);
	for (int i = 0; i < 2; i++) {
		float x[9 * 13 * 3];
		prep.resize = i ? ET_RESIZE_STRETCH : ET_RESIZE_CROP;
		ck_assert_int_eq(et_prep_run(&prep, NULL, 0, 0, 0, &src, tmp, x, NULL), 0);
		for (int k = 0; k < 9 * 13 * 3; k++)
			ck_assert(x[k] == (float)src.px[k] / 255.0f);
		for (int k = 0; k < 3; k++)
			ck_assert_ptr_null(tmp[k].px);
	}
	et_picture_free(&src);
}
END_TEST

/* Left half 0, right half 200: what remains of it tells what was cut off. */
START_TEST(oblong)
{
	struct et_picture src = picture_make(20, 40, 1, NULL);
	for (int i = 0; i < 800; i++)
		src.px[i] = i % 40 < 20 ? 0 : 200;
	/* Both sides cover 10 x 10 at half size, 10 x 20; the middle half of that remains. */
	struct et_prep prep = plain(1, 10, 10);
	struct et_picture p = run_pixels(&prep, NULL, 0, 0, &src);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(p.px[i] > 100, i % 10 >= 5);
	et_picture_free(&p);
	/* Flatter than the picture: the width decides, all columns remain. */
	prep = plain(1, 5, 20);
	p = run_pixels(&prep, NULL, 0, 0, &src);
	struct et_picture want = {0}, scratch = {0};
	/* At half size 10 rows; the crop begins at round(2.5) = 2. */
	ck_assert_int_eq(et_picture_resize(&src, 0, 4, 40, 10, 5, 20, &want, &scratch, NULL), 0);
	ck_assert_int_eq(picture_distance(&p, &want), 0);
	et_picture_free(&p);
	/* Stretched, the halves stay halves. */
	prep = plain(1, 7, 6);
	prep.resize = ET_RESIZE_STRETCH;
	p = run_pixels(&prep, NULL, 0, 0, &src);
	for (int i = 0; i < 42; i++)
		ck_assert_int_eq(p.px[i] > 100, i % 6 >= 3);
	et_picture_free(&p);
	et_picture_free(&want);
	et_picture_free(&scratch);
	et_picture_free(&src);
}
END_TEST

/* Any source to any size: ribbons, single pixels, enlargements. */
START_TEST(any_size)
{
	static const int sides[] = {1, 2, 3, 7, 31, 200, 3000};
	struct et_rng r = et_rng_open(2, ET_STREAM_TEST, 2, 0);
	const struct et_augment all = {true, 3, 0.08f, 1, 0.4f, 4, 0, 0};
	const struct et_augment scaled = {true, 3, 0, 0, 0, 0, 0.1f, 10};
	for (size_t i = 0; i < ET_COUNT(sides) * ET_COUNT(sides); i++) {
		int h = sides[i / ET_COUNT(sides)], w = sides[i % ET_COUNT(sides)];
		if (h * w > 100000)
			continue;
		struct et_picture src = picture_noise(&r, h, w, i % 2 ? 3 : 1);
		for (uint32_t k = 0; k < 6; k++) {
			struct et_prep prep = plain(src.c, 1 + (int)et_rng_below(&r, 40),
						    1 + (int)et_rng_below(&r, 40));
			prep.crop_pct = k % 2 ? 0.875 : 0.3;
			prep.resize = k == 2 ? ET_RESIZE_STRETCH : ET_RESIZE_CROP;
			const struct et_augment *a = k < 3 ? NULL : k == 5 ? &scaled : &all;
			struct et_picture p = run_pixels(&prep, a, 0, k, &src);
			et_picture_free(&p);
		}
		et_picture_free(&src);
	}
}
END_TEST

START_TEST(wrong)
{
	struct et_picture src = picture_make(2, 2, 1, NULL), tmp[3] = {{0}};
	struct et_prep bad[8];
	float x[12];
	for (size_t i = 0; i < ET_COUNT(bad); i++)
		bad[i] = plain(1, 2, 2);
	bad[0].channels = 2;
	bad[1].height = 0;
	bad[2].width = -1;
	bad[3].crop_pct = 0;
	bad[4].crop_pct = 1.1;
	bad[5].std[0] = 0;
	bad[6].std[0] = NAN;
	bad[7].mean[0] = INFINITY;
	for (size_t i = 0; i < ET_COUNT(bad); i++) {
		struct et_err err = {0};
		ck_assert_int_eq(et_prep_run(&bad[i], NULL, 0, 0, 0, &src, tmp, x, &err), ET_EDATA);
		ck_assert_msg(strncmp(err.text, "input:", 6) == 0, "%s", err.text);
	}
	et_picture_free(&src);
}
END_TEST

/* ---- augmentation ---------------------------------------------------------------------------- */

/* Crop, flip, numbers, cutout, in this order, with these draws. */
START_TEST(order)
{
	enum { H = 5, W = 7 };
	struct et_rng noise = et_rng_open(3, ET_STREAM_TEST, 2, 0);
	struct et_picture src = picture_noise(&noise, H, W, 3);
	struct et_prep prep = plain(3, H, W);
	const struct et_augment a = {.flip = true, .crop = 2, .cutout = 3};
	bool corner[5][5] = {{false}}, flipped[2] = {false};
	for (int ch = 0; ch < 3; ch++)
		prep.mean[ch] = 2; /* so that no pixel becomes a zero */
	for (uint32_t sample = 0; sample < 200; sample++) {
		struct et_rng r = et_rng_open(3, ET_STREAM_AUGMENT, 4, sample);
		int top = (int)et_rng_below(&r, 5), left = (int)et_rng_below(&r, 5);
		bool flip = et_rng_unit(&r) < 0.5f;
		int cy = (int)et_rng_below(&r, H), cx = (int)et_rng_below(&r, W);
		corner[top][left] = flipped[flip] = true;
		float *x = run(&prep, &a, 4, sample, &src);
		for (int i = 0; i < H * W * 3; i++) {
			int y = i / (W * 3), col = i / 3 % W, ch = i % 3;
			/* Where it comes from in the padded picture, less the padding. */
			int sy = y + top - 2, sx = (flip ? W - 1 - col : col) + left - 2;
			bool in = sy >= 0 && sy < H && sx >= 0 && sx < W;
			float want = in ? (float)src.px[(sy * W + sx) * 3 + ch] / 255.0f - 2 : -2;
			if (abs(y - cy) <= 1 && abs(col - cx) <= 1)
				want = 0;
			ck_assert_msg(x[i] == want, "sample %u, (%d,%d,%d): %g instead of %g",
				      sample, y, col, ch, (double)x[i], (double)want);
		}
		free(x);
	}
	for (int i = 0; i < 25; i++)
		ck_assert(corner[i / 5][i % 5]);
	ck_assert(flipped[0] && flipped[1]);
	et_picture_free(&src);
}
END_TEST

/* The box comes first, jitter after the flip; what is not turned on draws nothing. */
START_TEST(box_first)
{
	struct et_rng noise = et_rng_open(4, ET_STREAM_TEST, 2, 0);
	struct et_picture src = picture_noise(&noise, 30, 26, 3);
	struct et_prep prep = plain(3, 8, 9);
	const struct et_augment a = {
		.flip = true, .rrc_min = 0.2f, .rrc_max = 0.9f, .jitter = 0.3f};
	for (uint32_t sample = 0; sample < 50; sample++) {
		struct et_rng r = et_rng_open(3, ET_STREAM_AUGMENT, 9, sample);
		struct et_box b = et_augment_rrc(&a, &r, src.h, src.w);
		bool flip = et_rng_unit(&r) < 0.5f;
		struct et_picture part = picture_make(b.h, b.w, 3, NULL), want = {0}, scratch = {0};
		for (int y = 0; y < b.h; y++)
			memcpy(part.px + y * b.w * 3, src.px + ((y + b.y) * src.w + b.x) * 3,
			       (size_t)b.w * 3);
		ck_assert_int_eq(
			et_picture_resize(&part, 0, 0, b.w, b.h, 8, 9, &want, &scratch, NULL), 0);
		et_augment_jitter(&a, &r, &want);
		struct et_picture got = run_pixels(&prep, &a, 9, sample, &src);
		for (int i = 0; i < 72; i++) {
			const uint8_t *p = want.px + (i / 9 * 9 + (flip ? 8 - i % 9 : i % 9)) * 3;
			ck_assert_mem_eq(got.px + 3 * i, p, 3);
		}
		et_picture_free(&part);
		et_picture_free(&want);
		et_picture_free(&scratch);
		et_picture_free(&got);
	}
	et_picture_free(&src);
}
END_TEST

/* A function of seed, epoch and sample, whatever was in the scratch pictures before. */
START_TEST(repeatable)
{
	struct et_rng noise = et_rng_open(5, ET_STREAM_TEST, 2, 0);
	struct et_picture src = picture_noise(&noise, 21, 33, 3),
			  kept = picture_make(21, 33, 3, src.px);
	struct et_picture other = picture_noise(&noise, 60, 50, 1), tmp[3] = {{0}};
	const struct et_prep prep = plain(3, 12, 10);
	const struct et_augment a = {true, 2, 0.3f, 1, 0.4f, 4, 0, 0};
	const uint64_t keys[][3] = {{1, 2, 3}, {2, 2, 3}, {1, 3, 3}, {1, 2, 4}, {1, 2, 3}};
	float x[ET_COUNT(keys)][12 * 10 * 3], junk[12 * 10 * 3];
	for (size_t i = 0; i < ET_COUNT(keys); i++) {
		ck_assert_int_eq(et_prep_run(&prep, &a, keys[i][0], keys[i][1],
					     (uint32_t)keys[i][2], &src, tmp, x[i], NULL),
				 0);
		ck_assert_int_eq(et_prep_run(&prep, &a, 9, 9, (uint32_t)i, &other, tmp, junk, NULL),
				 0);
		ck_assert_int_eq(memcmp(x[i], x[0], sizeof(x[0])) == 0, i == 0 || i == 4);
	}
	/* Evaluation draws nothing: keys make no difference, and the source is never written to. */
	ck_assert_int_eq(et_prep_run(&prep, NULL, 1, 2, 3, &src, tmp, x[0], NULL), 0);
	ck_assert_int_eq(
		et_prep_run(&prep, &(struct et_augment){0}, 4, 5, 6, &src, tmp, x[1], NULL), 0);
	ck_assert_mem_eq(x[0], x[1], sizeof(x[0]));
	const struct et_prep same = plain(3, 21, 33);
	const struct et_augment colours = {.jitter = 0.5f};
	struct et_rng r = et_rng_open(3, ET_STREAM_AUGMENT, 0, 0);
	struct et_picture got = run_pixels(&same, &colours, 0, 0, &src);
	ck_assert_int_eq(picture_distance(&src, &kept), 0);
	et_augment_jitter(&colours, &r, &kept);
	ck_assert_int_eq(picture_distance(&got, &kept), 0);
	et_picture_free(&got);
	for (int i = 0; i < 3; i++)
		et_picture_free(&tmp[i]);
	et_picture_free(&src);
	et_picture_free(&kept);
	et_picture_free(&other);
}
END_TEST

/* Half of the time, and as often for odd samples as for even ones. */
START_TEST(flip_share)
{
	struct et_picture src = picture_make(1, 2, 1, (uint8_t[]){0, 255});
	const struct et_prep prep = plain(1, 1, 2);
	const struct et_augment a = {.flip = true};
	int flips[2] = {0};
	for (uint32_t i = 0; i < 2000; i++) {
		struct et_picture p = run_pixels(&prep, &a, i / 100, i, &src);
		flips[i % 2] += p.px[0] == 255;
		ck_assert_int_eq(p.px[0] + p.px[1], 255);
		et_picture_free(&p);
	}
	/* Four standard deviations: 4 sqrt(1000) / 2. */
	ck_assert(abs(flips[0] - 500) < 64 && abs(flips[1] - 500) < 64);
	et_picture_free(&src);
}
END_TEST

/* What is decoded may be smaller where it changes little, never where it is enlarged again. */
START_TEST(wanted)
{
	struct et_prep prep = plain(3, 224, 200);
	int h, w;
	et_prep_want(&prep, NULL, &h, &w);
	ck_assert_int_eq(h, 224);
	ck_assert_int_eq(w, 200);
	prep.crop_pct = 0.875;
	et_prep_want(&prep, NULL, &h, &w);
	ck_assert_int_ge(h, 256);
	ck_assert_int_le(h, 257);
	prep.resize = ET_RESIZE_STRETCH;
	et_prep_want(&prep, NULL, &h, &w);
	ck_assert_int_eq(h, 224);
	/* The smallest box of the least picture, twice the wanted size: a side of sqrt(0.08 3/4).
	 */
	et_prep_want(&prep, &(struct et_augment){.rrc_min = 0.08f, .rrc_max = 1}, &h, &w);
	ck_assert_double_ge(2 * h * sqrt(0.08 * 0.75), 224 - 1e-3);
	ck_assert_double_ge(2 * w * sqrt(0.08 * 0.75), 200 - 1e-3);
}
END_TEST

TCase *tcase_prep(void)
{
	TCase *tc = tcase_create("prep");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, normalised);
	tcase_add_test(tc, normalised_as_torchvision);
	tcase_add_test(tc, channels);
	tcase_add_test(tc, crop_as_torchvision);
	tcase_add_test(tc, nothing_to_do);
	tcase_add_test(tc, oblong);
	tcase_add_test(tc, any_size);
	tcase_add_test(tc, wrong);
	tcase_add_test(tc, order);
	tcase_add_test(tc, box_first);
	tcase_add_test(tc, repeatable);
	tcase_add_test(tc, flip_share);
	tcase_add_test(tc, wanted);
	return tc;
}

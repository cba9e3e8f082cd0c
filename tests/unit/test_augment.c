/* Augmentation: its words, and each part on its own. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/priv.h"
#include "picture_gold.h"
#include "test_picture.h"

/* ---- words ----------------------------------------------------------------------------------- */

START_TEST(words)
{
	static const struct {
		const char *text;
		struct et_augment want;
	} good[] = {
		{"", {0}},
		{"none", {0}},
		{"flip", {.flip = true}},
		{"crop:4", {.crop = 4}},
		{"rrc:0.25-0.5", {.rrc_min = 0.25f, .rrc_max = 0.5f}},
		{"rrc:1-1", {.rrc_min = 1, .rrc_max = 1}},
		{"rrc", {.rrc_min = 0.08f, .rrc_max = 1}},
		{"jitter:0.4", {.jitter = 0.4f}},
		{"cutout:8", {.cutout = 8}},
		{"flip,crop:4,rrc:0.08-1,jitter:0.4,cutout:8", {true, 4, 0.08f, 1, 0.4f, 8, 0, 0}},
		{"scale:0.5-2", {.scale_min = 0.5f, .scale_max = 2}},
		{"scale", {.scale_min = 0.5f, .scale_max = 2}},
		{"scale:1-1,flip", {.flip = true, .scale_min = 1, .scale_max = 1}},
		{"cutout:1, flip ,rrc:0.5-1",
		 {.flip = true, .cutout = 1, .rrc_min = 0.5f, .rrc_max = 1}},
	};
	for (size_t i = 0; i < ET_COUNT(good); i++) {
		struct et_augment a = {true, 1, 2, 3, 4, 5, 6, 7};
		const struct et_augment *w = &good[i].want;
		struct et_err err;
		int rc = et_augment_parse(good[i].text, &a, &err);
		ck_assert_msg(rc == 0, "%s: %s", good[i].text, err.text);
		ck_assert_msg(a.flip == w->flip && a.crop == w->crop && a.rrc_min == w->rrc_min &&
				      a.rrc_max == w->rrc_max && a.jitter == w->jitter &&
				      a.cutout == w->cutout && a.scale_min == w->scale_min &&
				      a.scale_max == w->scale_max,
			      "%s", good[i].text);
	}
}
END_TEST

START_TEST(wrong_words)
{
	static const struct {
		const char *text, *word, *more;
	} bad[] = {
		{"flib", "'flib'", "flip"},
		{"Crop:4", "'Crop'", "crop"},
		{"flip,cutuot:3", "'cutuot'", "cutout"},
		{"flip,", "''", "known"},
		{"xyzzy", "'xyzzy'", "known"},
		{"crop", "crop", "number"},
		{"crop:", "crop", "number"},
		{"crop:0", "crop:0", "1"},
		{"crop:-3", "crop:-3", "1"},
		{"crop:1.5", "crop:1.5", "whole"},
		{"crop:4x", "crop:4x", "whole"},
		{"crop:99999999999", "crop", "1024"},
		{"rrc:", "rrc", "0.08-1"},
		{"rrc:0.5", "rrc:0.5", "range"},
		{"rrc:0-1", "rrc:0-1", "range"},
		{"rrc:0.5-1.5", "rrc:0.5-1.5", "range"},
		{"rrc:1-0.5", "rrc:1-0.5", "range"},
		{"rrc:-1", "rrc:-1", "range"},
		{"rrc:nan-1", "rrc:nan-1", "range"},
		{"scale:", "scale", "0.5-2"},
		{"scale:2", "scale:2", "range"},
		{"scale:0-1", "scale:0-1", "range"},
		{"scale:1-11", "scale:1-11", "0.1-10"},
		{"scale:2-0.5", "scale:2-0.5", "range"},
		{"scale,rrc", "rrc and scale", "exclude"},
		{"jitter", "jitter", "number"},
		{"jitter:2", "jitter:2", "1"},
		{"jitter:-0.1", "jitter:-0.1", "0.001"},
		{"jitter:nan", "jitter:nan", "number"},
		{"cutout:0", "cutout:0", "1"},
		{"cutout:1e9", "cutout:1e9", "4096"},
		{"flip:1", "flip:1", "no value"},
		{"flip,flip", "flip", "twice"},
		{"none,flip", "none", "alone"},
		{"flip none", "flip none", "known"},
	};
	for (size_t i = 0; i < ET_COUNT(bad); i++) {
		struct et_augment a;
		struct et_err err = {0};
		int rc = et_augment_parse(bad[i].text, &a, &err);
		ck_assert_msg(rc == ET_EUSAGE && err.code == rc, "%s: %d", bad[i].text, rc);
		ck_assert_msg(strstr(err.text, bad[i].word) && strstr(err.text, bad[i].more),
			      "%s: %s", bad[i].text, err.text);
	}
	char text[5000];
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	struct et_augment a;
	ck_assert_int_eq(et_augment_parse(text, &a, NULL), ET_EUSAGE);
}
END_TEST

/* ---- random resized crop --------------------------------------------------------------------- */

/* Inside of the picture, of the areas and shapes asked for; and all of them, not only some. */
START_TEST(boxes)
{
	const struct et_augment a = {.rrc_min = 0.25f, .rrc_max = 0.5f};
	const int h = 200, w = 230;
	double least = 1, most = 0, narrow = 9, wide = 0;
	int corner[4] = {h, w, 0, 0};
	for (uint32_t i = 0; i < 3000; i++) {
		struct et_rng r = et_rng_open(5, ET_STREAM_AUGMENT, 0, i);
		struct et_box b = et_augment_rrc(&a, &r, h, w);
		ck_assert(b.y >= 0 && b.x >= 0 && b.h > 0 && b.w > 0 && b.y + b.h <= h &&
			  b.x + b.w <= w);
		double area = (double)b.h * b.w / ((double)h * w), aspect = (double)b.w / b.h;
		least = fmin(least, area);
		most = fmax(most, area);
		narrow = fmin(narrow, aspect);
		wide = fmax(wide, aspect);
		corner[0] = b.y < corner[0] ? b.y : corner[0];
		corner[1] = b.x < corner[1] ? b.x : corner[1];
		corner[2] = b.y + b.h > corner[2] ? b.y + b.h : corner[2];
		corner[3] = b.x + b.w > corner[3] ? b.x + b.w : corner[3];
	}
	/* The sides are rounded to pixels. */
	ck_assert(least > 0.245 && least < 0.255 && most < 0.505 && most > 0.495);
	ck_assert(narrow > 0.74 && narrow < 0.76 && wide < 1.345 && wide > 1.32);
	ck_assert(corner[0] == 0 && corner[1] == 0 && corner[2] == h && corner[3] == w);
}
END_TEST

/* torchvision's steps, done again: area, logarithm of the shape, then y and x of a box that fits.
 */
START_TEST(box_draws)
{
	const struct et_augment a = {.rrc_min = 0.08f, .rrc_max = 1};
	const int h = 40, w = 90;
	int tries = 0;
	for (uint32_t i = 0; i < 200; i++) {
		struct et_rng r = et_rng_open(6, ET_STREAM_AUGMENT, 1, i), again = r;
		struct et_box b = et_augment_rrc(&a, &r, h, w);
		double bh, bw;
		do {
			double area =
				(double)0.08f + (1 - (double)0.08f) * (double)et_rng_unit(&again);
			double shape = pow(16.0 / 9, (double)et_rng_unit(&again) - 0.5);
			bw = sqrt(h * w * area * shape);
			bh = sqrt(h * w * area / shape);
			tries++;
		} while (rint(bw) > w || rint(bh) > h);
		ck_assert_double_le(fabs(b.h - bh), 0.5001);
		ck_assert_double_le(fabs(b.w - bw), 0.5001);
		ck_assert_uint_eq((uint32_t)b.y, et_rng_below(&again, (uint32_t)(h - b.h + 1)));
		ck_assert_uint_eq((uint32_t)b.x, et_rng_below(&again, (uint32_t)(w - b.w + 1)));
		ck_assert_uint_eq(et_rng_u32(&r), et_rng_u32(&again));
	}
	ck_assert_int_gt(tries, 220);
}
END_TEST

/* Where no box fits: the largest in the centre of a shape that is allowed. */
START_TEST(box_of_ribbons)
{
	const struct et_augment a = {.rrc_min = 1, .rrc_max = 1};
	static const struct {
		int h, w;
		struct et_box want;
	} cases[] = {{10, 100, {0, 43, 10, 13}},
		     {100, 12, {42, 0, 16, 12}},
		     {1, 50, {0, 24, 1, 1}},
		     {50, 1, {24, 0, 1, 1}},
		     {1, 1, {0, 0, 1, 1}}};
	for (size_t i = 0; i < ET_COUNT(cases); i++) {
		struct et_rng r = et_rng_open(7, ET_STREAM_AUGMENT, 0, 0);
		struct et_box b = et_augment_rrc(&a, &r, cases[i].h, cases[i].w);
		ck_assert_int_eq(b.y, cases[i].want.y);
		ck_assert_int_eq(b.x, cases[i].want.x);
		ck_assert_int_eq(b.h, cases[i].want.h);
		ck_assert_int_eq(b.w, cases[i].want.w);
	}
}
END_TEST

/* ---- shift ----------------------------------------------------------------------------------- */

START_TEST(shift)
{
	struct et_rng r = et_rng_open(8, ET_STREAM_TEST, 0, 0);
	for (int c = 1; c <= 3; c += 2) {
		struct et_picture src = picture_noise(&r, 5, 4, c), dst = {0};
		for (int dy = -7; dy <= 7; dy++)
			for (int dx = -7; dx <= 7; dx++) {
				ck_assert_int_eq(et_picture_place(&src, dy, dx, 5, 4, &dst, NULL),
						 0);
				for (int i = 0; i < 5 * 4 * c; i++) {
					int y = i / (4 * c) - dy, x = i / c % 4 - dx;
					bool in = y >= 0 && y < 5 && x >= 0 && x < 4;
					int want = in ? src.px[(y * 4 + x) * c + i % c] : 0;
					ck_assert_int_eq(dst.px[i], want);
				}
			}
		et_picture_free(&src);
		et_picture_free(&dst);
	}
}
END_TEST

/* ---- colours --------------------------------------------------------------------------------- */

START_TEST(colours_by_hand)
{
	struct et_picture p = picture_make(1, 2, 1, (uint8_t[]){100, 201});
	et_picture_adjust(&p, ET_BRIGHTNESS, 0.5f);
	ck_assert_mem_eq(p.px, ((uint8_t[]){50, 100}), 2);
	/* The mean is 75. */
	et_picture_adjust(&p, ET_CONTRAST, 2);
	ck_assert_mem_eq(p.px, ((uint8_t[]){25, 125}), 2);
	et_picture_adjust(&p, ET_SATURATION, 0);
	ck_assert_mem_eq(p.px, ((uint8_t[]){25, 125}), 2);
	et_picture_adjust(&p, ET_BRIGHTNESS, 3);
	ck_assert_mem_eq(p.px, ((uint8_t[]){75, 255}), 2);
	et_picture_free(&p);
	/* Grey of pure red is 76. */
	p = picture_make(1, 1, 3, (uint8_t[]){255, 0, 0});
	et_picture_adjust(&p, ET_SATURATION, 0.5f);
	ck_assert_mem_eq(p.px, ((uint8_t[]){165, 38, 38}), 3);
	et_picture_free(&p);
}
END_TEST

START_TEST(colours_of_torchvision)
{
	int k = 0;
	for (; gold_has("adjust.%d.src", k); k++) {
		double how[2];
		gold_numbers(how, 2, "adjust.%d.how", k);
		struct et_picture p = gold_picture("adjust.%d.src", k),
				  want = gold_picture("adjust.%d.dst", k);
		et_picture_adjust(&p, (enum et_adjust)how[0], (float)how[1]);
		int d = picture_distance(&p, &want);
		ck_assert_msg(d == 0, "case %d: %d levels away", k, d);
		et_picture_free(&p);
		et_picture_free(&want);
	}
	ck_assert_int_ge(k, 15);
}
END_TEST

/* The order of the three by Fisher and Yates, then a factor for each. */
START_TEST(jitter)
{
	const struct et_augment a = {.jitter = 0.5f};
	struct et_rng noise = et_rng_open(9, ET_STREAM_TEST, 0, 0);
	struct et_picture src = picture_noise(&noise, 6, 7, 3);
	bool seen[3][3] = {{false}};
	for (uint32_t i = 0; i < 60; i++) {
		struct et_rng r = et_rng_open(9, ET_STREAM_AUGMENT, 0, i), again = r;
		struct et_picture got = picture_make(6, 7, 3, src.px),
				  want = picture_make(6, 7, 3, src.px);
		et_augment_jitter(&a, &r, &got);
		int order[3] = {0, 1, 2};
		float factor[3];
		for (uint32_t last = 2; last > 0; last--) {
			uint32_t k = et_rng_below(&again, last + 1);
			int t = order[last];
			order[last] = order[k];
			order[k] = t;
		}
		for (int k = 0; k < 3; k++)
			factor[k] = 0.5f + et_rng_unit(&again);
		for (int k = 0; k < 3; k++) {
			seen[k][order[k]] = true;
			et_picture_adjust(&want, (enum et_adjust)order[k], factor[order[k]]);
		}
		ck_assert_int_le(picture_distance(&got, &want), 1);
		ck_assert_int_gt(picture_distance(&got, &src), 1);
		et_picture_free(&got);
		et_picture_free(&want);
	}
	for (int i = 0; i < 9; i++)
		ck_assert(seen[i / 3][i % 3]);
	et_picture_free(&src);
}
END_TEST

TCase *tcase_augment(void)
{
	TCase *tc = tcase_create("augment");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, words);
	tcase_add_test(tc, wrong_words);
	tcase_add_test(tc, boxes);
	tcase_add_test(tc, box_draws);
	tcase_add_test(tc, box_of_ribbons);
	tcase_add_test(tc, shift);
	tcase_add_test(tc, colours_by_hand);
	tcase_add_test(tc, colours_of_torchvision);
	tcase_add_test(tc, jitter);
	return tc;
}

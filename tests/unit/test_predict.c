/* Predictions by hand: a network whose logits are the colours that it sees. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mask_case.h"
#include "run/run.h"
#include "scratch.h"
#include "suites.h"

#define MUST(call) ck_assert_msg((call) == 0, "%s", err.text)

static struct et_err err;
static const struct et_env env = {.threads = 1};

/* ---- what goes in ---------------------------------------------------------------------------- */

/* A spec and its weights: logit k is the sum of weight[k] over red, green and blue from 0 to 1. */
static void network(int w, int h, const char *resize, const char *end, const float weight[3][3])
{
	char text[1000];
	int n = snprintf(text, sizeof(text),
			 "{\"classes\": 3, \"input\": {\"channels\": 3, \"height\": %d, "
			 "\"width\": %d, \"resize\": \"%s\"}, \"layers\": [{\"name\": \"c\", "
			 "\"type\": \"conv2d\", \"out_channels\": 3, \"kernel_size\": 1, "
			 "\"bias\": false}%s]}",
			 h, w, resize, end);
	scratch_put("net.json", text, (size_t)n);
	/* A header of 72 bytes. */
	static const char header[] =
		"H\0\0\0\0\0\0\0{\"c.weight\":{\"dtype\":\"F32\",\"shape\":[3,3,1,1],"
		"\"data_offsets\":[0,36]}}    ";
	char file[8 + 72 + 36];
	ck_assert_uint_eq(sizeof(header) - 1, 8 + 72);
	memcpy(file, header, 8 + 72);
	memcpy(file + 8 + 72, weight, 36);
	scratch_put("w", file, sizeof(file));
}

static const float colours[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};

/* A row of letters, r g b and black for anything else. */
struct paint {
	const char *const *rows;
	int w;
};

static void paint_row(void *arg, int y, uint8_t *px)
{
	const struct paint *p = arg;
	for (int x = 0; x < p->w; x++, px += 3)
		for (int c = 0; c < 3; c++)
			px[c] = p->rows[y][x] == "rgb"[c] ? 255 : 0;
}

static void picture(const char *name, const char *const *rows, int h)
{
	struct paint p = {rows, (int)strlen(rows[0])};
	const struct et_png png = {.h = h, .w = p.w, .row = paint_row, .arg = &p};
	MUST(et_png_write(scratch_path(name), &png, &err));
}

/* ---- what comes out -------------------------------------------------------------------------- */

struct seen {
	int calls, failures;
	struct et_class top[8];
	int n;
	char mask[300], overlay[300], image[300], why[1024];
};

static void found(void *arg, const struct et_prediction *p)
{
	struct seen *s = arg;
	s->calls++;
	s->n = p->n;
	memcpy(s->top, p->top, (size_t)p->n * sizeof(*p->top));
	snprintf(s->image, sizeof(s->image), "%s", p->image);
	snprintf(s->mask, sizeof(s->mask), "%s", p->mask ? p->mask : "");
	snprintf(s->overlay, sizeof(s->overlay), "%s", p->overlay ? p->overlay : "");
}

static void failed(void *arg, const struct et_err *why)
{
	struct seen *s = arg;
	s->failures++;
	snprintf(s->why, sizeof(s->why), "%s", why->text);
}

static char spec_path[300], weights_path[300], out_path[300];

static struct et_predict request(const char *const *images, size_t n, struct seen *s)
{
	*s = (struct seen){0};
	snprintf(spec_path, sizeof(spec_path), "%s", scratch_path("net.json"));
	snprintf(weights_path, sizeof(weights_path), "%s", scratch_path("w"));
	snprintf(out_path, sizeof(out_path), "%s", scratch_path("out"));
	return (struct et_predict){.model = {.model = spec_path, .weights = weights_path},
				   .images = images,
				   .n_images = n,
				   .top = 3,
				   .found = found,
				   .failed = failed,
				   .arg = s};
}

/* ---- classes --------------------------------------------------------------------------------- */

/* A third red, two thirds green: logits 1/3, 2/3, 0, and their softmax. */
START_TEST(probabilities)
{
	static const char *const rows[] = {"rggrgg", "ggrggr"};
	const double z = exp(1 / 3.) + exp(2 / 3.) + 1;
	struct et_predict_result r;
	struct seen s;
	network(6, 2, "stretch", ",{\"type\":\"global_avgpool2d\"}", colours);
	picture("p.png", rows, 2);
	const char *image = scratch_path("p.png");
	struct et_predict p = request(&image, 1, &s);
	MUST(et_predict(&env, &p, &r, &err));
	ck_assert_int_eq(s.calls, 1);
	ck_assert_int_eq(s.n, 3);
	ck_assert_str_eq(s.image, image);
	ck_assert_str_eq(s.mask, "");
	ck_assert_int_eq(s.top[0].index, 1);
	ck_assert_int_eq(s.top[1].index, 0);
	ck_assert_int_eq(s.top[2].index, 2);
	ck_assert_double_eq_tol(s.top[0].share, exp(2 / 3.) / z, 1e-6);
	ck_assert_double_eq_tol(s.top[1].share, exp(1 / 3.) / z, 1e-6);
	ck_assert_double_eq_tol(s.top[2].share, 1 / z, 1e-6);
	ck_assert_ptr_null(s.top[0].name);
	p.out = out_path;
	ck_assert_int_eq(et_predict(&env, &p, &r, &err), ET_EUSAGE);
	ck_assert_ptr_nonnull(strstr(err.text, "one class a picture"));
}
END_TEST

START_TEST(not_finite)
{
	static const char *const rows[] = {"rg", "gr"};
	const float bad[3][3] = {{1, 0, 0}, {0, NAN, 0}, {0, 0, 1}};
	struct et_predict_result r;
	struct seen s;
	network(2, 2, "stretch", ",{\"type\":\"global_avgpool2d\"}", bad);
	picture("p.png", rows, 2);
	const char *image = scratch_path("p.png");
	struct et_predict p = request(&image, 1, &s);
	ck_assert_int_eq(et_predict(&env, &p, &r, &err), ET_EDATA);
	ck_assert_ptr_nonnull(strstr(err.text, "not finite"));
	ck_assert_int_eq(s.calls, 0);
}
END_TEST

/* ---- masks ----------------------------------------------------------------------------------- */

/* In the network's own size each pixel is its colour. */
START_TEST(mask_of_each_pixel)
{
	static const char *const rows[] = {"rgbr", "ggbb", "rrrr"};
	static const char *const want[] = {"0120", "1122", "0000"};
	struct et_predict_result r;
	struct seen s;
	network(4, 3, "stretch", "", colours);
	picture("p.png", rows, 3);
	const char *image = scratch_path("p.png");
	struct et_predict p = request(&image, 1, &s);
	p.out = out_path;
	p.overlay = true;
	MUST(et_predict(&env, &p, &r, &err));
	mask_check(s.mask, want, 3);
	ck_assert_int_eq(s.n, 3);
	ck_assert_int_eq(s.top[0].index, 0);
	ck_assert_double_eq_tol(s.top[0].share, 6 / 12., 1e-12);
	ck_assert_double_eq_tol(s.top[1].share, 3 / 12., 1e-12);

	/* VOC's colours are black, (128,0,0), (0,128,0): half of them, half of the picture's. */
	static const uint8_t first[4][3] = {{128, 0, 0}, {64, 128, 0}, {0, 64, 128}, {128, 0, 0}};
	struct et_picture seen = {.px = NULL};
	MUST(et_picture_decode(s.overlay, 3, 0, 0, &seen, &err));
	ck_assert_mem_eq(seen.px, first, sizeof(first));
	/* Of the mask itself, its palette. */
	static const uint8_t plain[4][3] = {{0, 0, 0}, {128, 0, 0}, {0, 128, 0}, {0, 0, 0}};
	MUST(et_picture_decode(s.mask, 3, 0, 0, &seen, &err));
	ck_assert_mem_eq(seen.px, plain, sizeof(plain));
	et_picture_free(&seen);
}
END_TEST

/*
 * Eight pixels seen as two: (219,36,0) and (36,219,0) of 255, by PIL's filter. Logits R and 3 G:
 * 0.859 to 0.141 and 0.424 to 2.576 cross at 0.152 of the way; pixel 2 is at 0.125, pixel 3 at
 * 0.375.
 */
START_TEST(mask_between_pixels)
{
	static const char *const rows[] = {"rrrrgggg"}, *const want[] = {"00011111"};
	const float weight[3][3] = {{1, 0, 0}, {0, 3, 0}, {-1, -1, -1}};
	struct et_predict_result r;
	struct seen s;
	network(2, 1, "stretch", "", weight);
	picture("p.png", rows, 1);
	const char *image = scratch_path("p.png");
	struct et_predict p = request(&image, 1, &s);
	p.out = out_path;
	MUST(et_predict(&env, &p, &r, &err));
	mask_check(s.mask, want, 1);
	ck_assert_int_eq(s.n, 2);
	ck_assert_str_eq(s.overlay, "");
}
END_TEST

/* 12x4 to a square of 2: the middle 4 columns of 12 are seen. */
START_TEST(mask_of_what_was_seen)
{
	static const char *const rows[] = {"bbbbrrggbbbb", "bbbbrrggbbbb", "bbbbrrggbbbb",
					   "bbbbrrggbbbb"};
	static const char *const want[] = {"....0011....", "....0011....", "....0011....",
					   "....0011...."};
	struct et_predict_result r;
	struct seen s;
	network(2, 2, "crop", "", colours);
	picture("p.png", rows, 4);
	const char *image = scratch_path("p.png");
	struct et_predict p = request(&image, 1, &s);
	p.out = out_path;
	p.overlay = true;
	MUST(et_predict(&env, &p, &r, &err));
	mask_check(s.mask, want, 4);
	ck_assert_double_eq_tol(s.top[0].share, 0.5, 1e-12);
	struct et_picture seen = {.px = NULL};
	MUST(et_picture_decode(s.overlay, 3, 0, 0, &seen, &err));
	static const uint8_t blue[3] = {0, 0, 255};
	ck_assert_mem_eq(seen.px, blue, 3);
	et_picture_free(&seen);
}
END_TEST

/* The colour map of PASCAL VOC 2012. */
START_TEST(palette)
{
	static const struct {
		uint8_t index, rgb[3];
	} known[] = {{0, {0, 0, 0}},	 {1, {128, 0, 0}},     {2, {0, 128, 0}},
		     {3, {128, 128, 0}}, {8, {64, 0, 0}},      {15, {192, 128, 128}},
		     {20, {0, 64, 128}}, {21, {128, 64, 128}}, {255, {224, 224, 192}}};
	uint8_t all[256][3] = {{0}};
	et_voc_palette(all);
	for (size_t i = 0; i < ET_COUNT(known); i++)
		ck_assert_msg(memcmp(all[known[i].index], known[i].rgb, 3) == 0, "colour %d",
			      known[i].index);
}
END_TEST

START_TEST(masks_do_no_harm)
{
	static const char *const rows[] = {"rg", "gr"};
	struct et_predict_result r;
	struct seen s;
	network(2, 2, "stretch", "", colours);
	picture("p.png", rows, 2);
	MUST(et_dir_make(scratch_path("a"), &err));
	MUST(et_dir_make(scratch_path("b"), &err));
	picture("a/p.png", rows, 2);
	picture("b/p.jpg.png", rows, 2);
	picture("b/p.png", rows, 2);
	picture("b/p-overlay.png", rows, 2);
	const char *all[] = {scratch_path("a/p.png"), scratch_path("b/p.png")};
	struct et_predict p = request(all, 2, &s);
	ck_assert_int_eq(et_predict(&env, &p, &r, &err), ET_EUSAGE);
	ck_assert_ptr_nonnull(strstr(err.text, "expected --out DIR"));
	p.out = out_path;
	ck_assert_int_eq(et_predict(&env, &p, &r, &err), ET_EUSAGE);
	ck_assert_ptr_nonnull(strstr(err.text, "/out/p.png would be written for "));
	ck_assert(!et_path_exists(out_path));
	/* An overlay beside a picture of that name. */
	const char *other[] = {scratch_path("b/p.png"), scratch_path("b/p-overlay.png")};
	p.images = other;
	p.overlay = true;
	ck_assert_int_eq(et_predict(&env, &p, &r, &err), ET_EUSAGE);
	ck_assert_ptr_nonnull(strstr(err.text, "/out/p-overlay.png would be written for "));
	p.overlay = false;
	MUST(et_predict(&env, &p, &r, &err));
	ck_assert_int_eq(s.calls, 2);
	/* Among pictures, by whatever name. */
	char dir[400];
	snprintf(dir, sizeof(dir), "%s/../a/", out_path);
	p.images = all;
	p.n_images = 1;
	p.out = dir;
	ck_assert_int_eq(et_predict(&env, &p, &r, &err), ET_EUSAGE);
	ck_assert_ptr_nonnull(strstr(err.text, "there are pictures"));
}
END_TEST

/* ---- lists ----------------------------------------------------------------------------------- */

START_TEST(lists)
{
	static const char *const rows[] = {"rg", "gr"};
	struct et_predict_result r;
	struct seen s;
	network(2, 2, "stretch", ",{\"type\":\"global_avgpool2d\"}", colours);
	MUST(et_dir_make(scratch_path("d/sub"), &err));
	MUST(et_dir_make(scratch_path("none"), &err));
	picture("d/b.png", rows, 2);
	picture("d/sub/a.png", rows, 2);
	scratch_put("d/a.png", "no", 2);
	const char *all[] = {scratch_path("d"), scratch_path("none"), scratch_path("d/b.png")};
	struct et_predict p = request(all, 3, &s);
	p.batch_size = 2;
	ck_assert_int_eq(et_predict(&env, &p, &r, &err), ET_EDATA);
	ck_assert_int_eq(s.calls, 3);
	ck_assert_int_eq(s.failures, 2);
	ck_assert_ptr_nonnull(strstr(s.why, "Found 0 pictures in "));
	ck_assert_str_eq(s.image, all[2]);
	ck_assert_uint_eq(r.images, 3);
	ck_assert_uint_eq(r.failed, 2);
	ck_assert_str_eq(err.text, "2 of 5 pictures could not be read");
	const char *missing = scratch_path("missing");
	p = request(&missing, 1, &s);
	ck_assert_int_eq(et_predict(&env, &p, &r, &err), ET_ENOINPUT);
}
END_TEST

Suite *suite_predict(void)
{
	Suite *s = suite_create("predict");
	TCase *t = tcase_create("by hand");
	tcase_add_checked_fixture(t, scratch_open, scratch_close);
	tcase_add_test(t, probabilities);
	tcase_add_test(t, not_finite);
	tcase_add_test(t, mask_of_each_pixel);
	tcase_add_test(t, mask_between_pixels);
	tcase_add_test(t, mask_of_what_was_seen);
	tcase_add_test(t, palette);
	tcase_add_test(t, masks_do_no_harm);
	tcase_add_test(t, lists);
	suite_add_tcase(s, t);
	return s;
}

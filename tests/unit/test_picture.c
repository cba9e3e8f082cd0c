/* Decoding: every kind of PNG and JPEG against PIL's pixels, sizes, reduction, buffers. */
#include <stdlib.h>
#include <string.h>

#include "data/priv.h"
#include "picture_gold.h"
#include "scratch.h"
#include "test_picture.h"

Suite *suite_picture(void);

static const char *const pngs[] = {"rgb.png",
				   "rgb-trns.png",
				   "grey.png",
				   "grey-trns.png",
				   "grey1.png",
				   "grey2.png",
				   "grey4.png",
				   "grey16.png",
				   "grey-alpha.png",
				   "grey-alpha16.png",
				   "rgba.png",
				   "rgb16.png",
				   "rgba16.png",
				   "palette1.png",
				   "palette2.png",
				   "palette4.png",
				   "palette8.png",
				   "palette-trns.png",
				   "chunks.png",
				   "interlaced.png",
				   "interlaced-small.png",
				   "interlaced-grey1.png",
				   "interlaced-palette4.png"};
static const char *const jpegs[] = {"420.jpg",	"422.jpg",  "444.jpg", "progressive.jpg",
				    "grey.jpg", "cmyk.jpg", "ycck.jpg"};

static struct et_picture decode(const char *path, int c, int want_h, int want_w)
{
	struct et_picture p = {0};
	struct et_err err;
	int rc = et_picture_decode(path, c, want_h, want_w, &p, &err);
	ck_assert_msg(rc == 0, "%s", err.text);
	return p;
}

static struct et_picture_info probe(const char *path)
{
	struct et_picture_info info;
	struct et_err err;
	int rc = et_picture_probe(path, &info, &err);
	ck_assert_msg(rc == 0, "%s", err.text);
	return info;
}

/* As RGB and as grey; the probe says the size, and no less memory than the pixels take. */
static void check_file(const char *name, const char *kind, int tolerance)
{
	struct et_picture_info info = probe(gold_path(name));
	ck_assert_str_eq(info.kind, kind);
	for (int c = 1; c <= 3; c += 2) {
		struct et_picture want = gold_picture("%s.%s", name, c == 3 ? "rgb" : "grey");
		struct et_picture got = decode(gold_path(name), c, 0, 0);
		ck_assert_int_eq(info.h, want.h);
		ck_assert_int_eq(info.w, want.w);
		ck_assert_uint_ge(info.bytes, got.cap);
		int d = picture_distance(&got, &want);
		ck_assert_msg(d <= tolerance, "%s as %d channels: %d levels away", name, c, d);
		et_picture_free(&got);
		et_picture_free(&want);
	}
}

START_TEST(png)
{
	check_file(pngs[_i], "png", 0);
}
END_TEST

START_TEST(jpeg)
{
	check_file(jpegs[_i], "jpeg", 1);
}
END_TEST

/* 43 x 53: at 1/n both sides keep twice the wanted 43 / 2n, 53 / 2n, and with one more they do not.
 */
START_TEST(reduction)
{
	static const char *const names[] = {"420.jpg", "progressive.jpg", "grey.jpg", "cmyk.jpg"};
	const char *name = names[_i];
	for (int n = 2; n <= 8; n *= 2) {
		int h = 43 / (2 * n), w = 53 / (2 * n);
		struct et_picture want = gold_picture("%s.%d", name, n);
		struct et_picture got = decode(gold_path(name), 3, h, w);
		ck_assert_int_le(picture_distance(&got, &want), 1);
		et_picture_free(&got);
		got = decode(gold_path(name), 1, h, w);
		for (int i = 0; i < want.h * want.w; i++) {
			const uint8_t *p = want.px + 3 * i;
			ck_assert_int_le(
				abs(got.px[i] - (299 * p[0] + 587 * p[1] + 114 * p[2]) / 1000), 2);
		}
		et_picture_free(&got);
		for (int more = 0; more < 2; more++) {
			got = decode(gold_path(name), 3, h + more, w + !more);
			ck_assert_int_eq(got.h, (43 + n / 2 - 1) / (n / 2));
			ck_assert_int_eq(got.w, (53 + n / 2 - 1) / (n / 2));
			et_picture_free(&got);
		}
		et_picture_free(&want);
	}
	struct et_picture whole = decode(gold_path(name), 3, 1, 0);
	ck_assert_int_eq(whole.h, 43);
	et_picture_free(&whole);
	whole = decode(gold_path("rgb.png"), 3, 1, 1);
	ck_assert_int_eq(whole.h, 19);
	et_picture_free(&whole);
}
END_TEST

/* What is said of the size and the buffer before decoding, at any reduction, is what it comes to.
 */
static void check_extent(const char *name)
{
	struct et_header head;
	ck_assert_int_eq(et_picture_header(gold_path(name), &head, NULL), 0);
	for (int i = 0; i < 8; i++) {
		int c = i % 2 ? 3 : 1, h, w, want_h = i / 2 * 2, want_w = i / 2 * 3;
		size_t bytes = et_header_extent(&head, c, want_h, want_w, &h, &w);
		struct et_picture p = decode(gold_path(name), c, want_h, want_w);
		ck_assert_int_eq(p.h, h);
		ck_assert_int_eq(p.w, w);
		ck_assert_uint_le(p.cap, bytes);
		et_picture_free(&p);
	}
}

START_TEST(extent)
{
	for (size_t i = 0; i < ET_COUNT(pngs); i++)
		check_extent(pngs[i]);
	for (size_t i = 0; i < ET_COUNT(jpegs); i++)
		check_extent(jpegs[i]);
}
END_TEST

/* More of them before the size than any buffer holds. */
START_TEST(big_exif)
{
	struct et_err err;
	char *text;
	size_t n, segment = 65535 + 2;
	ck_assert_int_eq(et_file_read(gold_path("420.jpg"), 0, &text, &n, &err), 0);
	char *big = calloc(1, n + 3 * segment);
	memcpy(big, text, 2);
	for (size_t i = 0; i < 3; i++) {
		memcpy(big + 2 + i * segment,
		       "\xff\xe1\xff\xff"
		       "Exif",
		       8);
		memset(big + 10 + i * segment, 0xff, segment - 8);
	}
	memcpy(big + 2 + 3 * segment, text + 2, n - 2);
	const char *path = scratch_put("exif.jpg", big, n + 3 * segment);
	struct et_picture want = decode(gold_path("420.jpg"), 3, 0, 0), got = decode(path, 3, 0, 0);
	ck_assert_int_eq(probe(path).w, 53);
	ck_assert_int_eq(picture_distance(&got, &want), 0);
	et_picture_free(&got);
	et_picture_free(&want);
	free(big);
	free(text);
}
END_TEST

/* The name says nothing about what a file is. */
START_TEST(content)
{
	struct et_err err;
	char *text;
	size_t n;
	ck_assert_int_eq(et_file_read(gold_path("rgb.png"), 0, &text, &n, &err), 0);
	ck_assert_str_eq(probe(scratch_put("a.jpg", text, n)).kind, "png");
	free(text);
	ck_assert_int_eq(et_file_read(gold_path("grey.jpg"), 0, &text, &n, &err), 0);
	ck_assert_str_eq(probe(scratch_put("b.png", text, n)).kind, "jpeg");
	free(text);
}
END_TEST

/* One buffer for picture after picture, bad ones among them. */
START_TEST(buffers)
{
	struct et_picture p = decode(gold_path("444.jpg"), 3, 0, 0);
	struct et_err err;
	const uint8_t *px = p.px;
	size_t cap = p.cap;
	for (size_t i = 0; i < ET_COUNT(pngs); i++) {
		ck_assert_int_eq(et_picture_decode(gold_path(pngs[i]), 1, 0, 0, &p, &err), 0);
		ck_assert_ptr_eq(p.px, px);
		ck_assert_uint_eq(p.cap, cap);
	}
	const char *bad = scratch_put("bad.jpg", "\xff\xd8\xff\xe0", 4);
	ck_assert_int_eq(et_picture_decode(bad, 3, 0, 0, &p, &err), ET_EDATA);
	ck_assert_int_eq(et_picture_decode(gold_path("420.jpg"), 3, 0, 0, &p, &err), 0);
	struct et_picture want = gold_picture("420.jpg.rgb");
	ck_assert_int_le(picture_distance(&p, &want), 1);
	et_picture_free(&want);
	et_picture_free(&p);
	ck_assert_ptr_null(p.px);
	et_picture_free(&p);
}
END_TEST

Suite *suite_picture(void)
{
	Suite *s = suite_create("picture");
	TCase *tc = tcase_create("decode");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, scratch_open, scratch_close);
	tcase_add_loop_test(tc, png, 0, ET_COUNT(pngs));
	tcase_add_loop_test(tc, jpeg, 0, ET_COUNT(jpegs));
	tcase_add_loop_test(tc, reduction, 0, 4);
	tcase_add_test(tc, extent);
	tcase_add_test(tc, big_exif);
	tcase_add_test(tc, content);
	tcase_add_test(tc, buffers);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, tcase_picture_bad());
	suite_add_tcase(s, tcase_resize());
	suite_add_tcase(s, tcase_augment());
	suite_add_tcase(s, tcase_prep());
	suite_add_tcase(s, tcase_labels());
	return s;
}

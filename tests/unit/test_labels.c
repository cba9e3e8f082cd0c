/* Masks on their way to labels: as PIL resizes them, and moved as their pictures are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/priv.h"
#include "io/io.h"
#include "picture_gold.h"
#include "test_picture.h"

#define IGNORE (-7)

/* ---- against PIL and torchvision ------------------------------------------------------------- */

static bool gold(struct et_picture *p, const char *what, int k, const char *part)
{
	struct et_st st;
	char name[40];
	struct et_err err;
	snprintf(name, sizeof(name), "%s.%d.%s", what, k, part);
	int rc = et_st_open(&st, "tests/gold/masks.safetensors", &err);
	ck_assert_msg(rc == 0, "%s", err.text);
	const struct et_st_tensor *t = et_st_find(&st, name);
	if (t) {
		ck_assert_int_eq(t->dtype, ET_U8);
		*p = picture_make((int)t->shape[0], t->rank > 1 ? (int)t->shape[1] : 1, 1, NULL);
		ck_assert_int_eq(et_st_read_bytes(&st, t, p->px, &err), 0);
	}
	et_st_close(&st);
	return t != NULL;
}

static struct et_prep prep_of(int c, int h, int w)
{
	return (struct et_prep){
		.channels = c, .height = h, .width = w, .std = {1, 1, 1}, .crop_pct = 1};
}

static int32_t *labels_of(const struct et_prep *prep, const struct et_augment *a, uint32_t sample,
			  int h, int w, const struct et_picture *mask)
{
	struct et_picture scratch = {0};
	struct et_err err = {.text = ""};
	int32_t *label = calloc((size_t)prep->height * (size_t)prep->width, sizeof(*label));
	ck_assert_ptr_nonnull(label);
	int rc = et_prep_labels(prep, a, 3, 4, sample, h, w, mask, IGNORE, &scratch, label, &err);
	ck_assert_msg(rc == 0, "%s", err.text);
	ck_assert_uint_le(scratch.cap, et_labels_scratch_bytes(prep));
	et_picture_free(&scratch);
	return label;
}

static void check_gold(const struct et_prep *prep, const char *what, int k,
		       const struct et_picture *src, const struct et_picture *want)
{
	int32_t *got = labels_of(prep, NULL, 0, src->h, src->w, src);
	for (int i = 0; i < want->h * want->w; i++) {
		int32_t label = want->px[i] == ET_MASK_IGNORE ? IGNORE : want->px[i];
		ck_assert_msg(got[i] == label, "%s %d: element %d is %d, not %d", what, k, i,
			      got[i], label);
	}
	free(got);
}

START_TEST(resized_as_pil)
{
	struct et_picture src, want;
	int k = 0;
	for (; gold(&src, "resize", k, "src") && gold(&want, "resize", k, "dst"); k++) {
		struct et_prep prep = prep_of(1, want.h, want.w);
		prep.resize = ET_RESIZE_STRETCH;
		check_gold(&prep, "resize", k, &src, &want);
		et_picture_free(&src);
		et_picture_free(&want);
	}
	ck_assert_int_ge(k, 10);
}
END_TEST

START_TEST(cropped_as_torchvision)
{
	struct et_picture src, want, pct;
	int k = 0;
	for (; gold(&src, "crop", k, "src") && gold(&want, "crop", k, "dst") &&
	       gold(&pct, "crop", k, "pct");
	     k++) {
		struct et_prep prep = prep_of(1, want.h, want.w);
		prep.crop_pct = (pct.px[0] + 256 * pct.px[1]) / 1000.0;
		check_gold(&prep, "crop", k, &src, &want);
		et_picture_free(&src);
		et_picture_free(&want);
		et_picture_free(&pct);
	}
	ck_assert_int_ge(k, 8);
}
END_TEST

/* ---- a picture and its mask ------------------------------------------------------------------ */

/*
 * A picture whose every pixel says where it is, and a mask that says the same: row in the first
 * channel, column in the second. At a whole-numbered scale of 1 both must agree exactly, whatever
 * was drawn; where the picture comes from outside, the mask is ignored.
 */
static struct et_picture places(int h, int w)
{
	struct et_picture p = picture_make(h, w, 3, NULL);
	for (int i = 0; i < h * w; i++) {
		p.px[3 * i] = (uint8_t)(i / w + 1);
		p.px[3 * i + 1] = (uint8_t)(i % w + 1);
	}
	return p;
}

static struct et_picture channel(const struct et_picture *p, int ch)
{
	struct et_picture m = picture_make(p->h, p->w, 1, NULL);
	for (int i = 0; i < p->h * p->w; i++)
		m.px[i] = p->px[3 * i + ch];
	return m;
}

/* Most that labels and the picture's numbers differ; *outside: pixels from outside. */
static int difference(const struct et_prep *prep, const struct et_augment *a, uint32_t sample,
		      const struct et_picture *src, int *outside)
{
	struct et_picture tmp[3] = {{0}};
	size_t n = (size_t)prep->height * (size_t)prep->width;
	float *x = malloc(n * 3 * sizeof(*x));
	int most = 0;
	*outside = 0;
	ck_assert_int_eq(et_prep_run(prep, a, 3, 4, sample, src, tmp, x, NULL), 0);
	for (int ch = 0; ch < 2; ch++) {
		struct et_picture m = channel(src, ch);
		int32_t *label = labels_of(prep, a, sample, src->h, src->w, &m);
		for (size_t i = 0; i < n; i++) {
			int seen = (int)(x[3 * i + (size_t)ch] * 255 + 0.5f);
			ck_assert_int_eq(label[i] == IGNORE, seen == 0);
			*outside += seen == 0;
			int d = label[i] == IGNORE ? 0 : abs(label[i] - seen);
			most = d > most ? d : most;
		}
		free(label);
		et_picture_free(&m);
	}
	for (int i = 0; i < 3; i++)
		et_picture_free(&tmp[i]);
	free(x);
	return most;
}

START_TEST(moved_alike)
{
	static const struct {
		const char *augment;
		int h, w;     /* of the input; the picture has 12 x 16 */
		int most;     /* levels that both may differ: bilinear against nearest */
		bool outside; /* some is expected to come from there */
	} cases[] = {
		{"none", 12, 16, 0, false},
		{"flip", 12, 16, 0, false},
		{"crop:3", 12, 16, 0, true},
		{"flip,crop:5", 12, 16, 0, true},
		{"scale:1-1", 12, 16, 0, false},
		/* Twice as large: a bilinear value lies between its neighbours. */
		{"scale:2-2", 12, 16, 1, false},
		{"scale:2-2,flip,crop:2", 12, 16, 1, true},
		{"scale:0.5-0.5", 12, 16, 1, true},
		{"scale:0.5-0.5,crop:2", 12, 16, 1, true},
		{"rrc:0.3-1,flip", 12, 16, 2, false},
		{"rrc:0.3-1,crop:2", 20, 9, 2, true},
		{"none", 24, 32, 1, false},
		{"none", 6, 6, 2, false},
	};
	struct et_picture src = places(12, 16);
	for (size_t k = 0; k < ET_COUNT(cases); k++) {
		struct et_augment a;
		int outside = 0;
		ck_assert_int_eq(et_augment_parse(cases[k].augment, &a, NULL), 0);
		for (uint32_t sample = 0; sample < 30; sample++) {
			struct et_prep prep = prep_of(3, cases[k].h, cases[k].w);
			int more, d = difference(&prep, &a, sample, &src, &more);
			ck_assert_msg(d <= cases[k].most, "%s: %d levels", cases[k].augment, d);
			outside += more;
		}
		ck_assert_int_eq(outside > 0, cases[k].outside);
	}
	et_picture_free(&src);
}
END_TEST

/* Colours are no matter of masks, nor what is cut out: labels are as without. */
START_TEST(colours)
{
	struct et_picture src = places(12, 16), mask = channel(&src, 1);
	struct et_prep prep = prep_of(3, 8, 8);
	struct et_augment a, b;
	ck_assert_int_eq(et_augment_parse("flip,crop:2,scale:0.8-2", &a, NULL), 0);
	ck_assert_int_eq(et_augment_parse("flip,crop:2,scale:0.8-2,jitter:0.4,cutout:4", &b, NULL),
			 0);
	for (uint32_t sample = 0; sample < 20; sample++) {
		int32_t *x = labels_of(&prep, &a, sample, 12, 16, &mask);
		int32_t *y = labels_of(&prep, &b, sample, 12, 16, &mask);
		ck_assert_mem_eq(x, y, 64 * sizeof(*x));
		free(x);
		free(y);
	}
	et_picture_free(&src);
	et_picture_free(&mask);
}
END_TEST

/*
 * Sizes by hand: 12 x 16 into 12 x 12 keeps 12 x 16, of which a factor of 0.5 makes 6 x 8. Every
 * factor of the range occurs, and every place of the crop.
 */
START_TEST(scales)
{
	struct et_prep prep = prep_of(3, 12, 12);
	struct et_augment a = {.scale_min = 0.5f, .scale_max = 2};
	struct et_moves m;
	bool smallest = false, largest = false;
	for (uint32_t sample = 0; sample < 2000; sample++) {
		struct et_rng r = et_rng_open(1, ET_STREAM_AUGMENT, 0, sample);
		et_moves_draw(&m, &prep, &a, &r, 12, 16);
		ck_assert(m.all_h >= 6 && m.all_h <= 24 && m.all_w >= 8 && m.all_w <= 32);
		ck_assert(m.h == (m.all_h < 12 ? m.all_h : 12));
		ck_assert(m.w == (m.all_w < 12 ? m.all_w : 12));
		ck_assert(m.top >= 0 && m.top + m.h <= m.all_h);
		ck_assert(m.left >= 0 && m.left + m.w <= m.all_w);
		/* The two sides by one factor. */
		ck_assert(llabs(3 * m.all_w - 4 * m.all_h) <= 4);
		smallest |= m.all_h == 6;
		largest |= m.all_h == 24 && m.top == 12;
		ck_assert(m.dy == 0 && m.dx == 0 && !m.flip);
	}
	ck_assert(smallest && largest);
	/* Stretched, the sides of the input are 1. */
	prep.resize = ET_RESIZE_STRETCH;
	a.scale_min = a.scale_max = 0.5f;
	struct et_rng r = et_rng_open(1, ET_STREAM_AUGMENT, 0, 0);
	et_moves_draw(&m, &prep, &a, &r, 100, 30);
	ck_assert(m.all_h == 6 && m.all_w == 6 && m.h == 6 && m.w == 6);
	ck_assert(m.bw == 30 && m.bh == 100);
}
END_TEST

/* A JPEG read at a half: 21 x 31 of 41 x 61. The mask is as if it had been read whole, nearly. */
START_TEST(reduced)
{
	struct et_picture mask = picture_make(41, 61, 1, NULL);
	for (int i = 0; i < 41 * 61; i++)
		mask.px[i] = (uint8_t)(i % 61);
	struct et_prep prep = prep_of(3, 10, 15);
	prep.resize = ET_RESIZE_STRETCH;
	int32_t *whole = labels_of(&prep, NULL, 0, 41, 61, &mask);
	int32_t *part = labels_of(&prep, NULL, 0, 21, 31, &mask);
	ck_assert_mem_eq(whole, part, 150 * sizeof(*part));
	free(part);
	/* A box of the smaller picture is that part of the mask. */
	struct et_augment a = {.rrc_min = 0.2f, .rrc_max = 0.4f};
	for (uint32_t sample = 0; sample < 20; sample++) {
		struct et_rng r = et_rng_open(3, ET_STREAM_AUGMENT, 4, sample);
		struct et_box b = et_augment_rrc(&a, &r, 21, 31);
		part = labels_of(&prep, &a, sample, 21, 31, &mask);
		for (int x = 0; x < 15; x++) {
			double at = (b.x + (x + 0.5) * b.w / 15) * 61 / 31;
			ck_assert_double_le(at - part[x], 1 + 1e-9);
			ck_assert_double_ge(at - part[x], -1e-9);
		}
		free(part);
	}
	free(whole);
	et_picture_free(&mask);
}
END_TEST

TCase *tcase_labels(void)
{
	TCase *tc = tcase_create("labels");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, resized_as_pil);
	tcase_add_test(tc, cropped_as_torchvision);
	tcase_add_test(tc, moved_alike);
	tcase_add_test(tc, colours);
	tcase_add_test(tc, scales);
	tcase_add_test(tc, reduced);
	return tc;
}

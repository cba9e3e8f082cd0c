/* Pictures with masks: the layouts, values as they are, and everything that can be wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "make_picture.h"
#include "scratch.h"
#include "test_dataset.h"

#define H 4
#define W 6

static const uint8_t all[H * W] = {0, 1, 2, 3,	4,   5, 6, 7, 8, 9, 10, 11,
				   0, 1, 2, 15, 255, 5, 0, 0, 0, 0, 0,	11};
static const uint8_t few[H * W] = {0, 1, 1, 0, 1, 0, 0, 0, 0, 1, 1, 1,
				   1, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 1};

static void picture(const char *name)
{
	size_t n = strlen(name);
	if (strcmp(name + n - 4, ".jpg") == 0)
		make_jpeg(scratch_path(name), H, W, 1);
	else
		make_png(scratch_path(name), H, W, 1);
}

static void mask(const char *name)
{
	make_mask(scratch_path(name), MASK_GREY, 8, H, W, few);
}

static const char *text(const char *name, const char *content)
{
	make_parents(scratch_path(name));
	return scratch_put(name, content, strlen(content));
}

static struct et_dataset *open_with(const char *name, bool skip_bad, int classes)
{
	struct et_dataset_conf conf = {.val_fraction = 0, .skip_bad = skip_bad, .classes = classes};
	struct et_dataset *ds = NULL;
	struct et_err err = {.text = ""};
	int rc = et_dataset_open(&ds, scratch_path(name), &conf, &err);
	ck_assert_msg(rc == 0, "%s", err.text);
	ck_assert(et_dataset_has_masks(ds));
	return ds;
}

static void check_item(const struct et_dataset *ds, enum et_split split, size_t i, const char *name)
{
	char found[1000];
	et_dataset_item_name(ds, split, i, found, sizeof(found));
	ck_assert_str_eq(found, scratch_path(name));
	ck_assert_int_eq(et_dataset_label(ds, split, i), 0);
}

static void check_mask(const struct et_dataset *ds, enum et_split split, size_t i,
		       const uint8_t *want)
{
	struct et_picture m = {0};
	struct et_err err = {.text = ""};
	int rc = et_dataset_load_mask(ds, split, i, &m, &err);
	ck_assert_msg(rc == 0, "%s", err.text);
	ck_assert_int_eq(m.h, H);
	ck_assert_int_eq(m.w, W);
	ck_assert_int_eq(m.c, 1);
	ck_assert_mem_eq(m.px, want, H * W);
	et_picture_free(&m);
}

/* Loading is refused with both words. */
static void check_bad_mask(const struct et_dataset *ds, size_t i, const char *file,
			   const char *word)
{
	struct et_picture m = {0};
	struct et_err err = {.text = ""};
	ck_assert_int_eq(et_dataset_load_mask(ds, ET_SPLIT_TRAIN, i, &m, &err), ET_EDATA);
	assert_says(err.text, file);
	assert_says(err.text, word);
	et_picture_free(&m);
}

/* ---- values ---------------------------------------------------------------------------------- */

/* Indices, whatever colours the palette gives them; grey of few bits is not spread to 0..255. */
START_TEST(values)
{
	uint8_t four[H * W], two[H * W];
	for (int i = 0; i < H * W; i++) {
		four[i] = all[i] & 15;
		two[i] = all[i] & 3;
	}
	for (const char *name = "abcdefgh"; *name; name++)
		picture((char[]){'d', '/', 'i', 'm', 'a', 'g', 'e', 's', '/', *name, '.', 'p', 'n',
				 'g', 0});
	make_mask(scratch_path("d/masks/a.png"), MASK_GREY, 8, H, W, all);
	make_mask(scratch_path("d/masks/b.png"), MASK_PALETTE, 8, H, W, all);
	make_mask(scratch_path("d/masks/c.png"), MASK_GREY, 4, H, W, four);
	make_mask(scratch_path("d/masks/d.png"), MASK_PALETTE, 4, H, W, four);
	make_mask(scratch_path("d/masks/e.png"), MASK_GREY, 2, H, W, two);
	make_mask(scratch_path("d/masks/f.png"), MASK_PALETTE, 2, H, W, two);
	make_mask(scratch_path("d/masks/g.png"), MASK_GREY, 1, H, W, few);
	make_mask(scratch_path("d/masks/h.png"), MASK_PALETTE, 1, H, W, few);
	struct et_dataset *ds = open_with("d", false, 0);
	const uint8_t *const want[] = {all, all, four, four, two, two, few, few};
	for (size_t i = 0; i < 8; i++)
		check_mask(ds, ET_SPLIT_TRAIN, i, want[i]);
	/* 255 is no class; 15 is the largest. */
	ck_assert_int_eq(et_dataset_classes(ds), 16);
	ck_assert_str_eq(et_dataset_class_name(ds, 15), "15");
	et_dataset_close(ds);

	/* What the caller knows need not be counted, and then no more is allowed. */
	ds = open_with("d", false, 21);
	ck_assert_int_eq(et_dataset_classes(ds), 21);
	et_dataset_close(ds);
	ds = open_with("d", false, 15);
	check_bad_mask(ds, 0, "d/masks/a.png",
		       "the pixel in column 3 of row 2 is 15: expected a class from 0 to 14, or "
		       "255 to be ignored");
	check_mask(ds, ET_SPLIT_TRAIN, 6, few);
	et_dataset_close(ds);
}
END_TEST

/* ---- the plain layout ------------------------------------------------------------------------ */

START_TEST(plain)
{
	picture("d/images/b.jpg");
	picture("d/images/a.png");
	picture("d/images/deep/er/a.jpg");
	picture("d/images/a.b.png");
	mask("d/masks/b.png");
	mask("d/masks/a.png");
	mask("d/masks/a.b.png");
	mask("d/masks/deep/er/a.png");
	text("d/masks/notes.txt", "none");
	text("d/classes.txt", "sky\r\nthe road\n\n");
	struct et_dataset *ds = open_with("d", false, 7);
	ck_assert_str_eq(et_dataset_format(ds), "masks");
	ck_assert_int_eq(et_dataset_classes(ds), 2);
	ck_assert_str_eq(et_dataset_class_name(ds, 0), "sky");
	ck_assert_str_eq(et_dataset_class_name(ds, 1), "the road");
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_TRAIN), 4);
	check_item(ds, ET_SPLIT_TRAIN, 0, "d/images/a.png");
	check_item(ds, ET_SPLIT_TRAIN, 1, "d/images/a.b.png");
	check_item(ds, ET_SPLIT_TRAIN, 2, "d/images/b.jpg");
	check_item(ds, ET_SPLIT_TRAIN, 3, "d/images/deep/er/a.jpg");
	check_mask(ds, ET_SPLIT_TRAIN, 3, few);
	et_dataset_close(ds);
}
END_TEST

/* Both orders of splits and of images/ with masks/; classes.txt is at the top. */
START_TEST(splits)
{
	picture("d/train/images/a.png");
	mask("d/train/masks/a.png");
	picture("d/valid/images/b.png");
	mask("d/valid/masks/b.png");
	picture("d/test/images/c.png");
	mask("d/test/masks/c.png");
	text("d/classes.txt", "x\ny");
	text("d/notes/images.txt", "-");
	struct et_dataset *ds = open_with("d", false, 0);
	ck_assert_str_eq(et_dataset_class_name(ds, 1), "y");
	check_item(ds, ET_SPLIT_TRAIN, 0, "d/train/images/a.png");
	check_item(ds, ET_SPLIT_VAL, 0, "d/valid/images/b.png");
	check_item(ds, ET_SPLIT_TEST, 0, "d/test/images/c.png");
	et_dataset_close(ds);

	picture("e/images/train/a.png");
	mask("e/masks/train/a.png");
	picture("e/images/val/b.png");
	mask("e/masks/val/b.png");
	ds = open_with("e", false, 2);
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_TRAIN), 1);
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_TEST), 0);
	check_item(ds, ET_SPLIT_VAL, 0, "e/images/val/b.png");
	et_dataset_close(ds);

	picture("e/images/more/b.png");
	REFUSED("e", ET_EDATA, "e/images", "none of val/ and test/");
	picture("f/train/images/a.png");
	mask("f/train/masks/a.png");
	picture("f/val/images/b.png");
	REFUSED("f", ET_EDATA, "expected both val/images/ and val/masks/");
}
END_TEST

/* A tenth is held out at random where there is nothing to validate on. */
START_TEST(held_out)
{
	char name[32];
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "d/images/%02d.png", i);
		picture(name);
		snprintf(name, sizeof(name), "d/masks/%02d.png", i);
		mask(name);
	}
	struct et_dataset_conf conf = {.val_fraction = -1, .seed = 1, .classes = 2};
	struct et_dataset *ds;
	struct et_err err;
	ck_assert_int_eq(et_dataset_open(&ds, scratch_path("d"), &conf, &err), 0);
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_TRAIN), 18);
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_VAL), 2);
	ck_assert(et_dataset_held_out(ds));
	check_mask(ds, ET_SPLIT_VAL, 1, few);
	et_dataset_close(ds);
	/* A list of pictures names them without their masks. */
	conf.subset = text("list", "images/03.png\nimages/19.png\n");
	conf.val_fraction = 0;
	ck_assert_int_eq(et_dataset_open(&ds, scratch_path("d"), &conf, &err), 0);
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_TRAIN), 2);
	check_item(ds, ET_SPLIT_TRAIN, 1, "d/images/19.png");
	et_dataset_close(ds);
}
END_TEST

/* ---- what is wrong --------------------------------------------------------------------------- */

/* Each is an error that names it; with skip_bad it is left out, and the rest is there. */
static const struct bad {
	const char *words[3];
	enum make_mask kind;
	int h, w;
} bads[] = {
	{{"d/masks/b.png", "found RGB pixels", NULL}, MASK_RGB, H, W},
	{{"d/masks/b.png", "found RGBA pixels", NULL}, MASK_RGBA, H, W},
	{{"d/masks/b.png", "found 16-bit pixels", NULL}, MASK_GREY16, H, W},
	{{"d/masks/b.png", "found grey and alpha pixels", NULL}, MASK_GREY_ALPHA, H, W},
	{{"d/masks/b.png: 5 x 4 pixels, but its picture", "d/images/b.png has 6 x 4", NULL},
	 MASK_GREY,
	 H,
	 W - 1},
	{{"d/masks/b.png: 6 x 2 pixels, but", NULL}, MASK_PALETTE, H - 2, W},
};

START_TEST(bad_masks)
{
	const struct bad *bad = &bads[_i];
	picture("d/images/a.png");
	mask("d/masks/a.png");
	picture("d/images/b.png");
	make_mask(scratch_path("d/masks/b.png"), bad->kind, 8, bad->h, bad->w, few);
	dataset_refused("d", ET_EDATA, bad->words);
	struct et_dataset *ds = open_with("d", true, 2);
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_TRAIN), 1);
	ck_assert_uint_eq(et_dataset_skipped(ds), 1);
	check_mask(ds, ET_SPLIT_TRAIN, 0, few);
	et_dataset_close(ds);
}
END_TEST

START_TEST(bad_files)
{
	picture("d/images/a.png");
	mask("d/masks/a.png");
	picture("d/images/b.png");
	REFUSED("d", ET_EDATA, "d/images/b.png: it has no mask: expected masks/b.png");
	struct et_dataset *ds = open_with("d", true, 2);
	ck_assert_uint_eq(et_dataset_skipped(ds), 1);
	et_dataset_close(ds);
	struct et_dataset_conf conf = {.skip_bad = true, .classes = 2};
	conf.subset = text("list", "images/a.png\nimages/b.png\n");
	struct et_err err;
	ck_assert_int_eq(et_dataset_open(&ds, scratch_path("d"), &conf, &err), 0);
	et_dataset_close(ds);
	conf.subset = text("list", "images/a.png\nimages/c.png\n");
	ck_assert_int_eq(et_dataset_open(&ds, scratch_path("d"), &conf, &err), ET_EDATA);

	make_jpeg(scratch_path("d/masks/b.jpg"), H, W, 1);
	REFUSED("d", ET_EDATA, "d/masks/b.jpg: expected a mask, a PNG; found a JPEG");
	unlink(scratch_path("d/masks/b.jpg"));
	mask("d/masks/b.png");
	make_shorter(scratch_path("d/masks/b.png"), 20);
	REFUSED("d", ET_EDATA, "d/masks/b.png: bad PNG");
	mask("d/masks/b.png");
	mask("d/masks/c.png");
	REFUSED("d", ET_EDATA, "d/masks/c.png: a mask without a picture c in");
	ds = open_with("d", true, 2);
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_TRAIN), 2);
	et_dataset_close(ds);
	unlink(scratch_path("d/masks/c.png"));
	picture("d/images/b.jpg");
	REFUSED("d", ET_EDATA, "images/b.jpg", "images/b.png", "differ in their endings alone");
	unlink(scratch_path("d/images/b.jpg"));

	text("d/classes.txt", "a\n \nb\n");
	REFUSED("d", ET_EDATA, "d/classes.txt: line 2: expected a class, found nothing");
	text("d/classes.txt", "");
	REFUSED("d", ET_EDATA, "d/classes.txt: line 1: expected a class");
	char many[3 * 256 + 1] = "";
	for (int i = 0; i < 256; i++)
		strcat(many, "k\n");
	text("d/classes.txt", many);
	REFUSED("d", ET_EDATA, "d/classes.txt: line 256: more classes than a mask");
	/* One class for masks of two. */
	text("d/classes.txt", "a");
	ds = open_with("d", false, 0);
	check_bad_mask(ds, 1, "d/masks/b.png", "column 1 of row 0 is 1");
	/* Another size than it had when the dataset was opened. */
	make_mask(scratch_path("d/masks/a.png"), MASK_GREY, 8, H - 1, W, few);
	check_bad_mask(ds, 0, "d/masks/a.png", "6 x 3 pixels, but its picture had 6 x 4");
	et_dataset_close(ds);
}
END_TEST

START_TEST(no_pairs)
{
	uint8_t ignored[H * W];
	memset(ignored, 255, sizeof(ignored));
	picture("d/images/a.png");
	make_mask(scratch_path("d/masks/a.png"), MASK_GREY, 8, H, W, ignored);
	REFUSED("d", ET_EDATA, "every pixel of its masks is to be ignored");
	make_parents(scratch_path("e/images/x"));
	make_parents(scratch_path("e/masks/x"));
	REFUSED("e", ET_EDATA, "Found 0 pictures with masks in");
}
END_TEST

/* ---- VOC and Cityscapes ---------------------------------------------------------------------- */

START_TEST(voc)
{
	static const char *const depths[] = {"d", "d/VOCdevkit", "d/VOCdevkit/VOC2012"};
	const char *const ids[] = {"2007_000032", "2007_000039", "2008_000001"};
	char name[100];
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "d/VOCdevkit/VOC2012/JPEGImages/%s.jpg", ids[i]);
		picture(name);
		snprintf(name, sizeof(name), "d/VOCdevkit/VOC2012/SegmentationClass/%s.png",
			 ids[i]);
		make_mask(scratch_path(name), MASK_PALETTE, 8, H, W, i ? few : all);
	}
	picture("d/VOCdevkit/VOC2012/JPEGImages/without.jpg");
	text("d/VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt",
	     "2007_000039\r\n2007_000032\n");
	text("d/VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt", "2008_000001");
	uint64_t fingerprint = 0;
	for (size_t i = 0; i < ET_COUNT(depths); i++) {
		struct et_dataset *ds = open_with(depths[i], false, 0);
		ck_assert_str_eq(et_dataset_format(ds), "voc");
		ck_assert_int_eq(et_dataset_classes(ds), 21);
		ck_assert_str_eq(et_dataset_class_name(ds, 0), "background");
		ck_assert_str_eq(et_dataset_class_name(ds, 15), "person");
		ck_assert_str_eq(et_dataset_class_name(ds, 20), "tvmonitor");
		ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_TRAIN), 2);
		check_item(ds, ET_SPLIT_TRAIN, 0, "d/VOCdevkit/VOC2012/JPEGImages/2007_000039.jpg");
		check_mask(ds, ET_SPLIT_TRAIN, 1, all);
		check_mask(ds, ET_SPLIT_VAL, 0, few);
		ck_assert(!i || et_dataset_fingerprint(ds) == fingerprint);
		fingerprint = et_dataset_fingerprint(ds);
		et_dataset_close(ds);
	}
	text("d/VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt", "2008_000001\n../x\n");
	REFUSED("d", ET_EDATA, "val.txt: line 2: expected the name of a picture, found '../x'");
	text("d/VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt", "without\n");
	REFUSED("d", ET_ENOINPUT, "SegmentationClass/without.png");
}
END_TEST

START_TEST(cityscapes)
{
	uint8_t ids[H * W], want[H * W];
	/* From the table of the dataset's own scripts. */
	static const int train_id[34] = {255, 255, 255, 255, 255, 255, 255, 0,	1,  255, 255, 2,
					 3,   4,   255, 255, 255, 5,   255, 6,	7,  8,	 9,   10,
					 11,  12,  13,	14,  15,  255, 255, 16, 17, 18};
	for (int half = 0; half < 2; half++) {
		char name[100];
		for (int i = 0; i < H * W; i++) {
			int v = i == 23 ? 255 : (half * 11 + i) % 34;
			ids[i] = (uint8_t)v;
			want[i] = (uint8_t)(v == 255 ? 255 : train_id[v]);
		}
		snprintf(name, sizeof(name), "d/leftImg8bit/train/ulm/ulm_0_%d_leftImg8bit.png",
			 half);
		picture(name);
		snprintf(name, sizeof(name), "d/gtFine/train/ulm/ulm_0_%d_gtFine_labelIds.png",
			 half);
		make_mask(scratch_path(name), MASK_GREY, 8, H, W, ids);
		struct et_dataset *ds = open_with("d", false, 0);
		ck_assert_str_eq(et_dataset_format(ds), "cityscapes");
		ck_assert_int_eq(et_dataset_classes(ds), 19);
		ck_assert_str_eq(et_dataset_class_name(ds, 0), "road");
		ck_assert_str_eq(et_dataset_class_name(ds, 18), "bicycle");
		check_mask(ds, ET_SPLIT_TRAIN, (size_t)half, want);
		et_dataset_close(ds);
	}
	/* Train ids are taken where they are; test/ is not. */
	picture("d/leftImg8bit/val/bonn/bonn_1_leftImg8bit.png");
	make_mask(scratch_path("d/gtFine/val/bonn/bonn_1_gtFine_labelTrainIds.png"), MASK_GREY, 8,
		  H, W, few);
	picture("d/leftImg8bit/test/berlin/berlin_1_leftImg8bit.png");
	struct et_dataset *ds = open_with("d", false, 0);
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_TEST), 0);
	check_mask(ds, ET_SPLIT_VAL, 0, few);
	et_dataset_close(ds);
	make_mask(scratch_path("d/gtFine/val/bonn/bonn_1_gtFine_labelTrainIds.png"), MASK_GREY, 8,
		  H, W, ids);
	ids[7] = 34;
	make_mask(scratch_path("d/gtFine/train/ulm/ulm_0_0_gtFine_labelIds.png"), MASK_GREY, 8, H,
		  W, ids);
	ds = open_with("d", false, 0);
	check_bad_mask(ds, 0, "ulm_0_0_gtFine_labelIds.png",
		       "column 1 of row 1 is 34: expected a label id from 0 to 33");
	et_dataset_close(ds);
	picture("d/leftImg8bit/val/bonn/photo.png");
	REFUSED("d", ET_EDATA, "photo.png: expected a name that ends in _leftImg8bit.png");
}
END_TEST

START_TEST(fingerprints)
{
	picture("d/images/a.png");
	mask("d/masks/a.png");
	struct et_dataset *ds = open_with("d", false, 2);
	uint64_t f = et_dataset_fingerprint(ds);
	et_dataset_close(ds);
	rename(scratch_path("d"), scratch_path("e"));
	ds = open_with("e", false, 2);
	ck_assert_uint_eq(et_dataset_fingerprint(ds), f);
	et_dataset_close(ds);
	/* Of a mask, too, the name counts. */
	rename(scratch_path("e/masks/a.png"), scratch_path("e/masks/a.PNG"));
	ds = open_with("e", false, 2);
	ck_assert_uint_ne(et_dataset_fingerprint(ds), f);
	et_dataset_close(ds);
	ds = open_with("e", false, 3);
	ck_assert_uint_ne(et_dataset_fingerprint(ds), f);
	et_dataset_close(ds);
}
END_TEST

TCase *tcase_masks(void)
{
	TCase *tc = tcase_create("masks");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, scratch_open, scratch_close);
	tcase_add_test(tc, values);
	tcase_add_test(tc, plain);
	tcase_add_test(tc, splits);
	tcase_add_test(tc, held_out);
	tcase_add_loop_test(tc, bad_masks, 0, (int)ET_COUNT(bads));
	tcase_add_test(tc, bad_files);
	tcase_add_test(tc, no_pairs);
	tcase_add_test(tc, voc);
	tcase_add_test(tc, cityscapes);
	tcase_add_test(tc, fingerprints);
	return tc;
}

/* The loader of a dataset with masks: a label for each pixel, and nothing else changed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/loader.h"
#include "make_picture.h"
#include "scratch.h"
#include "test_loader.h"

#define COUNT  11
#define IGNORE 200

static int32_t got[2][COUNT][SIDE * SIDE];

/* Six PNGs and five JPEGs, large enough to be read at a half; every mask different. */
static struct et_dataset *masks(void)
{
	char name[40];
	for (unsigned i = 0; i < COUNT; i++) {
		int h = 40 + (int)i, w = 61 - (int)i;
		uint8_t *v = malloc((size_t)h * (size_t)w);
		for (int k = 0; k < h * w; k++)
			v[k] = (uint8_t)(k % 17 == 0 ? 255 : (unsigned)(k / w / 5 + k % w / 7) + i);
		snprintf(name, sizeof(name), "d/images/%02u.%s", i, i < 6 ? "png" : "jpg");
		if (i < 6)
			make_png(scratch_path(name), h, w, i);
		else
			make_jpeg(scratch_path(name), h, w, i);
		snprintf(name, sizeof(name), "d/masks/%02u.png", i);
		make_mask(scratch_path(name), i % 2 ? MASK_GREY : MASK_PALETTE, 8, h, w, v);
		free(v);
	}
	struct et_dataset_conf conf = {.val_fraction = 0, .classes = 40};
	struct et_dataset *ds;
	struct et_err err = {.text = ""};
	int rc = et_dataset_open(&ds, scratch_path("d"), &conf, &err);
	ck_assert_msg(rc == 0, "%s", err.text);
	return ds;
}

static struct et_loader_conf conf_of(const struct et_dataset *ds)
{
	struct et_loader_conf conf = loader_conf_of(ds);
	conf.ignore = IGNORE;
	ck_assert_int_eq(
		et_augment_parse("flip,crop:2,scale:0.5-2,jitter:0.4", &conf.augment, NULL), 0);
	return conf;
}

/* One epoch's labels and pictures by sample. */
static size_t read_all(const struct et_loader_conf *conf, int32_t label[COUNT][SIDE * SIDE],
		       float x[COUNT][FLOATS])
{
	struct et_loader *l = loader_open(conf);
	const struct et_batch *b;
	struct et_err err = {.text = ""};
	size_t n = 0;
	int rc;
	ck_assert_int_eq(et_loader_start(l, 3, 0, &err), 0);
	while ((rc = et_loader_next(l, &b, &err)) == 1) {
		ck_assert_uint_eq(b->rows, SIDE * SIDE);
		for (size_t i = 0; i < b->n; i++, n++) {
			memcpy(label[b->sample[i]], b->label + i * b->rows,
			       b->rows * sizeof(*b->label));
			if (x && !b->known[i])
				memcpy(x[b->sample[i]], b->x + i * FLOATS, FLOATS * sizeof(float));
		}
		et_loader_done(l, b);
	}
	ck_assert_msg(rc == 0, "%s", err.text);
	et_loader_close(l);
	return n;
}

START_TEST(labels)
{
	struct et_dataset *ds = masks();
	struct et_loader_conf conf = conf_of(ds);
	struct et_picture m = {0}, src = {0}, scratch = {0};
	int32_t want[SIDE * SIDE], ignored = 0;
	struct et_err err;
	conf.shuffle = true;
	conf.workers = loader_shapes[_i][0];
	conf.depth = loader_shapes[_i][1];
	ck_assert_uint_eq(read_all(&conf, got[0], NULL), COUNT);
	for (uint32_t i = 0; i < COUNT; i++) {
		ck_assert_int_eq(et_dataset_load_mask(ds, ET_SPLIT_TRAIN, i, &m, &err), 0);
		/* 8 at twice the size, over 0.875 of it. */
		ck_assert_int_eq(et_dataset_load(ds, ET_SPLIT_TRAIN, i, 3, 19, 19, &src, &err), 0);
		ck_assert_int_eq(et_prep_labels(&conf.prep, &conf.augment, 77, 3, i, src.h, src.w,
						&m, IGNORE, &scratch, want, &err),
				 0);
		ck_assert_mem_eq(got[0][i], want, sizeof(want));
		for (int k = 0; k < SIDE * SIDE; k++)
			ignored += want[k] == IGNORE;
	}
	ck_assert_int_gt(ignored, COUNT);
	et_picture_free(&m);
	et_picture_free(&src);
	et_picture_free(&scratch);
	et_dataset_close(ds);
}
END_TEST

static bool know_odd(void *arg, uint64_t epoch, uint32_t sample)
{
	(void)arg;
	(void)epoch;
	return sample % 2 == 1;
}

/* Of a picture whose features are known only the mask is decoded, and its labels are the same. */
START_TEST(known)
{
	static float x[COUNT][FLOATS];
	struct et_dataset *ds = masks();
	struct et_loader_conf conf = conf_of(ds);
	read_all(&conf, got[0], NULL);
	conf.known = know_odd;
	ck_assert_uint_eq(read_all(&conf, got[1], x), COUNT);
	ck_assert_mem_eq(got[0], got[1], sizeof(got[0]));
	for (int i = 0; i < COUNT; i++)
		ck_assert_int_eq(x[i][5] == 0, i % 2);
	et_dataset_close(ds);
}
END_TEST

/* A mask that turns out bad is an error, or leaves no trace of its picture. */
START_TEST(skipped)
{
	struct et_dataset *ds = masks();
	struct et_loader_conf conf = conf_of(ds);
	const struct et_batch *b;
	struct et_err err = {.text = ""};
	uint8_t high[43 * 58];
	read_all(&conf, got[0], NULL);
	memset(high, 7, sizeof(high));
	high[10 * 58 + 4] = 40;
	make_mask(scratch_path("d/masks/03.png"), MASK_GREY, 8, 43, 58, high);
	struct et_loader *l = loader_open(&conf);
	ck_assert_int_eq(et_loader_start(l, 3, 0, &err), 0);
	ck_assert_int_eq(et_loader_next(l, &b, &err), ET_EDATA);
	assert_says(err.text, "d/masks/03.png: the pixel in column 4 of row 10 is 40");
	et_loader_close(l);
	conf.skip_bad = true;
	memset(got[1], 0, sizeof(got[1]));
	ck_assert_uint_eq(read_all(&conf, got[1], NULL), COUNT - 1);
	memset(got[0][3], 0, sizeof(got[0][3]));
	ck_assert_mem_eq(got[0], got[1], sizeof(got[0]));
	et_dataset_close(ds);
}
END_TEST

/* What is reserved at open is enough for every size drawn. */
static void check_reserved(struct et_loader_conf *conf, const char *augment)
{
	ck_assert_int_eq(et_augment_parse(augment, &conf->augment, NULL), 0);
	conf->workers = 1;
	struct et_loader *l = loader_open(conf);
	const struct et_batch *b;
	struct et_err err;
	size_t cap[5];
	for (uint64_t epoch = 0; epoch < 60; epoch++) {
		const struct worker *w = &l->worker[0];
		const struct et_picture *all[] = {&w->src, &w->mask, &w->tmp[0], &w->tmp[1],
						  &w->tmp[2]};
		for (int i = 0; i < 5; i++) {
			ck_assert(epoch == 0 || all[i]->cap == cap[i]);
			cap[i] = all[i]->cap;
		}
		ck_assert_int_eq(et_loader_start(l, epoch, 0, &err), 0);
		while (et_loader_next(l, &b, &err) == 1)
			et_loader_done(l, b);
	}
	et_loader_close(l);
}

/* Labels are in the plan. */
START_TEST(bytes)
{
	struct et_dataset *ds = masks();
	struct et_loader_conf conf = conf_of(ds);
	size_t base = et_loader_bytes(&conf), batch = 5 * SIDE * SIDE * (3 * 4 + 4);
	conf.depth++;
	ck_assert_uint_ge(et_loader_bytes(&conf), base + batch);
	ck_assert_uint_le(et_loader_bytes(&conf), base + batch + 2000);
	conf.depth--;
	check_reserved(&conf, "flip,crop:2,scale:0.1-10,jitter:0.4");
	et_dataset_close(ds);
	/* A flat grey picture: the filter is most of the scratch, and largest for 7 columns. */
	static const uint8_t zeros[4 * 64];
	struct et_dataset_conf one = {.val_fraction = 0, .classes = 1};
	struct et_err err;
	make_png(scratch_path("e/images/a.png"), 4, 64, 1);
	make_mask(scratch_path("e/masks/a.png"), MASK_GREY, 1, 4, 64, zeros);
	ck_assert_int_eq(et_dataset_open(&ds, scratch_path("e"), &one, &err), 0);
	conf = conf_of(ds);
	conf.prep.channels = 1;
	conf.prep.resize = ET_RESIZE_STRETCH;
	check_reserved(&conf, "scale:0.5-1");
	et_dataset_close(ds);
}
END_TEST

TCase *tcase_loader_masks(void)
{
	TCase *tc = tcase_create("loader_masks");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, scratch_open, scratch_close);
	tcase_add_loop_test(tc, labels, 0, SHAPES);
	tcase_add_test(tc, known);
	tcase_add_test(tc, skipped);
	tcase_add_test(tc, bytes);
	return tc;
}

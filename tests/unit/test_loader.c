/* The loader: order, and contents that do not depend on threads. */
#include <stdio.h>
#include <string.h>

#include "make_picture.h"
#include "scratch.h"
#include "test_loader.h"

const unsigned loader_shapes[SHAPES][2] = {{1, 1}, {2, 1}, {1, 3}, {3, 2}, {7, 4}, {4, 9}};

struct et_dataset *loader_pictures(void)
{
	char name[32];
	for (unsigned i = 0; i < 23; i++) {
		snprintf(name, sizeof(name), "d/%s/%02u.%s", i < 12 ? "a" : "b", i,
			 i < 12 ? "png" : "jpg");
		if (i < 12)
			make_png(scratch_path(name), 9 + (int)i, 20 - (int)i, i);
		else
			make_jpeg(scratch_path(name), 60 - (int)i, 30 + (int)i, i);
	}
	struct et_dataset_conf conf = {.val_fraction = 0};
	struct et_dataset *ds;
	struct et_err err;
	ck_assert_int_eq(et_dataset_open(&ds, scratch_path("d"), &conf, &err), 0);
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_TRAIN), 23);
	return ds;
}

struct et_loader_conf loader_conf_of(const struct et_dataset *ds)
{
	return (struct et_loader_conf){.ds = ds,
				       .prep = {.channels = 3,
						.height = SIDE,
						.width = SIDE,
						.mean = {0.5f, 0.4f, 0.3f},
						.std = {0.2f, 0.3f, 0.4f},
						.crop_pct = 0.875},
				       .batch_size = 5,
				       .seed = 77,
				       .workers = 2,
				       .depth = 2};
}

struct et_loader *loader_open(const struct et_loader_conf *conf)
{
	struct et_loader *l;
	struct et_err err = {.text = ""};
	int rc = et_loader_open(&l, conf, &err);
	ck_assert_msg(rc == 0, "%s", err.text);
	return l;
}

void loader_read(struct et_loader *l, uint64_t epoch, size_t first, struct epoch *e)
{
	const struct et_batch *b;
	struct et_err err = {.text = ""};
	int rc;
	memset(e, 0, sizeof(*e));
	ck_assert_int_eq(et_loader_start(l, epoch, first, &err), 0);
	while ((rc = et_loader_next(l, &b, &err)) == 1) {
		ck_assert_uint_eq(b->number, first + e->batches++);
		memcpy(e->sample + e->n, b->sample, b->n * sizeof(*b->sample));
		memcpy(e->label + e->n, b->label, b->n * sizeof(*b->label));
		memcpy(e->x[e->n], b->x, b->n * sizeof(e->x[0]));
		e->n += b->n;
		e->skipped += b->skipped;
		et_loader_done(l, b);
	}
	ck_assert_msg(rc == 0, "%s", err.text);
}

struct epoch loader_got[2];

/* The pixels as they come without a loader; want: the side to which JPEGs may be reduced. */
static void check_pixels(const struct et_loader_conf *c, uint64_t epoch, int want,
			 const struct epoch *e)
{
	struct et_picture src = {0}, tmp[3] = {{0}};
	struct et_err err;
	float x[FLOATS];
	for (size_t i = 0; i < e->n; i++) {
		uint32_t k = e->sample[i];
		ck_assert_int_eq(et_dataset_load(c->ds, c->split, k, 3, want, want, &src, &err), 0);
		ck_assert_int_eq(
			et_prep_run(&c->prep, &c->augment, c->seed, epoch, k, &src, tmp, x, &err),
			0);
		ck_assert_mem_eq(e->x[i], x, sizeof(x));
	}
	et_picture_free(&src);
	for (int i = 0; i < 3; i++)
		et_picture_free(&tmp[i]);
}

START_TEST(in_order)
{
	struct et_dataset *ds = loader_pictures();
	struct et_loader_conf conf = loader_conf_of(ds);
	struct et_loader *l = loader_open(&conf);
	struct epoch *e = &loader_got[0];
	ck_assert_uint_eq(et_loader_batches(l), 5);
	loader_read(l, 0, 0, e);
	ck_assert_uint_eq(e->batches, 5);
	ck_assert_uint_eq(e->n, 23);
	for (uint32_t i = 0; i < 23; i++) {
		ck_assert_uint_eq(e->sample[i], i);
		ck_assert_int_eq(e->label[i], i >= 12);
	}
	check_pixels(&conf, 0, 10, e);
	et_loader_close(l);
	/* A batch larger than the dataset. */
	conf.batch_size = 100;
	l = loader_open(&conf);
	ck_assert_uint_eq(et_loader_batches(l), 1);
	loader_read(l, 0, 0, &loader_got[1]);
	ck_assert_uint_eq(loader_got[1].batches, 1);
	ck_assert_mem_eq(e->x, loader_got[1].x, sizeof(e->x));
	et_loader_close(l);
	/* A split of nothing. */
	conf.split = ET_SPLIT_TEST;
	l = loader_open(&conf);
	ck_assert_uint_eq(et_loader_batches(l), 0);
	loader_read(l, 0, 0, &loader_got[1]);
	ck_assert_uint_eq(loader_got[1].n, 0);
	et_loader_close(l);
	et_dataset_close(ds);
}
END_TEST

/* Every second batch is dropped: it comes out empty, the others as ever, and nothing is opened. */
static bool drop_odd(void *arg, uint64_t epoch, size_t batch)
{
	(void)arg;
	return (epoch + batch) % 2 == 1;
}

START_TEST(dropped)
{
	struct et_dataset *ds = loader_pictures();
	struct et_loader_conf conf = loader_conf_of(ds);
	struct et_loader *l = loader_open(&conf);
	struct epoch *all = &loader_got[0];
	const struct et_batch *b;
	struct et_err err;
	loader_read(l, 3, 0, all);
	et_loader_close(l);
	conf.drop = drop_odd;
	for (size_t k = 0; k < SHAPES; k++) {
		conf.workers = loader_shapes[k][0];
		conf.depth = loader_shapes[k][1];
		l = loader_open(&conf);
		ck_assert_int_eq(et_loader_start(l, 3, 0, &err), 0);
		for (size_t i = 0; i < 5; i++) {
			ck_assert_int_eq(et_loader_next(l, &b, &err), 1);
			ck_assert_uint_eq(b->number, i);
			ck_assert_int_eq(b->dropped, i % 2 == 0);
			ck_assert_uint_eq(b->n, i % 2 == 0 ? 0 : 5);
			ck_assert_uint_eq(b->skipped, 0);
			if (b->n)
				ck_assert_mem_eq(b->x, all->x[5 * i], 5 * sizeof(all->x[0]));
			et_loader_done(l, b);
		}
		ck_assert_int_eq(et_loader_next(l, &b, &err), 0);
		et_loader_close(l);
	}
	et_dataset_close(ds);
}
END_TEST

static void augment_all(struct et_loader_conf *conf)
{
	conf->shuffle = true;
	ck_assert_int_eq(
		et_augment_parse("flip,crop:2,rrc:0.3-1,jitter:0.4,cutout:3", &conf->augment, NULL),
		0);
}

/* What is known of a picture is not decoded; the others of its batch are as ever. */
static bool know_odd(void *arg, uint64_t epoch, uint32_t sample)
{
	(void)arg;
	return (epoch + sample) % 2 == 1;
}

START_TEST(known)
{
	struct et_dataset *ds = loader_pictures();
	struct et_loader_conf conf = loader_conf_of(ds);
	struct et_loader *l = loader_open(&conf);
	struct epoch *all = &loader_got[0];
	const struct et_batch *b;
	struct et_err err;
	static const float nothing[FLOATS];
	loader_read(l, 1, 0, all);
	et_loader_close(l);
	conf.known = know_odd;
	conf.depth = 5; /* every batch in a buffer that is still zero */
	l = loader_open(&conf);
	ck_assert_int_eq(et_loader_start(l, 1, 0, &err), 0);
	for (size_t at = 0; et_loader_next(l, &b, &err) == 1; at += b->n) {
		ck_assert_uint_eq(b->epoch, 1);
		for (size_t i = 0; i < b->n; i++) {
			bool is = b->sample[i] % 2 == 0;
			ck_assert_uint_eq(b->sample[i], all->sample[at + i]);
			ck_assert_int_eq(b->label[i], all->label[at + i]);
			ck_assert_int_eq(b->known[i], is);
			ck_assert_mem_eq(b->x + i * FLOATS, is ? nothing : all->x[at + i],
					 sizeof(nothing));
		}
		et_loader_done(l, b);
	}
	et_loader_close(l);
	et_dataset_close(ds);
}
END_TEST

START_TEST(any_workers)
{
	struct et_dataset *ds = loader_pictures();
	struct et_loader_conf conf = loader_conf_of(ds);
	augment_all(&conf);
	conf.workers = conf.depth = 1;
	struct et_loader *l = loader_open(&conf);
	loader_read(l, 3, 0, &loader_got[0]);
	et_loader_close(l);
	uint32_t order[23];
	et_rng_permutation(77, ET_STREAM_SHUFFLE, 3, order, 23);
	ck_assert_mem_eq(loader_got[0].sample, order, sizeof(order));
	/* 8 / (2 sqrt(3/4 * 0.3)), rounded up. */
	check_pixels(&conf, 3, 9, &loader_got[0]);

	conf.workers = loader_shapes[_i][0];
	conf.depth = loader_shapes[_i][1];
	l = loader_open(&conf);
	for (int k = 0; k < 3; k++) {
		loader_read(l, 3, 0, &loader_got[1]);
		ck_assert_mem_eq(&loader_got[0], &loader_got[1], sizeof(loader_got[0]));
	}
	/* Another epoch: another order and other draws for the same sample. */
	loader_read(l, 4, 0, &loader_got[1]);
	ck_assert_mem_ne(loader_got[0].sample, loader_got[1].sample, sizeof(order));
	int same = 0;
	for (int i = 0; i < 23; i++)
		for (int k = 0; k < 23; k++)
			same += loader_got[0].sample[i] == loader_got[1].sample[k] &&
				!memcmp(loader_got[0].x[i], loader_got[1].x[k],
					sizeof(loader_got[0].x[i]));
	ck_assert_int_lt(same, 3);
	et_loader_close(l);
	et_dataset_close(ds);
}
END_TEST

START_TEST(restart)
{
	struct et_dataset *ds = loader_pictures();
	struct et_loader_conf conf = loader_conf_of(ds);
	const struct et_batch *b;
	struct et_err err;
	augment_all(&conf);
	conf.depth = 3;
	struct et_loader *l = loader_open(&conf);
	ck_assert_int_eq(et_loader_next(l, &b, &err), ET_EINTERNAL);
	loader_read(l, 9, 0, &loader_got[0]);
	/* From the third batch on: the same as the rest of the whole epoch. */
	loader_read(l, 9, 3, &loader_got[1]);
	ck_assert_uint_eq(loader_got[1].n, 23 - 15);
	ck_assert_mem_eq(loader_got[0].sample + 15, loader_got[1].sample, 8 * sizeof(uint32_t));
	ck_assert_mem_eq(loader_got[0].x[15], loader_got[1].x, 8 * sizeof(loader_got[0].x[0]));
	loader_read(l, 9, 5, &loader_got[1]);
	ck_assert_uint_eq(loader_got[1].n, 0);
	loader_read(l, 9, 1000, &loader_got[1]);
	ck_assert_uint_eq(loader_got[1].n, 0);
	/* Begun anew at any point, with a batch in hand or not. */
	for (int k = 0; k < 40; k++) {
		ck_assert_int_eq(et_loader_start(l, (uint64_t)k, 0, &err), 0);
		for (int i = 0; i < k % 6; i++) {
			int rc = et_loader_next(l, &b, &err);
			ck_assert_int_eq(rc, i < 5);
			if (rc == 1 && (i < k % 6 - 1 || k % 2))
				et_loader_done(l, b);
		}
	}
	loader_read(l, 9, 0, &loader_got[1]);
	ck_assert_mem_eq(&loader_got[0], &loader_got[1], sizeof(loader_got[0]));
	/* A batch is given back before the next. */
	ck_assert_int_eq(et_loader_start(l, 0, 0, &err), 0);
	ck_assert_int_eq(et_loader_next(l, &b, &err), 1);
	ck_assert_int_eq(et_loader_next(l, &b, &err), ET_EINTERNAL);
	/* And closed in the midst of it. */
	et_loader_close(l);
	et_loader_close(NULL);
	et_dataset_close(ds);
}
END_TEST

START_TEST(bytes)
{
	struct et_dataset *ds = loader_pictures();
	struct et_loader_conf conf = loader_conf_of(ds);
	size_t base = et_loader_bytes(&conf), batch = 5 * (FLOATS * 4 + 4 + 4), more;
	conf.depth++;
	more = et_loader_bytes(&conf);
	ck_assert_uint_ge(more, base + batch);
	ck_assert_uint_le(more, base + batch + 2000);
	conf.depth--;
	conf.workers++;
	more = et_loader_bytes(&conf);
	/* The largest is a JPEG of 38 x 52: read at a half, 19 x 26, for 10 x 10. */
	ck_assert_uint_ge(more, base + 19 * 26 * 3);
	ck_assert_uint_le(more, base + 2000000);
	conf.shuffle = true;
	ck_assert_uint_eq(et_loader_bytes(&conf), more + 23 * sizeof(uint32_t));
	et_dataset_close(ds);
}
END_TEST

/* With two variants, epoch 5 augments as epoch 1 does, in its own order. */
START_TEST(variants)
{
	struct et_dataset *ds = loader_pictures();
	struct et_loader_conf conf = loader_conf_of(ds);
	struct et_loader *l;
	augment_all(&conf);
	conf.shuffle = false;
	l = loader_open(&conf);
	loader_read(l, 1, 0, &loader_got[0]);
	loader_read(l, 5, 0, &loader_got[1]);
	ck_assert(memcmp(loader_got[0].x, loader_got[1].x, sizeof(loader_got[0].x)) != 0);
	et_loader_close(l);
	conf.variants = 2;
	l = loader_open(&conf);
	loader_read(l, 5, 0, &loader_got[1]);
	ck_assert_mem_eq(loader_got[0].x, loader_got[1].x, sizeof(loader_got[0].x));
	et_loader_close(l);
	et_dataset_close(ds);
}
END_TEST

TCase *tcase_loader(void)
{
	TCase *tc = tcase_create("loader");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, scratch_open, scratch_close);
	tcase_add_test(tc, in_order);
	tcase_add_test(tc, dropped);
	tcase_add_test(tc, known);
	tcase_add_test(tc, variants);
	tcase_add_loop_test(tc, any_workers, 0, SHAPES);
	tcase_add_test(tc, restart);
	tcase_add_test(tc, bytes);
	return tc;
}

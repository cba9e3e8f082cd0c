/* The loader: order, contents that do not depend on threads, bad pictures, stopping. */
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "make_picture.h"
#include "scratch.h"
#include "test_dataset.h"

#define SIDE   8
#define FLOATS (SIDE * SIDE * 3)

/* 23 pictures of different sizes: 12 PNGs of class a, 11 JPEGs of class b. */
static struct et_dataset *make_pictures(void)
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

static struct et_loader_conf conf_of(const struct et_dataset *ds)
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

/* What an epoch gives, one sample after another. */
struct epoch {
	size_t batches, n, skipped;
	uint32_t sample[64];
	int32_t label[64];
	float x[64][FLOATS];
};

static struct et_loader *loader_open(const struct et_loader_conf *conf)
{
	struct et_loader *l;
	struct et_err err = {.text = ""};
	int rc = et_loader_open(&l, conf, &err);
	ck_assert_msg(rc == 0, "%s", err.text);
	return l;
}

/* All batches from `first` on. */
static void read_epoch(struct et_loader *l, uint64_t epoch, size_t first, struct epoch *e)
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

static struct epoch epochs[3];

START_TEST(in_order)
{
	struct et_dataset *ds = make_pictures();
	struct et_loader_conf conf = conf_of(ds);
	struct et_loader *l = loader_open(&conf);
	struct et_picture src = {0}, tmp[3] = {{0}};
	struct et_err err;
	float x[FLOATS];
	struct epoch *e = &epochs[0];
	ck_assert_uint_eq(et_loader_batches(l), 5);
	read_epoch(l, 0, 0, e);
	ck_assert_uint_eq(e->batches, 5);
	ck_assert_uint_eq(e->n, 23);
	for (uint32_t i = 0; i < 23; i++) {
		ck_assert_uint_eq(e->sample[i], i);
		ck_assert_int_eq(e->label[i], i >= 12);
		/* Pixels as they come out without a loader. */
		ck_assert_int_eq(et_dataset_load(ds, ET_SPLIT_TRAIN, i, 3, 10, 10, &src, &err), 0);
		ck_assert_int_eq(et_prep_run(&conf.prep, NULL, 77, 0, i, &src, tmp, x, &err), 0);
		ck_assert_mem_eq(e->x[i], x, sizeof(x));
	}
	et_loader_close(l);
	/* A batch larger than the dataset. */
	conf.batch_size = 100;
	l = loader_open(&conf);
	ck_assert_uint_eq(et_loader_batches(l), 1);
	read_epoch(l, 0, 0, &epochs[1]);
	ck_assert_uint_eq(epochs[1].batches, 1);
	ck_assert_mem_eq(e->x, epochs[1].x, sizeof(e->x));
	et_loader_close(l);
	/* A split of nothing. */
	conf.split = ET_SPLIT_TEST;
	l = loader_open(&conf);
	ck_assert_uint_eq(et_loader_batches(l), 0);
	read_epoch(l, 0, 0, &epochs[1]);
	ck_assert_uint_eq(epochs[1].n, 0);
	et_loader_close(l);
	et_picture_free(&src);
	for (int i = 0; i < 3; i++)
		et_picture_free(&tmp[i]);
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

/* The loop variable: workers and depth. */
static const unsigned shapes[][2] = {{1, 1}, {2, 1}, {1, 3}, {3, 2}, {7, 4}, {4, 9}};

START_TEST(any_workers)
{
	struct et_dataset *ds = make_pictures();
	struct et_loader_conf conf = conf_of(ds);
	augment_all(&conf);
	conf.workers = conf.depth = 1;
	struct et_loader *l = loader_open(&conf);
	read_epoch(l, 3, 0, &epochs[0]);
	et_loader_close(l);
	uint32_t order[23];
	et_rng_permutation(77, ET_STREAM_SHUFFLE, 3, order, 23);
	ck_assert_mem_eq(epochs[0].sample, order, sizeof(order));

	conf.workers = shapes[_i][0];
	conf.depth = shapes[_i][1];
	l = loader_open(&conf);
	for (int k = 0; k < 3; k++) {
		read_epoch(l, 3, 0, &epochs[1]);
		ck_assert_mem_eq(&epochs[0], &epochs[1], sizeof(epochs[0]));
	}
	/* Another epoch: another order and other draws for the same sample. */
	read_epoch(l, 4, 0, &epochs[1]);
	ck_assert_mem_ne(epochs[0].sample, epochs[1].sample, sizeof(order));
	int same = 0;
	for (int i = 0; i < 23; i++)
		for (int k = 0; k < 23; k++)
			same += epochs[0].sample[i] == epochs[1].sample[k] &&
				!memcmp(epochs[0].x[i], epochs[1].x[k], sizeof(epochs[0].x[i]));
	ck_assert_int_lt(same, 3);
	et_loader_close(l);
	et_dataset_close(ds);
}
END_TEST

START_TEST(restart)
{
	struct et_dataset *ds = make_pictures();
	struct et_loader_conf conf = conf_of(ds);
	const struct et_batch *b;
	struct et_err err;
	augment_all(&conf);
	conf.depth = 3;
	struct et_loader *l = loader_open(&conf);
	ck_assert_int_eq(et_loader_next(l, &b, &err), ET_EINTERNAL);
	read_epoch(l, 9, 0, &epochs[0]);
	/* From the third batch on: the same as the rest of the whole epoch. */
	read_epoch(l, 9, 3, &epochs[1]);
	ck_assert_uint_eq(epochs[1].n, 23 - 15);
	ck_assert_mem_eq(epochs[0].sample + 15, epochs[1].sample, 8 * sizeof(uint32_t));
	ck_assert_mem_eq(epochs[0].x[15], epochs[1].x, 8 * sizeof(epochs[0].x[0]));
	read_epoch(l, 9, 5, &epochs[1]);
	ck_assert_uint_eq(epochs[1].n, 0);
	read_epoch(l, 9, 1000, &epochs[1]);
	ck_assert_uint_eq(epochs[1].n, 0);
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
	read_epoch(l, 9, 0, &epochs[1]);
	ck_assert_mem_eq(&epochs[0], &epochs[1], sizeof(epochs[0]));
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

/* Cuts off the files of these samples behind their headers, as an interrupted copy does. */
static void damage(const struct et_dataset *ds, const uint32_t *samples, size_t n)
{
	char name[1000];
	for (size_t i = 0; i < n; i++) {
		size_t size;
		et_dataset_item_name(ds, ET_SPLIT_TRAIN, samples[i], name, sizeof(name));
		free(make_read(name, &size));
		make_shorter(name, size - size / 4);
	}
}

START_TEST(skip_bad)
{
	struct et_dataset *ds = make_pictures();
	struct et_loader_conf conf = conf_of(ds);
	struct et_loader *l = loader_open(&conf);
	read_epoch(l, 0, 0, &epochs[0]);
	et_loader_close(l);
	/* The first and the last of a batch, all of the third, and one more. */
	static const uint32_t bad[] = {0, 4, 10, 11, 12, 13, 14, 21};
	damage(ds, bad, ET_COUNT(bad));
	conf.skip_bad = true;
	conf.workers = shapes[_i][0];
	conf.depth = shapes[_i][1];
	l = loader_open(&conf);
	for (int k = 0; k < 2; k++) {
		const struct epoch *all = &epochs[0];
		struct epoch *e = &epochs[1];
		read_epoch(l, 0, 0, e);
		ck_assert_uint_eq(e->batches, 5);
		ck_assert_uint_eq(e->n, 23 - ET_COUNT(bad));
		ck_assert_uint_eq(e->skipped, ET_COUNT(bad));
		size_t n = 0;
		for (uint32_t i = 0; i < 23; i++) {
			bool is_bad = false;
			for (size_t j = 0; j < ET_COUNT(bad); j++)
				is_bad |= bad[j] == i;
			if (is_bad)
				continue;
			ck_assert_uint_eq(e->sample[n], i);
			ck_assert_int_eq(e->label[n], all->label[i]);
			ck_assert_mem_eq(e->x[n], all->x[i], sizeof(e->x[0]));
			n++;
		}
	}
	const struct et_batch *b;
	struct et_err err;
	ck_assert_int_eq(et_loader_start(l, 0, 2, &err), 0);
	ck_assert_int_eq(et_loader_next(l, &b, &err), 1);
	ck_assert_uint_eq(b->n, 0);
	ck_assert_uint_eq(b->skipped, 5);
	et_loader_done(l, b);
	et_loader_close(l);
	et_dataset_close(ds);
}
END_TEST

START_TEST(first_bad)
{
	struct et_dataset *ds = make_pictures();
	struct et_loader_conf conf = conf_of(ds);
	const struct et_batch *b;
	struct et_err err;
	static const uint32_t bad[] = {19, 8, 7, 22};
	damage(ds, bad, ET_COUNT(bad));
	conf.workers = shapes[_i][0];
	conf.depth = shapes[_i][1];
	struct et_loader *l = loader_open(&conf);
	for (int k = 0; k < 5; k++) {
		ck_assert_int_eq(et_loader_start(l, 0, 0, &err), 0);
		ck_assert_int_eq(et_loader_next(l, &b, &err), 1);
		ck_assert_uint_eq(b->n, 5);
		et_loader_done(l, b);
		/* The second batch is due: 7 is the first bad one in it, every time. */
		for (int again = 0; again < 2; again++) {
			err.text[0] = '\0';
			ck_assert_int_eq(et_loader_next(l, &b, &err), ET_EDATA);
			ck_assert_int_eq(err.code, ET_EDATA);
			assert_says(err.text, "/a/07.png");
		}
		ck_assert_int_eq(et_loader_start(l, 0, 2, &err), 0);
		ck_assert_int_eq(et_loader_next(l, &b, &err), 1);
		et_loader_done(l, b);
		ck_assert_int_eq(et_loader_next(l, &b, &err), ET_EDATA);
		assert_says(err.text, "/b/19.jpg");
	}
	et_loader_close(l);
	et_dataset_close(ds);
}
END_TEST

static volatile sig_atomic_t stop;

static void on_alarm(int number)
{
	(void)number;
	stop = 1;
}

/* One batch that takes seconds, and a signal soon after its beginning. */
START_TEST(stopped)
{
	char name[32];
	make_png(scratch_path("d/a/00.png"), 1500, 2000, 1);
	for (int i = 1; i < 60; i++) {
		snprintf(name, sizeof(name), "d/a/%02d.png", i);
		ck_assert_int_eq(link(scratch_path("d/a/00.png"), scratch_path(name)), 0);
	}
	struct et_dataset_conf dc = {.val_fraction = 0};
	struct et_dataset *ds;
	struct et_err err;
	const struct et_batch *b;
	struct itimerval soon = {.it_value = {.tv_usec = 50000}};
	ck_assert_int_eq(et_dataset_open(&ds, scratch_path("d"), &dc, &err), 0);
	struct et_loader_conf conf = conf_of(ds);
	conf.batch_size = 60;
	conf.workers = 1;
	conf.stop = &stop;
	struct et_loader *l = loader_open(&conf);
	stop = 0;
	ck_assert_int_eq(et_loader_start(l, 0, 0, &err), 0);
	double begun = et_now();
	ck_assert_int_eq(et_loader_next(l, &b, &err), 1);
	double whole = et_now() - begun;
	et_loader_done(l, b);

	ck_assert_int_eq(et_loader_start(l, 0, 0, &err), 0);
	signal(SIGALRM, on_alarm);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &soon, NULL), 0);
	begun = et_now();
	ck_assert_int_eq(et_loader_next(l, &b, &err), ET_ESTOP);
	ck_assert_double_lt(et_now() - begun, 0.5 * whole);
	ck_assert_int_eq(err.code, ET_ESTOP);
	ck_assert_ptr_null(b);
	/* As long as the flag is set, and not a moment longer. */
	ck_assert_int_eq(et_loader_next(l, &b, &err), ET_ESTOP);
	stop = 0;
	ck_assert_msg(et_loader_next(l, &b, &err) == 1, "%s", err.text);
	ck_assert_uint_eq(b->n, 60);
	et_loader_close(l);
	et_dataset_close(ds);
}
END_TEST

/* A signal that this thread blocks stays pending: no worker takes it. */
START_TEST(signals)
{
	struct et_dataset *ds = make_pictures();
	struct et_loader_conf conf = conf_of(ds);
	sigset_t set, before, after, pending;
	sigemptyset(&set);
	pthread_sigmask(SIG_BLOCK, NULL, &before);
	struct et_loader *l = loader_open(&conf);
	pthread_sigmask(SIG_BLOCK, NULL, &after);
	for (int s = 1; s < 32; s++)
		ck_assert_int_eq(sigismember(&before, s), sigismember(&after, s));
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	read_epoch(l, 0, 0, &epochs[0]);
	ck_assert_int_eq(kill(getpid(), SIGUSR1), 0);
	read_epoch(l, 0, 0, &epochs[0]);
	sigpending(&pending);
	ck_assert(sigismember(&pending, SIGUSR1));
	signal(SIGUSR1, SIG_IGN);
	et_loader_close(l);
	et_dataset_close(ds);
}
END_TEST

START_TEST(bytes)
{
	struct et_dataset *ds = make_pictures();
	struct et_loader_conf conf = conf_of(ds);
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

START_TEST(bad_conf)
{
	struct et_dataset *ds = make_pictures();
	struct et_loader_conf conf = conf_of(ds);
	struct et_loader *l;
	struct et_err err;
	conf.batch_size = 0;
	ck_assert_int_eq(et_loader_open(&l, &conf, &err), ET_EINTERNAL);
	conf = conf_of(ds);
	conf.batch_size = SIZE_MAX / 8;
	ck_assert_int_eq(et_loader_open(&l, &conf, &err), ET_ENOMEM);
	conf = conf_of(ds);
	conf.prep.std[1] = 0;
	ck_assert_int_eq(et_loader_open(&l, &conf, &err), ET_EDATA);
	assert_says(err.text, "std");
	conf = conf_of(ds);
	conf.prep.crop_pct = NAN;
	ck_assert_int_eq(et_loader_open(&l, &conf, &err), ET_EDATA);
	ck_assert_ptr_null(l);
	et_dataset_close(ds);
}
END_TEST

TCase *tcase_loader(void)
{
	TCase *tc = tcase_create("loader");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, scratch_open, scratch_close);
	tcase_add_test(tc, in_order);
	tcase_add_loop_test(tc, any_workers, 0, (int)ET_COUNT(shapes));
	tcase_add_test(tc, restart);
	tcase_add_loop_test(tc, skip_bad, 0, (int)ET_COUNT(shapes));
	tcase_add_loop_test(tc, first_bad, 0, (int)ET_COUNT(shapes));
	tcase_add_test(tc, stopped);
	tcase_add_test(tc, signals);
	tcase_add_test(tc, bytes);
	tcase_add_test(tc, bad_conf);
	return tc;
}

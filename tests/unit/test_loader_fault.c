/* The loader and what goes wrong: bad pictures, stopping, signals, impossible settings. */
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
#include "test_loader.h"

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
	struct et_dataset *ds = loader_pictures();
	struct et_loader_conf conf = loader_conf_of(ds);
	struct et_loader *l = loader_open(&conf);
	loader_read(l, 0, 0, &loader_got[0]);
	et_loader_close(l);
	/* The first and the last of a batch, one between two classes, a whole batch, one more. */
	static const uint32_t bad[] = {0, 4, 11, 15, 16, 17, 18, 19, 21};
	damage(ds, bad, ET_COUNT(bad));
	conf.skip_bad = true;
	conf.workers = loader_shapes[_i][0];
	conf.depth = loader_shapes[_i][1];
	l = loader_open(&conf);
	for (int k = 0; k < 2; k++) {
		const struct epoch *all = &loader_got[0];
		struct epoch *e = &loader_got[1];
		loader_read(l, 0, 0, e);
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
	ck_assert_int_eq(et_loader_start(l, 0, 3, &err), 0);
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
	struct et_dataset *ds = loader_pictures();
	struct et_loader_conf conf = loader_conf_of(ds);
	const struct et_batch *b;
	struct et_err err;
	static const uint32_t bad[] = {19, 8, 7, 22};
	damage(ds, bad, ET_COUNT(bad));
	conf.workers = loader_shapes[_i][0];
	conf.depth = loader_shapes[_i][1];
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
	struct et_loader_conf conf = loader_conf_of(ds);
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
	struct et_dataset *ds = loader_pictures();
	struct et_loader_conf conf = loader_conf_of(ds);
	sigset_t set, before, after, pending;
	sigemptyset(&set);
	pthread_sigmask(SIG_BLOCK, NULL, &before);
	struct et_loader *l = loader_open(&conf);
	pthread_sigmask(SIG_BLOCK, NULL, &after);
	for (int s = 1; s < 32; s++)
		ck_assert_int_eq(sigismember(&before, s), sigismember(&after, s));
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	loader_read(l, 0, 0, &loader_got[0]);
	ck_assert_int_eq(kill(getpid(), SIGUSR1), 0);
	loader_read(l, 0, 0, &loader_got[0]);
	sigpending(&pending);
	ck_assert(sigismember(&pending, SIGUSR1));
	signal(SIGUSR1, SIG_IGN);
	et_loader_close(l);
	et_dataset_close(ds);
}
END_TEST

START_TEST(bad_conf)
{
	struct et_dataset *ds = loader_pictures();
	struct et_loader_conf conf = loader_conf_of(ds);
	struct et_loader *l;
	struct et_err err;
	conf.batch_size = 0;
	ck_assert_int_eq(et_loader_open(&l, &conf, &err), ET_EINTERNAL);
	conf = loader_conf_of(ds);
	conf.batch_size = SIZE_MAX / 8;
	ck_assert_int_eq(et_loader_open(&l, &conf, &err), ET_ENOMEM);
	conf = loader_conf_of(ds);
	conf.prep.std[1] = 0;
	ck_assert_int_eq(et_loader_open(&l, &conf, &err), ET_EDATA);
	assert_says(err.text, "std");
	conf = loader_conf_of(ds);
	conf.prep.crop_pct = NAN;
	ck_assert_int_eq(et_loader_open(&l, &conf, &err), ET_EDATA);
	ck_assert_ptr_null(l);
	et_dataset_close(ds);
}
END_TEST

TCase *tcase_loader_fault(void)
{
	TCase *tc = tcase_create("loader_fault");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, scratch_open, scratch_close);
	tcase_add_loop_test(tc, skip_bad, 0, SHAPES);
	tcase_add_loop_test(tc, first_bad, 0, SHAPES);
	tcase_add_test(tc, stopped);
	tcase_add_test(tc, signals);
	tcase_add_test(tc, bad_conf);
	return tc;
}

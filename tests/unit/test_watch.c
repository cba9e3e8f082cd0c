/* What rows say of energy: sums by hand, gaps, short steps; and CSV files of earlier versions. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/watch.h"
#include "scratch.h"
#include "suites.h"

static struct et_state state;
static struct et_watch watch;

static void setup(void)
{
	state = et_state_new();
	watch = (struct et_watch){.state = &state, .idle_w = NAN, .series = {.fd = -1}};
}

static const char *row(struct et_epoch *e)
{
	static char buf[256];
	return et_watch_epoch(&watch, e, buf, sizeof(buf));
}

START_TEST(an_epoch_by_hand)
{
	struct et_epoch e;

	/* 100 s, known throughout: 300 J, of which the steps of 50 pictures took 200. */
	state.total_s = state.metered_s = 100;
	state.energy_j = 300;
	state.work_j = 200;
	state.work_images = 50;
	state.pauses = 2;
	state.pause_s = 12.5;
	state.throttled_s = 3;
	watch.idle_w = 1.25;
	ck_assert_str_eq(row(&e), ",300,175,3,4,100.000,2,12.5,3.0");
	ck_assert_double_eq(e.energy_j, 300);
	ck_assert_double_eq(e.energy_net_j, 175);
	ck_assert_double_eq(e.power_w, 3);
	ck_assert_double_eq(e.j_per_image, 4);
	ck_assert_double_eq(e.total_s, 100);
}
END_TEST

START_TEST(what_is_not_known_is_empty)
{
	struct et_epoch e;

	state.total_s = 8;
	ck_assert_str_eq(row(&e), ",,,,,8.000,0,0.0,");
	/* Without an idle measurement there is no net energy. */
	state.metered_s = 8;
	state.energy_j = 16;
	ck_assert_str_eq(row(&e), ",16,,2,,8.000,0,0.0,");
}
END_TEST

START_TEST(a_small_gap_is_filled_a_large_one_is_not)
{
	struct et_epoch e;

	state.total_s = 200;
	state.metered_s = 199;
	state.energy_j = 398;
	row(&e);
	ck_assert_double_eq_tol(e.energy_j, 400, 1e-9);
	state.metered_s = 190;
	state.energy_j = 380;
	row(&e);
	ck_assert(isnan(e.energy_j));
	ck_assert_double_eq_tol(e.power_w, 2, 1e-9);
}
END_TEST

/* Writes text to NAME, opens it as a CSV of that header up to `keep`, and checks what is there. */
static void reopen(const char *text, const char *header, double keep, const char *want)
{
	struct et_csv c;
	struct et_err err;
	char *now;
	size_t n;

	scratch_put("x.csv", text, strlen(text));
	ck_assert_msg(et_csv_open(&c, scratch_path(""), "x.csv", header, keep, &err) == ET_OK, "%s",
		      err.text);
	ck_assert_int_eq(et_csv_row(&c, &err, "9,new"), ET_OK);
	et_csv_close(&c);
	ck_assert_int_eq(et_file_read(scratch_path("x.csv"), 0, &now, &n, &err), ET_OK);
	ck_assert_str_eq(now, want);
	free(now);
}

START_TEST(files_of_earlier_versions_are_widened)
{
	reopen("a,b\n1,x\n2,y\n", "a,b,c,d", 5, "a,b,c,d\n1,x,,\n2,y,,\n9,new\n");
	/* Cut as any other: rows beyond, and one that was torn. */
	reopen("a,b\n1,x\n2,y\n3,z\n", "a,b,c", 2, "a,b,c\n1,x,\n2,y,\n9,new\n");
	reopen("a,b\n1,x\n2,", "a,b,c", 5, "a,b,c\n1,x,\n9,new\n");
	/* Their own header, torn or of something else, as ever. */
	reopen("a,b,c\n1,x,y\n", "a,b,c", 5, "a,b,c\n1,x,y\n9,new\n");
	reopen("a,b", "a,b,c", 5, "a,b,c\n9,new\n");
	reopen("a,other\n1,x\n", "a,b,c", 5, "a,b,c\n9,new\n");
	/* A column whose name begins as ours does is another one. */
	reopen("a,b\n1,x\n", "a,bb,c", 5, "a,bb,c\n9,new\n");
}
END_TEST

START_TEST(rows_are_cut_by_fractions_too)
{
	reopen("t\n0.5\n1.25\n1.250\n1.251\n", "t", 1.25, "t\n0.5\n1.25\n1.250\n9,new\n");
}
END_TEST

Suite *suite_watch(void)
{
	Suite *s = suite_create("watch");
	TCase *tc = tcase_create("rows");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, an_epoch_by_hand);
	tcase_add_test(tc, what_is_not_known_is_empty);
	tcase_add_test(tc, a_small_gap_is_filled_a_large_one_is_not);
	suite_add_tcase(s, tc);
	tc = tcase_create("csv");
	tcase_add_checked_fixture(tc, scratch_open, scratch_close);
	tcase_add_test(tc, files_of_earlier_versions_are_widened);
	tcase_add_test(tc, rows_are_cut_by_fractions_too);
	suite_add_tcase(s, tc);
	return s;
}

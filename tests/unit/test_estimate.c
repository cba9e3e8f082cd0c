/* From the cost of a step to that of a run, by hand. */
#include <check.h>
#include <math.h>

#include "run/estimate.h"
#include "suites.h"

static void near(double found, double want)
{
	ck_assert_msg(fabs(found - want) <= 1e-12 * fabs(want), "found %.17g, not %.17g", found,
		      want);
}

START_TEST(every_epoch_the_same)
{
	struct et_estimate e = et_estimate_none();
	e.pictures = 70;
	e.epochs = 3;
	e.step = e.kept_step = (struct et_cost){2, 10};
	et_estimate_sum(&e, 20);
	/* Three and a half steps. */
	near(e.first_epoch.seconds, 7);
	near(e.epoch.joules, 35);
	near(e.run.seconds, 21);
	near(e.run.joules, 105);
	e.dropped = 0.5;
	e.val_pictures = 4;
	e.evaluation = (struct et_cost){1, NAN};
	et_estimate_sum(&e, 20);
	near(e.epoch.seconds, 4.5);
	near(e.run.seconds, 13.5);
	ck_assert(isnan(e.epoch.joules) && isnan(e.run.joules));
}
END_TEST

START_TEST(features_are_kept)
{
	struct et_estimate e = et_estimate_none();
	e.pictures = 100;
	e.val_pictures = 10;
	e.epochs = 5;
	e.step = (struct et_cost){4, 40};
	e.kept_step = (struct et_cost){1, 8};
	e.evaluation = (struct et_cost){3, 30};
	e.kept_evaluation = (struct et_cost){2, 10};
	e.kept = 0.5;
	e.val_kept = 1;
	e.filling = 2;
	et_estimate_sum(&e, 10);
	near(e.first_epoch.seconds, 43);
	/* 10 (0.5 * 1 + 0.5 * 4) + 2 */
	near(e.epoch.seconds, 27);
	near(e.epoch.joules, 250);
	/* 2 * 40 + 3 * 25 + 3 + 4 * 2 */
	near(e.run.seconds, 166);
	near(e.run.joules, 2 * 400 + 3 * 240 + 30 + 4 * 10);
	/* Over before anything is found. */
	e.epochs = 1;
	et_estimate_sum(&e, 10);
	near(e.run.seconds, 43);
	near(e.epoch.seconds, 43);
	/* All of it is found: what was computed does not matter then. */
	e.epochs = 2;
	e.filling = 1;
	e.kept = 1;
	et_estimate_sum(&e, 10);
	near(e.run.seconds, 40 + 3 + 10 + 2);
}
END_TEST

START_TEST(nothing_is_known)
{
	struct et_estimate e = et_estimate_none();
	ck_assert(isnan(e.run.seconds) && isnan(e.run.joules) && e.steps == 0);
	e.pictures = 10;
	e.epochs = 1;
	e.step = (struct et_cost){1, NAN};
	et_estimate_sum(&e, 10);
	near(e.run.seconds, 1);
	ck_assert(isnan(e.run.joules));
}
END_TEST

Suite *suite_estimate(void)
{
	Suite *s = suite_create("estimate");
	TCase *tc = tcase_create("sums");

	tcase_add_test(tc, every_epoch_the_same);
	tcase_add_test(tc, features_are_kept);
	tcase_add_test(tc, nothing_is_known);
	suite_add_tcase(s, tc);
	return s;
}

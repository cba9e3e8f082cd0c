/* Limits of a call: times of the day under clocks that jump. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "run/limits.h"
#include "suites.h"

#define HOUR 3600.0

/* Noon, 21 November 2026 in UTC, and a steady clock that began at 1000. */
static const double noon = 1795262400, steady = 1000;

static void setup(void)
{
	setenv("TZ", "UTC0", 1);
	tzset();
}

START_TEST(the_next_time_the_clock_shows_it)
{
	struct et_until u;

	et_until_open(&u, 13 * 60 + 30, noon, steady);
	ck_assert_double_eq_tol(et_until_left(&u, noon, steady), 1.5 * HOUR, 1e-6);
	ck_assert_double_eq_tol(et_until_left(&u, noon + HOUR, steady + HOUR), 0.5 * HOUR, 1e-6);
	ck_assert_double_eq_tol(et_until_left(&u, noon + 2 * HOUR, steady + 2 * HOUR), -0.5 * HOUR,
				1e-6);
	/* Tomorrow: this very minute counts as past. */
	et_until_open(&u, 12 * 60, noon, steady);
	ck_assert_double_eq_tol(et_until_left(&u, noon, steady), 24 * HOUR, 1e-6);
	et_until_open(&u, 6 * 60 + 30, noon, steady);
	ck_assert_double_eq_tol(et_until_left(&u, noon, steady), 18.5 * HOUR, 1e-6);
}
END_TEST

START_TEST(a_clock_that_is_set_right)
{
	struct et_until u;

	/* By a minute: the time of the day stays what it was, also when it is leapt over. */
	et_until_open(&u, 12 * 60 + 1, noon, steady);
	ck_assert_double_eq_tol(et_until_left(&u, noon + 100, steady + 1), -40, 1e-6);
	et_until_open(&u, 13 * 60, noon, steady);
	ck_assert_double_eq_tol(et_until_left(&u, noon - 60 + 1, steady + 1), HOUR + 59, 1e-6);
}
END_TEST

START_TEST(a_clock_that_jumps)
{
	struct et_until u;

	/* A board without a battery thinks it is 1970; then it hears that it is noon in 2026. */
	et_until_open(&u, 6 * 60 + 30, 10, steady);
	ck_assert_double_eq_tol(et_until_left(&u, 11, steady + 1), 6.5 * HOUR - 11, 1e-6);
	ck_assert_double_eq_tol(et_until_left(&u, noon, steady + 2), 18.5 * HOUR, 1e-6);
	ck_assert_double_eq_tol(et_until_left(&u, noon + HOUR, steady + 2 + HOUR), 17.5 * HOUR,
				1e-6);
	ck_assert_double_eq_tol(et_until_left(&u, noon + 19 * HOUR, steady + 2 + 19 * HOUR),
				-0.5 * HOUR, 1e-6);
	/* And back by a year. */
	ck_assert_double_eq_tol(et_until_left(&u, noon - 365 * 24 * HOUR, steady + 3 + HOUR),
				18.5 * HOUR, 1e-6);
}
END_TEST

START_TEST(a_machine_that_slept)
{
	struct et_until u;

	/* Both clocks went on: the time is over. */
	et_until_open(&u, 13 * 60, noon, steady);
	ck_assert_double_lt(et_until_left(&u, noon + 5 * HOUR, steady + 5 * HOUR), 0);
}
END_TEST

START_TEST(the_clock_of_summer)
{
	struct et_until u;

	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	/* 24 October 2026, 22:00 in summer time; the night to 6:30 has an hour more. */
	et_until_open(&u, 6 * 60 + 30, 1792872000, steady);
	ck_assert_double_eq_tol(et_until_left(&u, 1792872000, steady), 9.5 * HOUR, 1e-6);
}
END_TEST

START_TEST(what_exceeds)
{
	struct et_limits l;
	struct et_err err;
	struct et_budget b = {.seconds = 100, .joules = 50};

	ck_assert_int_eq(et_limits_open(&l, &b, et_now() - 90, &err), ET_OK);
	ck_assert_ptr_null(et_limits_exceeded(&l, 5, 10, 10));
	ck_assert_str_eq(et_limits_exceeded(&l, 11, 10, 10), "max-time");
	ck_assert_str_eq(et_limits_exceeded(&l, 5, 45, 6), "max-energy");
	ck_assert_ptr_null(et_limits_exceeded(&l, 5, NAN, 6));
	b = (struct et_budget){0};
	ck_assert_int_eq(et_limits_open(&l, &b, 0, &err), ET_OK);
	ck_assert_ptr_null(et_limits_exceeded(&l, 1e9, 1e9, 1e9));
	b.until = "25:00";
	ck_assert_int_eq(et_limits_open(&l, &b, 0, &err), ET_EUSAGE);
	/* A minute from now it is not yet time, but it would be after a day of work. */
	time_t soon = time(NULL) + 90;
	char text[8];
	strftime(text, sizeof(text), "%H:%M", localtime(&soon));
	b.until = text;
	ck_assert_int_eq(et_limits_open(&l, &b, 0, &err), ET_OK);
	ck_assert_ptr_null(et_limits_exceeded(&l, 0, 0, 0));
	ck_assert_str_eq(et_limits_exceeded(&l, 2 * 86400, 0, 0), "until");
}
END_TEST

Suite *suite_limits(void)
{
	Suite *s = suite_create("limits");
	TCase *tc = tcase_create("until");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, the_next_time_the_clock_shows_it);
	tcase_add_test(tc, a_clock_that_is_set_right);
	tcase_add_test(tc, a_clock_that_jumps);
	tcase_add_test(tc, a_machine_that_slept);
	tcase_add_test(tc, the_clock_of_summer);
	tcase_add_test(tc, what_exceeds);
	suite_add_tcase(s, tc);
	return s;
}

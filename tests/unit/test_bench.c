/* What a bench reckons with, by hand: spreads, likenesses, means; and lists of recipes. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "run/bench.h"
#include "suites.h"

static struct et_err err;

static void near(double found, double want)
{
	ck_assert_msg(fabs(found - want) <= 1e-12 * fabs(want), "found %.17g, not %.17g", found,
		      want);
}

START_TEST(spread_by_hand)
{
	double even[] = {4, 1, 3, 2}, odd[] = {5, 1, 4, 2, 3}, one[] = {7}, two[] = {3, 1};
	struct et_spread s = et_spread_of(even, 4);
	near(s.median, 2.5);
	near(s.iqr, 3.25 - 1.75);
	s = et_spread_of(odd, 5);
	near(s.median, 3);
	near(s.iqr, 2);
	s = et_spread_of(one, 1);
	near(s.median, 7);
	ck_assert(s.iqr == 0);
	s = et_spread_of(two, 2);
	near(s.median, 2);
	near(s.iqr, 1);
	s = et_spread_of(NULL, 0);
	ck_assert(isnan(s.median) && isnan(s.iqr));
}
END_TEST

/* One wild value moves neither. */
START_TEST(spread_is_robust)
{
	double v[] = {10, 11, 1e9, 12, 13, 14, 10.5};
	struct et_spread s = et_spread_of(v, 7);
	near(s.median, 12);
	near(s.iqr, 13.5 - 10.75);
}
END_TEST

START_TEST(likeness_by_hand)
{
	/* (3,4) and (8,6): 48 / (5 * 10); half as long. */
	struct et_likeness l = {.dot = 48, .a = 25, .b = 100};
	near(et_likeness_cosine(&l), 0.96);
	near(et_likeness_ratio(&l), 0.5);
	l.dot = -50;
	near(et_likeness_cosine(&l), -1);
	l = (struct et_likeness){.a = 0, .b = 4};
	ck_assert(isnan(et_likeness_cosine(&l)));
	ck_assert(et_likeness_ratio(&l) == 0);
	l = (struct et_likeness){.a = 4, .b = 0};
	ck_assert(isnan(et_likeness_cosine(&l)));
	ck_assert(isnan(et_likeness_ratio(&l)));
}
END_TEST

/* Two kernels of two taps over two channels; the taps share their gradients or do not. */
START_TEST(likeness_of_shared_taps)
{
	float own[] = {1, 2, 3, 4, 5, 6, 7, 8}, shared[] = {1, 2, 3, 4};
	float exact[] = {1, 0, 0, 1, 2, 0, 0, 1};
	struct et_param p = {.count = 8, .taps = 1, .inner = 8, .grad = own};
	struct et_likeness l = {0};
	et_likeness_add(&l, &p, exact);
	near(l.dot, 1 + 4 + 10 + 8);
	near(l.a, 204);
	near(l.b, 7);
	/* Stands for 1 2 1 2 3 4 3 4. */
	p = (struct et_param){.count = 8, .taps = 2, .inner = 2, .grad = shared};
	l = (struct et_likeness){0};
	et_likeness_add(&l, &p, exact);
	near(l.dot, 1 + 2 + 6 + 4);
	near(l.a, 60);
	near(l.b, 7);
}
END_TEST

START_TEST(mean_of_what_is_known)
{
	struct et_mean m = {0};
	ck_assert(isnan(et_mean_of(&m)));
	et_mean_add(&m, 1);
	et_mean_add(&m, NAN);
	et_mean_add(&m, 4);
	near(et_mean_of(&m), 2.5);
}
END_TEST

/* ---- lists of recipes ------------------------------------------------------------------------ */

static const struct {
	const char *text;
	const char *want[5];
} lists[] = {
	{"exact", {"exact"}},
	{"exact,filter:2,filter:4", {"exact", "filter:2", "filter:4"}},
	{"filter:4,scale=paper", {"filter:4,scale=paper"}},
	{"filter:4,paper", {"filter:4,paper"}},
	{"filter:4,scale=paper,exact", {"filter:4,scale=paper", "exact"}},
	{"filter:4,scale=paper,filter:2,paper,exact",
	 {"filter:4,scale=paper", "filter:2,paper", "exact"}},
	{"filter:4,paper+smd:0.5,coast,exact+smd:0.5",
	 {"filter:4,paper+smd:0.5,coast", "exact+smd:0.5"}},
	{"exact;filter:4,paper;exact", {"exact", "filter:4,paper", "exact"}},
	{"filter:2,exact;smd:0.5", {"filter:2", "exact", "smd:0.5"}},
	{"exact,exact", {"exact", "exact"}},
};

START_TEST(list_splits)
{
	char(*list)[ET_RECIPE_TEXT];
	int n = et_recipe_list(lists[_i].text, &list, &err), want = 0;
	while (want < 5 && lists[_i].want[want])
		want++;
	ck_assert_msg(n == want, "%s: %d recipes, not %d: %s", lists[_i].text, n, want,
		      n < 0 ? err.text : "");
	for (int i = 0; i < n; i++)
		ck_assert_str_eq(list[i], lists[_i].want[i]);
	free(list);
}
END_TEST

static const struct {
	const char *text, *want;
} wrong[] = {
	{"", "found nothing at the end in ''"},
	{"exact,", "found nothing at the end in 'exact,'"},
	{"exact;;exact", "found nothing before a separator in 'exact;;exact'"},
	{",exact", "found nothing before a separator in ',exact'"},
	{"exact,filtr:2", "unknown technique 'filtr' (did you mean 'filter'?)"},
	{"exact,filtr", "unknown technique 'filtr' (did you mean 'filter'?)"},
	{"filter:2,side=3,exact", "filter: expected R, scale, found 'side'"},
	{"filter:2+filter:3,exact", "filter and filter exclude each other"},
};

START_TEST(list_refuses)
{
	char(*list)[ET_RECIPE_TEXT];
	ck_assert_int_eq(et_recipe_list(wrong[_i].text, &list, &err), ET_EUSAGE);
	ck_assert_ptr_null(list);
	ck_assert_msg(strstr(err.text, wrong[_i].want) != NULL, "%s: %s", wrong[_i].text, err.text);
}
END_TEST

START_TEST(list_has_an_end)
{
	char(*list)[ET_RECIPE_TEXT], text[6 * (ET_RECIPES + 1) + 1] = "";
	for (int i = 0; i < ET_RECIPES; i++)
		strcat(text, i ? ",exact" : "exact");
	ck_assert_int_eq(et_recipe_list(text, &list, &err), ET_RECIPES);
	free(list);
	strcat(text, ",exact");
	ck_assert_int_eq(et_recipe_list(text, &list, &err), ET_EUSAGE);
}
END_TEST

START_TEST(list_of_a_long_recipe)
{
	char(*list)[ET_RECIPE_TEXT], text[2 * ET_RECIPE_TEXT];
	memset(text, '0', sizeof(text));
	memcpy(text, "filter:", 7);
	text[sizeof(text) - 1] = 0;
	ck_assert_int_eq(et_recipe_list(text, &list, &err), ET_EUSAGE);
	ck_assert_ptr_nonnull(strstr(err.text, "too long"));
}
END_TEST

Suite *suite_bench(void)
{
	Suite *s = suite_create("bench");
	TCase *t = tcase_create("bench");

	tcase_add_test(t, spread_by_hand);
	tcase_add_test(t, spread_is_robust);
	tcase_add_test(t, likeness_by_hand);
	tcase_add_test(t, likeness_of_shared_taps);
	tcase_add_test(t, mean_of_what_is_known);
	tcase_add_loop_test(t, list_splits, 0, (int)ET_COUNT(lists));
	tcase_add_loop_test(t, list_refuses, 0, (int)ET_COUNT(wrong));
	tcase_add_test(t, list_has_an_end);
	tcase_add_test(t, list_of_a_long_recipe);
	suite_add_tcase(s, t);
	return s;
}

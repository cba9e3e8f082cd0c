/* Recipes: what is read, what is refused and how, what is written; and recipes of single layers. */
#include <string.h>

#include "net_case.h"

static struct et_recipe parse(const char *text)
{
	struct et_recipe r;
	struct et_err err = {0};
	int status = et_recipe_parse(text, &r, &err);
	ck_assert_msg(status == ET_OK, "%s: %s", text, err.text);
	return r;
}

static const char *name(const struct et_recipe *r, enum et_axis axis)
{
	return r->on[axis].mode ? r->on[axis].mode->name : "";
}

START_TEST(reads)
{
	struct et_recipe r = parse("exact");
	ck_assert_ptr_null(r.on[ET_AXIS_BACKWARD].mode);
	ck_assert_str_eq(name(&r, ET_AXIS_LINEAR), "delta"); /* it stands */
	r = parse("filter:4+smd:0.25,coast+delta:off");
	ck_assert_str_eq(name(&r, ET_AXIS_BACKWARD), "filter");
	ck_assert(r.on[ET_AXIS_BACKWARD].opt[0] == 4 && r.on[ET_AXIS_BACKWARD].opt[1] == 0);
	ck_assert_str_eq(name(&r, ET_AXIS_STEPS), "smd");
	ck_assert(r.on[ET_AXIS_STEPS].opt[0] == 0.25 && r.on[ET_AXIS_STEPS].opt[1] == 1);
	ck_assert_ptr_null(r.on[ET_AXIS_LINEAR].mode);
	/* By name in any order, words anywhere, the last of two counts. */
	r = parse("filter:scale=paper,R=7");
	ck_assert(r.on[ET_AXIS_BACKWARD].opt[0] == 7 && r.on[ET_AXIS_BACKWARD].opt[1] == 1);
	r = parse("filter:paper,7");
	ck_assert(r.on[ET_AXIS_BACKWARD].opt[0] == 7 && r.on[ET_AXIS_BACKWARD].opt[1] == 1);
	r = parse("filter:2,R=3");
	ck_assert(r.on[ET_AXIS_BACKWARD].opt[0] == 3);
	r = parse("efficientgrad:0.9,he");
	ck_assert(r.on[ET_AXIS_BACKWARD].opt[0] == 0.9 && r.on[ET_AXIS_BACKWARD].opt[1] == 1);
	r = parse("filter:1e2");
	ck_assert(r.on[ET_AXIS_BACKWARD].opt[0] == 100);
}
END_TEST

START_TEST(refuses)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{"", "mode: expected a word of 1 to 63 characters at '' in ''"},
		{"filter:2+", "mode: expected a word of 1 to 63 characters at '' in 'filter:2+'"},
		{"+filter:2",
		 "mode: expected a word of 1 to 63 characters at '+filter:2' in '+filter:2'"},
		{"filter:", "mode: expected a word of 1 to 63 characters at '' in 'filter:'"},
		{"filter:2,,paper",
		 "mode: expected a word of 1 to 63 characters at ',paper' in 'filter:2,,paper'"},
		{"filtre:2", "mode: unknown technique 'filtre' (did you mean 'filter'?)"},
		{"nothing-like-it",
		 "mode: unknown technique 'nothing-like-it'; 'edgetrain modes' lists them"},
		{"exact:1", "mode: exact: expected no options, found '1'"},
		{"filter", "mode: filter needs R (side of a patch): filter:1"},
		{"filter:paper", "mode: filter needs R (side of a patch): filter:1"},
		{"filter:2,3", "mode: filter: expected R, scale, found '3'"},
		{"filter:2,size=3", "mode: filter: expected R, scale, found 'size'"},
		{"filter:0", "mode: filter: R: expected an integer from 1 to 255, found '0'"},
		{"filter:256", "mode: filter: R: expected an integer from 1 to 255, found '256'"},
		{"filter:2.5", "mode: filter: R: expected an integer from 1 to 255, found '2.5'"},
		{"filter:nan", "mode: filter: R: expected an integer from 1 to 255, found 'nan'"},
		{"filter:2x", "mode: filter: R: expected an integer from 1 to 255, found '2x'"},
		{"filter:R=", "mode: filter: R: expected an integer from 1 to 255, found ''"},
		{"filter:2,scale=big",
		 "mode: filter: scale: expected one of unbiased|paper, found 'big'"},
		{"filter:2,scale=",
		 "mode: filter: scale: expected one of unbiased|paper, found ''"},
		{"smd:1", "mode: smd: P: expected a number from 0 to 0.99, found '1'"},
		{"filter:2+exact",
		 "mode: filter and exact exclude each other, in 'filter:2+exact'"},
		{"exact+exact", "mode: exact and exact exclude each other, in 'exact+exact'"},
		{"delta:off+delta:on",
		 "mode: delta and delta exclude each other, in 'delta:off+delta:on'"},
	};
	for (size_t i = 0; i < ET_COUNT(bad); i++) {
		struct et_recipe r;
		struct et_err err = {0};
		ck_assert_msg(et_recipe_parse(bad[i].text, &r, &err) == ET_EUSAGE, "%s",
			      bad[i].text);
		ck_assert_str_eq(err.text, bad[i].says);
	}
	char text[100] = {0};
	struct et_recipe r;
	struct et_err err;
	memset(text, 'a', 64);
	ck_assert_int_eq(et_recipe_parse(text, &r, &err), ET_EUSAGE);
	ck_assert_ptr_nonnull(strstr(err.text, "expected a word of 1 to 63 characters"));
}
END_TEST

/* What is written is read as the same again; what goes without saying is left out. */
START_TEST(writes)
{
	static const char *const pairs[][2] = {
		{"exact", "exact"},
		{"delta", "exact"},
		{"delta:off", "exact+delta:off"},
		{"smd:0.5+filter:4,unbiased", "filter:4+smd:0.5"},
		{"filter:scale=paper,R=2", "filter:2,scale=paper"},
		{"smd:0.1,coast", "smd:0.1,skipped=coast"},
		{"signsym", "signsym"},
		{"signsym:he+delta:off", "signsym:scale=he+delta:off"},
	};
	for (size_t i = 0; i < ET_COUNT(pairs); i++) {
		char buf[200], again[200];
		struct et_recipe r = parse(pairs[i][0]);
		ck_assert_str_eq(et_recipe_text(&r, buf, sizeof(buf)), pairs[i][1]);
		r = parse(buf);
		ck_assert_str_eq(et_recipe_text(&r, again, sizeof(again)), buf);
		/* A buffer too short is cut and ended. */
		ck_assert_int_le((int)strlen(et_recipe_text(&r, again, 5)), 4);
	}
}
END_TEST

/* ---- by layer -------------------------------------------------------------------------------- */

static const char layers[] = "{'name':'a','type':'conv2d','out_channels':2,'kernel_size':3},"
			     "{'name':'b.x','type':'conv2d','out_channels':2,'kernel_size':3},"
			     "{'name':'b.y','type':'conv2d','out_channels':2,'kernel_size':1},"
			     "{'name':'r','type':'relu'},{'name':'g','type':'global_avgpool2d'},"
			     "{'name':'fc','type':'linear','out_features':3}";

static int set_modes(struct et_net *net, struct et_spec *spec, const char *trainable,
		     const char *mode, const char *modes, struct et_err *err)
{
	struct et_ctx ctx = {.k = et_kern_at(0), .threads = 1};
	char *text = net_text(3, 9, 9, 3, layers);

	ck_assert_int_eq(et_spec_parse(spec, text, strlen(text), "t.json", err), ET_OK);
	ck_assert_int_eq(et_net_build(net, spec, &ctx, err), ET_OK);
	ck_assert_int_eq(et_net_select(net, trainable, 0, false, err), ET_OK);
	return et_net_set_modes(net, mode, modes, NULL, err);
}

static double side(struct et_net *net, const char *layer)
{
	const struct et_technique *t = &net_node(net, layer)->hooks.on.on[ET_AXIS_BACKWARD];
	return t->mode ? t->opt[0] : 0;
}

START_TEST(by_layer)
{
	static const struct {
		const char *trainable, *mode, *modes;
		double a, bx, by;
	} good[] = {
		{"", "filter:2", "", 2, 2, 2},
		{"", "filter:2", "b=filter:3", 2, 3, 3},
		{"", "filter:2", "b.*=filter:3;b.x=filter:4", 2, 4, 3},
		{"", "filter:2", "b.x=filter:4;b.*=filter:3;", 2, 3, 3}, /* the last one wins */
		{"", "exact", "*=filter:5;a=exact", 0, 5, 5},
		{"b,fc", "filter:2", "", 0, 2, 2},
		{"b,fc", "filter:2", "a=filter:3", 0, 2, 2}, /* frozen: not wrong for that */
	};
	for (size_t i = 0; i < ET_COUNT(good); i++) {
		struct et_spec spec;
		struct et_net net;
		struct et_err err = {0};
		int status = set_modes(&net, &spec, good[i].trainable, good[i].mode, good[i].modes,
				       &err);
		ck_assert_msg(status == ET_OK, "%s %s: %s", good[i].mode, good[i].modes, err.text);
		ck_assert_msg(side(&net, "a") == good[i].a && side(&net, "b.x") == good[i].bx &&
				      side(&net, "b.y") == good[i].by,
			      "%s %s", good[i].mode, good[i].modes);
		ck_assert_ptr_null(net_node(&net, "fc")->hooks.backward);
		et_net_free(&net);
		et_spec_free(&spec);
	}
}
END_TEST

START_TEST(by_layer_refused)
{
	static const struct {
		const char *trainable, *mode, *modes, *says;
	} bad[] = {
		{"", "exact", "c=filter:2", "modes: no layer with weights matches 'c'"},
		{"", "exact", "r=filter:2", "modes: no layer with weights matches 'r'"},
		{"", "exact", "fc=filter:2",
		 "mode: no layer that trains can take filter: filter works on convolutions, fc is "
		 "a "
		 "linear layer"},
		{"fc", "filter:2", "",
		 "mode: no layer that trains can take filter: filter works on convolutions, fc is "
		 "a "
		 "linear layer"},
		{"", "exact", "a=smd:0.5",
		 "modes: a: smd is for the whole net: it belongs to mode"},
		{"", "exact", "a", "modes: expected GLOB=RECIPE between semicolons, found 'a'"},
		{"", "exact", "a=", "modes: expected GLOB=RECIPE between semicolons, found 'a='"},
		{"", "exact", "=exact",
		 "modes: expected GLOB=RECIPE between semicolons, found '=exact'"},
		{"", "exact", "a=exact;;b=exact",
		 "modes: expected GLOB=RECIPE between semicolons, found ''"},
		{"", "exact", "a=filter", "mode: filter needs R (side of a patch): filter:1"},
	};
	for (size_t i = 0; i < ET_COUNT(bad); i++) {
		struct et_spec spec;
		struct et_net net;
		struct et_err err = {0};
		int status =
			set_modes(&net, &spec, bad[i].trainable, bad[i].mode, bad[i].modes, &err);
		ck_assert_msg(status == ET_EUSAGE, "%s: %d", bad[i].says, status);
		ck_assert_str_eq(err.text, bad[i].says);
		et_net_free(&net);
		et_spec_free(&spec);
	}
}
END_TEST

Suite *suite_recipe(void);
Suite *suite_recipe(void)
{
	Suite *s = suite_create("recipe");
	TCase *tc = num_tcase("text");
	tcase_add_test(tc, reads);
	tcase_add_test(tc, refuses);
	tcase_add_test(tc, writes);
	suite_add_tcase(s, tc);
	tc = num_tcase("layers");
	tcase_add_test(tc, by_layer);
	tcase_add_test(tc, by_layer_refused);
	suite_add_tcase(s, tc);
	return s;
}

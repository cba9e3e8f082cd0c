/* Which parameters train, what follows from it for a pass; and where a NaN was first seen. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/program.h"
#include "net_random.h"
#include "test_net.h"

static const char layers[] =
	"{'name':'conv1','type':'conv2d','out_channels':4,'kernel_size':3,'bias':false},"
	"{'name':'bn1','type':'batchnorm2d'},{'name':'r','type':'relu'},"
	"{'name':'layer1.0','type':'basic_block','out_channels':4},"
	"{'name':'layer2.0','type':'basic_block','out_channels':6,'stride':2},"
	"{'name':'gap','type':'global_avgpool2d'},"
	"{'name':'fc','type':'linear','out_features':3}";

static struct et_err err;

static void open_net(struct et_spec *spec, struct et_net *net)
{
	struct et_ctx ctx = {.k = et_kern_select(NULL), .threads = 1};
	char *text = net_text(3, 9, 8, 3, layers);
	ck_assert_int_eq(et_spec_parse(spec, text, strlen(text), "t.json", &err), ET_OK);
	ck_assert_int_eq(et_net_build(net, spec, &ctx, &err), ET_OK);
}

static void close_net(struct et_spec *spec, struct et_net *net)
{
	et_net_free(net);
	et_spec_free(spec);
}

/* Names of what trains, in the net's order, with spaces between. */
static const char *trained(const struct et_net *net)
{
	static char text[2000];
	text[0] = 0;
	for (int i = 0; i < net->n_params; i++)
		if (net->params[i].train)
			strcat(strcat(text, *text ? " " : ""), net->params[i].name);
	return text;
}

#define FC "fc.weight fc.bias"
#define L1                                                                                   \
	"layer1.0.conv1.weight layer1.0.bn1.weight layer1.0.bn1.bias layer1.0.conv2.weight " \
	"layer1.0.bn2.weight layer1.0.bn2.bias"
#define CONV2 "layer2.0.conv2.weight layer2.0.bn2.weight layer2.0.bn2.bias"
#define CONV1 "layer2.0.conv1.weight layer2.0.bn1.weight layer2.0.bn1.bias"
#define DOWN  "layer2.0.downsample.0.weight layer2.0.downsample.1.weight layer2.0.downsample.1.bias"
#define L2    DOWN " " CONV1 " " CONV2
#define STEM  "conv1.weight bn1.weight bn1.bias"

START_TEST(selections)
{
	static const struct {
		const char *globs;
		int last;
		bool frozen;
		const char *want;
	} cases[] = {
		{"", 0, false, STEM " " L1 " " L2 " " FC},
		{"", 0, true, STEM " " L1 " " L2 " " FC},
		{"*", 0, false, STEM " " L1 " " L2 " " FC},
		{"fc", 0, false, FC},
		{"fc.*", 0, false, FC},
		{"fc.bias", 0, false, "fc.bias"},
		{"f?", 0, false, FC},
		{"layer2.0", 0, false, L2}, /* a block's name stands for what is below it */
		{"layer2", 0, false, L2},   /* so does one above */
		{"layer2.0.*", 0, false, L2},
		{"layer[2-9]*", 0, false, L2},
		{"layer1.0,fc", 0, false, L1 " " FC},
		{"fc,layer1.0,fc.bias", 0, false, L1 " " FC},
		{"layer2.0.conv2,bn1", 0, false, "bn1.weight bn1.bias layer2.0.conv2.weight"},
		{"layer2.0.downsample", 0, false, DOWN},
		{"*.bias", 0, false,
		 "bn1.bias layer1.0.bn1.bias layer1.0.bn2.bias layer2.0.downsample.1.bias "
		 "layer2.0.bn1.bias layer2.0.bn2.bias fc.bias"},
		{"*conv2", 0, false, "layer1.0.conv2.weight layer2.0.conv2.weight"},
		/* the order of layers in a block: downsample, conv1, conv2 */
		{"", 1, false, CONV2 " " FC},
		{"", 2, false, CONV1 " " CONV2 " " FC},
		{"", 3, false, L2 " " FC},
		{"", 6, false, STEM " " L1 " " L2 " " FC},
		{"", 1, true, "layer2.0.conv2.weight " FC},
		{"", 3, true,
		 "layer2.0.downsample.0.weight layer2.0.conv1.weight layer2.0.conv2.weight " FC},
	};
	struct et_spec spec;
	struct et_net net;

	open_net(&spec, &net);
	for (size_t i = 0; i < ET_COUNT(cases); i++) {
		ck_assert_int_eq(
			et_net_select(&net, cases[i].globs, cases[i].last, cases[i].frozen, &err),
			ET_OK);
		ck_assert_msg(strcmp(trained(&net), cases[i].want) == 0, "'%s', last %d: %s",
			      cases[i].globs, cases[i].last, trained(&net));
	}
	close_net(&spec, &net);
}
END_TEST

START_TEST(wrong_selections)
{
	static const struct {
		const char *globs;
		int last;
		const char *error;
	} bad[] = {
		{"fc2", 0, "trainable: no parameter matches 'fc2' (did you mean 'fc'?)"},
		{"fc,layer2.0.cnov2", 0,
		 "trainable: no parameter matches 'layer2.0.cnov2' (did you mean "
		 "'layer2.0.conv2'?)"},
		{"backbone.*", 0, "trainable: no parameter matches 'backbone.*'"},
		/* layers without weights, and statistics, which do not train */
		{"gap", 0, "trainable: no parameter matches 'gap'"},
		{"bn1.running_mean", 0, "trainable: no parameter matches 'bn1.running_mean'"},
		{"fc,,conv1", 0,
		 "trainable: expected names of 1 to 255 characters between commas in 'fc,,conv1'"},
		{",fc", 0,
		 "trainable: expected names of 1 to 255 characters between commas in ',fc'"},
		{"", 7, "last: expected at most 6, the number of convolutions; found 7"},
	};
	struct et_spec spec;
	struct et_net net;
	char longer[300];

	open_net(&spec, &net);
	for (size_t i = 0; i < ET_COUNT(bad); i++) {
		ck_assert_int_eq(et_net_select(&net, bad[i].globs, bad[i].last, false, &err),
				 ET_EUSAGE);
		ck_assert_str_eq(err.text, bad[i].error);
	}
	memset(longer, 'x', 256);
	longer[256] = 0;
	ck_assert_int_eq(et_net_select(&net, longer, 0, false, &err), ET_EUSAGE);
	ck_assert_int_eq(et_net_set_modes(&net, "exakt", "", NULL, &err), ET_EUSAGE);
	ck_assert_str_eq(err.text, "mode: unknown technique 'exakt' (did you mean 'exact'?)");
	close_net(&spec, &net);
}
END_TEST

/* ---- what follows ---------------------------------------------------------------------------- */

/* Below the lowest layer that trains: no backward, nothing saved, batch norm as in evaluation. */
START_TEST(frozen_below)
{
	static const struct {
		const char *globs, *first; /* first: the lowest layer that takes part */
		double backward;	   /* multiply-adds, as shares of a layer's forward */
		int trained;
	} cases[] = {{"", "conv1", 0, 7},
		     {"layer2.0,fc", "layer2.0.downsample.0", 0, 4},
		     {"fc", "fc", 18, 1}};
	struct et_ctx ctx = {.k = et_kern_select(NULL), .threads = 1};
	uint64_t saved = UINT64_MAX, live = UINT64_MAX;

	for (size_t i = 0; i < ET_COUNT(cases); i++) {
		struct net_setup setup = {.trainable = cases[i].globs, .batch = 4, .eval_batch = 4};
		struct et_rng r = num_rng(70, 0);
		struct net_case t;
		double forward, backward;
		int layers_trained;
		net_open(&t, &ctx, net_text(3, 9, 8, 3, layers), &setup);
		int first = net_node(&t.net, cases[i].first)->index;
		float *x = num_normal(&r, 4 * et_shape_count(t.net.input));
		int32_t *label = net_labels(&t.net, &r, 4);
		float before[600][16];
		ck_assert_int_lt(t.net.n_params, 600);
		for (int p = 0; p < t.net.n_params; p++)
			if (t.net.params[p].kind == ET_PARAM_RUNNING)
				memcpy(before[p], t.net.params[p].value,
				       t.net.params[p].count * sizeof(float));
		net_step(&t.net, x, 4, label, 0);
		for (int p = 0; p < t.net.n_params; p++) {
			const struct et_param *q = &t.net.params[p];
			if (q->kind == ET_PARAM_COUNTER)
				ck_assert_int_eq(q->counter, q->node < first ? 3 : 4);
			if (q->kind == ET_PARAM_RUNNING)
				ck_assert_msg(
					!memcmp(before[p], q->value, q->count * sizeof(float)) ==
						(q->node < first),
					"'%s': %s", cases[i].globs, q->name);
		}
		for (int n = 0; n < t.net.n; n++) {
			const struct et_node *node = &t.net.nodes[n];
			ck_assert_msg(node->active == (n >= first), "'%s': %s", cases[i].globs,
				      node->name);
			ck_assert_msg(t.net.needs_grad[n + 1] == node->active, "%s", node->name);
			ck_assert_int_eq(node->bn_batch,
					 node->active && node->type == &et_type_batchnorm2d);
			ck_assert_msg(node->active || t.net.train->save[n] < 0, "%s", node->name);
		}
		ck_assert_int_eq(t.net.needs_grad[0], false);
		et_net_count(&t.net, &forward, &backward, &layers_trained);
		ck_assert_int_eq(layers_trained, cases[i].trained);
		ck_assert(cases[i].backward == 0 || backward == cases[i].backward);
		ck_assert_msg(t.train.saved < saved && t.net.train->live <= live,
			      "'%s' saves %zu bytes", cases[i].globs, (size_t)t.train.saved);
		saved = t.train.saved;
		live = t.net.train->live;
		net_close(&t);
	}
	ck_assert_uint_eq(saved, 4 * 6 * sizeof(float)); /* the classifier's input */
}
END_TEST

/* Training with frozen statistics sees what evaluation sees. */
START_TEST(frozen_norm)
{
	struct et_ctx ctx = {.k = et_kern_select(NULL), .threads = 1};
	struct net_setup setup = {.batch = 4, .eval_batch = 4, .frozen_bn = true};
	struct et_rng r = num_rng(71, 0);
	struct net_case t;

	net_open(&t, &ctx, net_text(3, 9, 8, 3, layers), &setup);
	float *x = num_normal(&r, 4 * et_shape_count(t.net.input)), logits[12];
	struct et_pass pass = {.x = x, .n = 4, .training = true};
	memcpy(logits, et_net_forward(&t.net, &pass), sizeof(logits));
	pass.training = false;
	ck_assert_double_le(net_off(et_net_forward(&t.net, &pass), logits, 12), 1e-6);
	for (int i = 0; i < t.net.n_params; i++)
		if (t.net.params[i].kind == ET_PARAM_COUNTER)
			ck_assert_int_eq(t.net.params[i].counter, 3);
	net_close(&t);
}
END_TEST

/* The loss and the gradients of one step of a net whose classifier, or last layer, trains. */
static double step_of(struct net_case *t, const struct net_setup *setup)
{
	struct et_ctx ctx = {.k = et_kern_select(NULL), .threads = 1};
	struct et_rng r = num_rng(73, 0);

	net_open(t, &ctx, net_text(3, 9, 8, 3, layers), setup);
	float *x = num_normal(&r, 4 * et_shape_count(t->net.input));
	return net_step(&t->net, x, 4, net_labels(&t->net, &r, 4), 0);
}

/* Asking for the input's gradient as well changes neither the loss nor the other gradients. */
START_TEST(input_gradient)
{
	for (int last = 0; last < 3; last++) {
		struct net_setup setup = {
			.trainable = last ? NULL : "fc", .last = last, .batch = 4};
		struct net_case less, more;
		double want = step_of(&less, &setup);
		ck_assert_ptr_null(et_net_input_grad(&less.net));
		setup.input_grad = true;
		double got = step_of(&more, &setup);
		ck_assert_msg(fabs(got - want) <= 1e-6 * want, "last %d: %g, not %g", last, got,
			      want);
		for (int i = 0; i < less.net.n_params; i++) {
			const struct et_param *p = &less.net.params[i], *q = &more.net.params[i];
			ck_assert_int_eq(p->train, q->train);
			ck_assert_int_eq(p->counter, q->counter);
			if (p->train)
				ck_assert_double_le(net_off(q->grad, p->grad, p->count), 1e-5);
			if (p->kind == ET_PARAM_RUNNING)
				ck_assert_double_le(net_off(q->value, p->value, p->count), 1e-6);
		}
		/* Where the classifier alone trains, no statistics are the batch's. */
		if (!last) {
			struct net_case frozen;
			setup.frozen_bn = true;
			step_of(&frozen, &setup);
			ck_assert_double_le(net_off(et_net_input_grad(&more.net),
						    et_net_input_grad(&frozen.net),
						    4 * et_shape_count(more.net.input)),
					    1e-6);
			net_close(&frozen);
		}
		net_close(&less);
		net_close(&more);
	}
}
END_TEST

/* What trains has the gradient it has when everything trains. */
START_TEST(subsets)
{
	struct et_ctx ctx = {.k = et_kern_select(NULL), .threads = 1};
	for (uint32_t i = 0; i < 150; i++) {
		struct et_rng r = num_rng(72, i);
		struct random_net net = random_net(&r, false);
		struct net_setup setup = {.frozen_bn = true, .batch = 4};
		struct net_case all, some;
		double scale = 0;
		num_label("net %u: %.150s", i, net.text);
		net_open(&all, &ctx, net.text, &setup);
		setup.trainable = net.trainable;
		setup.last = net.last;
		net_open(&some, &ctx, net.text, &setup);
		float *x = num_normal(&r, 4 * et_shape_count(all.net.input));
		int32_t *label = net_labels(&all.net, &r, 4);
		double a = net_step(&all.net, x, 4, label, 3),
		       b = net_step(&some.net, x, 4, label, 3);
		ck_assert_double_le(fabs(a - b), 1e-5 * a);
		for (int p = 0; p < all.net.n_params; p++)
			for (size_t k = 0; all.net.params[p].grad && k < all.net.params[p].count;
			     k++)
				scale = fmax(scale, fabs((double)all.net.params[p].grad[k]));
		for (int p = 0; p < all.net.n_params; p++) {
			const struct et_param *q = &some.net.params[p];
			for (size_t k = 0; q->grad && k < q->count; k++)
				ck_assert_msg(fabs((double)q->grad[k] -
						   (double)all.net.params[p].grad[k]) <=
						      1e-4 * scale,
					      "%s: %s", num_label_text(), q->name);
		}
		net_close(&all);
		net_close(&some);
	}
}
END_TEST

/* ---- NaN and Inf ----------------------------------------------------------------------------- */

START_TEST(nonfinite)
{
	struct et_ctx ctx = {.k = et_kern_at((size_t)_i), .threads = 2};
	for (int frozen = 0; frozen < 2; frozen++) {
		struct net_setup setup = {.batch = 4, .eval_batch = 4, .frozen_bn = frozen};
		struct et_rng r = num_rng(73, 0);
		struct net_case t;
		char buf[100];
		net_open(&t, &ctx, net_text(3, 9, 8, 3, layers), &setup);
		size_t n = 4 * et_shape_count(t.net.input);
		float *x = num_normal(&r, n);
		struct et_pass pass = {.x = x, .n = 4};
		for (pass.training = false;; pass.training = true) {
			num_label("training %d, frozen %d", pass.training, frozen);
			ck_assert(!et_net_find_nonfinite(&t.net, &pass, buf, sizeof(buf)));

			float keep = x[n - 1];
			x[n - 1] = NAN;
			ck_assert(et_net_find_nonfinite(&t.net, &pass, buf, sizeof(buf)));
			ck_assert_str_eq(buf, "the input pictures");
			pass.n = 3; /* a smaller batch without it */
			ck_assert(!et_net_find_nonfinite(&t.net, &pass, buf, sizeof(buf)));
			pass.n = 4;
			x[n - 1] = keep;

			float *w = net_param(&t.net, "layer1.0.bn2.bias")->value;
			keep = w[3];
			w[3] = -INFINITY;
			ck_assert(et_net_find_nonfinite(&t.net, &pass, buf, sizeof(buf)));
			ck_assert_str_eq(buf, "parameter layer1.0.bn2.bias");
			w[3] = keep;

			/* Finite weights, and a sum that is not: seen at its layer and not after.
			 */
			w = net_param(&t.net, "layer1.0.conv2.weight")->value;
			for (int k = 0; k < 9; k++)
				w[k * 4] = 3e38f;
			float *x2 = num_floats(n);
			for (size_t k = 0; k < n; k++)
				x2[k] = 100 * x[k];
			struct et_pass big = pass;
			big.x = x2;
			et_net_forward(&t.net, &big); /* may leave NaN in running statistics */
			ck_assert(et_net_find_nonfinite(&t.net, &big, buf, sizeof(buf)));
			ck_assert_msg(!strcmp(buf, "layer layer1.0.conv2: output"), "%s: %s",
				      num_label_text(), buf);
			net_randomize(&t.net, 1);
			if (pass.training)
				break;
		}
		/* Running statistics are a cause where they are read. */
		net_param(&t.net, "bn1.running_var")->value[0] = NAN;
		pass.training = false;
		ck_assert(et_net_find_nonfinite(&t.net, &pass, buf, sizeof(buf)));
		ck_assert_str_eq(buf, "parameter bn1.running_var");
		ck_assert(et_net_find_nonfinite(&t.net, &pass, buf, 10));
		ck_assert_str_eq(buf, "parameter");
		net_close(&t);
	}
}
END_TEST

TCase *tcase_select(void)
{
	TCase *tc = num_tcase("select");
	tcase_add_test(tc, selections);
	tcase_add_test(tc, wrong_selections);
	tcase_add_test(tc, frozen_below);
	tcase_add_test(tc, frozen_norm);
	tcase_add_test(tc, input_gradient);
	tcase_add_test(tc, subsets);
	return tc;
}

TCase *tcase_finite(void)
{
	TCase *tc = num_tcase("finite");
	int isas = 0;
	while (et_kern_at((size_t)isas))
		isas++;
	tcase_add_loop_test(tc, nonfinite, 0, isas);
	return tc;
}

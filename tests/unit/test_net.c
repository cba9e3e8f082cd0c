/*
 * One step of whole nets: against PyTorch, in micro-batches, on several threads, within the planned
 * memory and without asking the system for more.
 */
#include <stdio.h>
#include <string.h>

#include "net/program.h"
#include "net_gold.h"
#include "test_net.h"

/* ---- PyTorch --------------------------------------------------------------------------------- */

static void check_step(const struct gold_case *c)
{
	struct et_ctx ctx = {.k = NULL, .threads = 2};
	struct net_setup setup = {.batch = gold_int(c, "n"),
				  .eval_batch = gold_int(c, "n"),
				  .frozen_bn = gold_int(c, "frozen"),
				  .input_grad = true};
	for (size_t isa = 0; (ctx.k = et_kern_at(isa)); isa++) {
		struct net_case t;
		struct et_loss_sum sum = {0};
		char name[64];
		snprintf(name, sizeof(name), "%s", c->name);
		num_label("%s, %s", name, ctx.k->name);
		net_open(&t, &ctx, net_gold_spec(c), &setup);
		net_gold_load(c, &t.net);
		t.net.loss.smoothing = (float)gold_num(c, "smoothing");
		if (gold_int(c, "weighted"))
			t.net.loss.weight = gold_f32(c, "weight", (size_t)t.net.classes);
		struct et_pass pass = {.x = net_gold_pictures(c, &t.net, "x", setup.batch),
				       .n = setup.batch,
				       .training = true};
		struct et_shape end = t.net.nodes[t.net.n - 1].out;
		int k = t.net.classes;
		size_t pixels = (size_t)end.h * (size_t)end.w, n = (size_t)pass.n * pixels;
		int32_t *label = gold_i32(c, "label", n);
		const float *want = gold_f32(c, "loss", 1);

		et_net_zero_grad(&t.net);
		net_gold_check("logits", et_net_forward(&t.net, &pass),
			       gold_nhwc(c, "logits", pass.n, pixels, k), n * (size_t)k, 2e-5);
		et_net_loss(&t.net, &pass, label, et_loss_norm(&t.net.loss, n, label), true, &sum);
		ck_assert_double_le(fabs(sum.loss - (double)*want), 1e-5 * fabs((double)*want));
		net_gold_check("dx", et_net_input_grad(&t.net),
			       net_gold_pictures(c, &t.net, "dx", pass.n),
			       (size_t)pass.n * et_shape_count(t.net.input), 2e-5);
		for (int i = 0; i < t.net.n_params; i++) {
			struct et_param *p = &t.net.params[i];
			if (p->train)
				net_gold_check(p->name, p->grad, net_gold_param(c, "grad", p),
					       p->count, 2e-5);
			if (p->kind == ET_PARAM_RUNNING)
				net_gold_check(p->name, p->value, net_gold_param(c, "after", p),
					       p->count, 1e-6);
			if (p->kind == ET_PARAM_COUNTER)
				ck_assert_int_eq(p->counter, setup.frozen_bn ? 3 : 4);
		}
		pass.training = false;
		net_gold_check("logits in evaluation", et_net_forward(&t.net, &pass),
			       gold_nhwc(c, "eval", pass.n, pixels, k), n * (size_t)k, 2e-5);
		num_check_guards();
		net_close(&t);
	}
}

START_TEST(torch_step)
{
	gold_each("net-step", "step", 5, check_step);
	gold_each("net-heads", "step", 5, check_step);
}
END_TEST

/* ---- micro-batches and threads --------------------------------------------------------------- */

const char net_layers[] =
	"{'name':'pre','type':'conv2d','out_channels':16,'kernel_size':1},"
	"{'name':'conv1','type':'conv2d','out_channels':8,'kernel_size':3,'padding':1,'bias':"
	"false},"
	"{'name':'bn1','type':'batchnorm2d'},{'type':'relu'},"
	"{'name':'pool','type':'maxpool2d','kernel_size':3,'stride':2,'padding':1},"
	"{'name':'layer1.0','type':'basic_block','out_channels':8},"
	"{'name':'layer2.0','type':'basic_block','out_channels':12,'stride':2},"
	"{'name':'ir','type':'inverted_residual','out_channels':12,'expand_ratio':3},"
	"{'name':'act','type':'hardswish'},{'name':'squeeze','type':'global_avgpool2d'},"
	"{'name':'excite','type':'linear','out_features':12},{'name':'gate','type':'sigmoid'},"
	"{'name':'se','type':'mul','inputs':['act','gate']},"
	"{'name':'drop','type':'dropout','p':0.4},"
	"{'name':'up','type':'upsample2d','scale_factor':2,'mode':'bilinear'},"
	"{'name':'skip','type':'adaptive_avgpool2d','output_size':2,'inputs':'layer1.0'},"
	"{'name':'small','type':'adaptive_avgpool2d','output_size':2,'inputs':'up'},"
	"{'name':'both','type':'concat','inputs':['small','skip']},{'name':'flat','type':"
	"'flatten'},"
	"{'name':'fc','type':'linear','out_features':5}";

START_TEST(micro_batches)
{
	struct et_ctx ctx = {.k = et_kern_at((size_t)_i), .threads = 2};
	struct net_setup setup = {.batch = 7, .frozen_bn = true};
	struct et_rng r = num_rng(60, 0);
	struct net_case whole, parts;
	static const int sizes[] = {3, 3, 1};

	num_label("%s", ctx.k->name);
	net_open(&whole, &ctx, net_text(3, 17, 14, 5, net_layers), &setup);
	setup.batch = 3;
	net_open(&parts, &ctx, net_text(3, 17, 14, 5, net_layers), &setup);
	size_t image = et_shape_count(whole.net.input);
	float *x = num_normal(&r, 7 * image), weight[5] = {1, 0.5f, 2, 0.25f, 3};
	int32_t *label = net_labels(&whole.net, &r, 7);
	label[4] = 255;
	struct et_loss loss = {.k = 5, .ignore = 255, .smoothing = 0.1f, .weight = weight};
	whole.net.loss = parts.net.loss = loss;

	double want = net_step(&whole.net, x, 7, label, 5), norm = et_loss_norm(&loss, 7, label);
	struct et_loss_sum sum = {0};
	et_net_zero_grad(&parts.net);
	for (size_t i = 0, at = 0; i < ET_COUNT(sizes); at += (size_t)sizes[i++]) {
		struct et_pass pass = {.x = x + at * image,
				       .n = sizes[i],
				       .training = true,
				       .seed = 7,
				       .step = 5,
				       .first = at};
		et_net_forward(&parts.net, &pass);
		et_net_loss(&parts.net, &pass, label + at, norm, true, &sum);
	}
	ck_assert_double_le(fabs(sum.loss - want), 1e-6 * want);
	ck_assert_uint_eq(sum.rows, 6);
	for (int i = 0; i < whole.net.n_params; i++) {
		const struct et_param *p = &whole.net.params[i];
		if (p->train)
			net_gold_check(p->name, parts.net.params[i].grad, p->grad, p->count, 1e-6);
	}
	net_close(&whole);
	net_close(&parts);
}
END_TEST

/* Two dropouts of 400 ones of each of n pictures, side by side, as they come. */
static const float *drop(struct net_case *t, int n, bool training, uint64_t seed, uint64_t step,
			 size_t first)
{
	float *x = num_floats(800), *y = num_floats(1600);
	for (size_t i = 0; i < 800; i++)
		x[i] = 1;
	struct et_pass pass = {
		.x = x, .n = n, .training = training, .seed = seed, .step = step, .first = first};
	return memcpy(y, et_net_forward(&t->net, &pass), (size_t)n * 800 * sizeof(float));
}

/* The numbers drawn depend on seed, step, layer and picture, and on nothing else. */
START_TEST(dropout)
{
	struct et_ctx ctx = {.k = et_kern_at((size_t)_i), .threads = 2};
	struct net_setup setup = {.batch = 2, .eval_batch = 2};
	struct net_case t;
	net_open(&t, &ctx,
		 net_text(1, 20, 20, 800,
			  "{'name':'f','type':'flatten'},"
			  "{'name':'d1','type':'dropout','p':0.25,'inputs':'f'},"
			  "{'name':'d2','type':'dropout','p':0.25,'inputs':'f'},"
			  "{'type':'concat','inputs':['d1','d2']}"),
		 &setup);
	const float *y = drop(&t, 2, true, 7, 5, 0);
	int kept = 0;
	for (size_t i = 0; i < 1600; i++) {
		ck_assert(y[i] == 0 || y[i] == 1 / (1 - 0.25f));
		kept += y[i] != 0;
	}
	ck_assert_int_ge(kept, 1120); /* 1200, within 4.6 standard deviations */
	ck_assert_int_le(kept, 1280);
	ck_assert(memcmp(y, y + 400, 1600) && memcmp(y, y + 800, 1600)); /* layers, pictures */
	ck_assert(!memcmp(y, drop(&t, 2, true, 7, 5, 0), 6400));
	ck_assert(!memcmp(y + 800, drop(&t, 1, true, 7, 5, 1), 3200));
	ck_assert(memcmp(y, drop(&t, 2, true, 8, 5, 0), 3200));
	ck_assert(memcmp(y, drop(&t, 2, true, 7, 6, 0), 3200));
	y = drop(&t, 2, false, 7, 5, 0);
	for (size_t i = 0; i < 1600; i++)
		ck_assert(y[i] == 1);
	net_close(&t);
}
END_TEST

struct run {
	struct net_case *t;
	const struct et_train *train;
	const float *x;
	const int32_t *label;
	uint64_t step;
};

static void five_steps(void *arg)
{
	struct run *r = arg;
	double norm;
	for (; r->step < 5; r->step++) {
		net_step(&r->t->net, r->x, 4, r->label, r->step);
		if (et_net_update(&r->t->net, r->train, 0.05, r->step, &norm))
			ck_abort_msg("lost");
	}
}

/* After five steps: weights, running statistics, gradients and moments, with their names. */
static void same_state(const struct et_net *got, const struct et_net *want)
{
	char name[64];
	snprintf(name, sizeof(name), "%s", num_label_text());
	for (int i = 0; i < got->n_params; i++) {
		const struct et_param *a = &got->params[i], *b = &want->params[i];
		num_label("%s, %s", name, a->name);
		num_check_bits("value", a->value, b->value, a->count * sizeof(float));
		if (a->train)
			num_check_bits("gradient", a->grad, b->grad, a->count * sizeof(float));
		if (a->m1)
			num_check_bits("moment", a->m1, b->m1, a->count * sizeof(float));
		if (a->m2)
			num_check_bits("moment", a->m2, b->m2, a->count * sizeof(float));
	}
}

START_TEST(any_threads)
{
	for (int optimizer = ET_SGD; optimizer <= ET_ADAM; optimizer++) {
		struct et_train train = {.optimizer = optimizer,
					 .momentum = 0.9,
					 .beta1 = 0.9,
					 .beta2 = 0.99,
					 .eps = 1e-8,
					 .weight_decay = 0.01,
					 .clip_norm = 1};
		struct net_setup setup = {.batch = 4, .moments = et_train_moments(&train)};
		struct net_case one = {0}, t;
		for (int threads = 1; threads <= 3; threads++)
			for (int team = 0; team < 2; team++) {
				struct et_ctx ctx = {.k = et_kern_at((size_t)_i),
						     .threads = threads};
				struct et_rng r = num_rng(61, 0);
				net_open(&t, &ctx, net_text(3, 33, 27, 5, net_layers), &setup);
				struct run run = {&t, &train,
						  num_normal(&r, 4 * et_shape_count(t.net.input)),
						  net_labels(&t.net, &r, 4), 0};
				if (team)
					et_team_run(&t.net.ctx, five_steps, &run);
				else
					five_steps(&run);
				num_label("%s, %d threads", ctx.k->name, threads);
				if (!one.net.n) {
					one = t;
					run.t = &one;
					continue;
				}
				same_state(&t.net, &one.net);
				net_close(&t);
			}
		net_close(&one);
	}
}
END_TEST

/* ---- initial values -------------------------------------------------------------------------- */

static void check_normal(struct et_net *net, const char *name, double std)
{
	const struct et_param *p = net_param(net, name);
	double sum = 0, sq = 0, n = (double)p->count;
	for (size_t k = 0; k < p->count; k++) {
		sum += (double)p->value[k];
		sq += (double)p->value[k] * (double)p->value[k];
	}
	ck_assert_msg(fabs(sum / n) < 5 * std / sqrt(n) &&
			      fabs(sqrt(sq / n) / std - 1) < 5 / sqrt(2 * n),
		      "%s: mean %g, deviation %g of %g", name, sum / n, sqrt(sq / n), std);
}

static void check_uniform(struct et_net *net, const char *name, double bound)
{
	const struct et_param *p = net_param(net, name);
	double least = 0, most = 0;
	for (size_t k = 0; k < p->count; k++) {
		least = fmin(least, (double)p->value[k]);
		most = fmax(most, (double)p->value[k]);
	}
	ck_assert_msg(least >= -bound && most <= bound && least < -0.8 * bound &&
			      most > 0.8 * bound,
		      "%s: %g to %g, bound %g", name, least, most, bound);
}

START_TEST(initial)
{
	struct et_ctx ctx = {.k = et_kern_select(NULL), .threads = 1};
	struct net_setup setup = {.eval_batch = 1};
	struct net_case t;
	net_open(&t, &ctx,
		 net_text(3, 8, 8, 40,
			  "{'name':'a','type':'conv2d','out_channels':64,'kernel_size':3},"
			  "{'name':'b','type':'conv2d','out_channels':64,'kernel_size':[3,2]},"
			  "{'name':'dw','type':'conv2d','out_channels':64,'kernel_size':3,"
			  "'groups':64,'padding':1},"
			  "{'name':'bn','type':'batchnorm2d'},{'type':'global_avgpool2d'},"
			  "{'name':'fc','type':'linear','out_features':40}"),
		 &setup);
	et_net_init(&t.net, 1);
	check_normal(&t.net, "a.weight", sqrt(2.0 / (64 * 9)));
	check_normal(&t.net, "b.weight", sqrt(2.0 / (64 * 6)));
	check_normal(&t.net, "dw.weight", sqrt(2.0 / 9));
	check_uniform(&t.net, "fc.weight", 1 / sqrt(64));
	check_uniform(&t.net, "fc.bias", 1 / sqrt(64));
	for (int k = 0; k < 64; k++) {
		ck_assert(net_param(&t.net, "a.bias")->value[k] == 0);
		ck_assert(net_param(&t.net, "bn.weight")->value[k] == 1);
		ck_assert(net_param(&t.net, "bn.bias")->value[k] == 0);
		ck_assert(net_param(&t.net, "bn.running_mean")->value[k] == 0);
		ck_assert(net_param(&t.net, "bn.running_var")->value[k] == 1);
	}
	ck_assert_int_eq(net_param(&t.net, "bn.num_batches_tracked")->counter, 0);
	float one[64], *a = net_param(&t.net, "a.weight")->value,
		       *b = net_param(&t.net, "b.weight")->value;
	memcpy(one, a, sizeof(one));
	ck_assert_int_ne(memcmp(a, b, sizeof(one)), 0);
	et_net_init(&t.net, 2);
	ck_assert_int_ne(memcmp(a, one, sizeof(one)), 0);
	et_net_init(&t.net, 1);
	ck_assert_int_eq(memcmp(a, one, sizeof(one)), 0);
	net_close(&t);
}
END_TEST

Suite *suite_net(void);
Suite *suite_net(void)
{
	Suite *s = suite_create("net");
	TCase *tc = num_tcase("torch");
	tcase_add_test(tc, torch_step);
	suite_add_tcase(s, tc);
	tc = num_tcase("step");
	int isas = 0;
	while (et_kern_at((size_t)isas))
		isas++;
	tcase_add_test(tc, initial);
	tcase_add_loop_test(tc, micro_batches, 0, isas);
	tcase_add_loop_test(tc, dropout, 0, isas);
	tcase_add_loop_test(tc, any_threads, 0, isas);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, tcase_memory());
	suite_add_tcase(s, tcase_select());
	suite_add_tcase(s, tcase_finite());
	return s;
}

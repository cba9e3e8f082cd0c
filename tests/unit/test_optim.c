/*
 * Optimizers and the learning rate: by hand, then several steps of a residual net against PyTorch's
 * own.
 */
#include <stdio.h>
#include <string.h>

#include "net_gold.h"

/* ---- by hand --------------------------------------------------------------------------------- */

/* Three inputs, two classes: weight [2,3], bias [2]; and a batch norm nobody trains. */
static void open_linear(struct net_case *t, const struct et_ctx *ctx, int moments)
{
	struct net_setup setup = {.trainable = "fc", .batch = 1, .moments = moments};
	net_open(t, ctx,
		 net_text(3, 1, 1, 2,
			  "{'name':'bn','type':'batchnorm2d'},"
			  "{'name':'fc','type':'linear','out_features':2}"),
		 &setup);
	for (int i = 0; i < t->net.n_params; i++)
		for (size_t k = 0; k < t->net.params[i].count; k++)
			t->net.params[i].value[k] = 1;
}

/* One update with g as the gradient of every weight that trains. */
static void update(struct net_case *t, const struct et_train *train, uint64_t step, float g)
{
	double norm;
	for (int i = 0; i < t->net.n_params; i++)
		for (size_t k = 0; t->net.params[i].train && k < t->net.params[i].count; k++)
			t->net.params[i].grad[k] = g;
	ck_assert_ptr_null(et_net_update(&t->net, train, train->lr, step, &norm));
	ck_assert(isnan(norm));
}

static void check_all(struct net_case *t, double want)
{
	for (int i = 0; i < t->net.n_params; i++) {
		const struct et_param *p = &t->net.params[i];
		for (size_t k = 0; k < p->count; k++) {
			double w = p->train ? want : 1;
			ck_assert_msg(fabs((double)p->value[k] - w) < 1e-6,
				      "%s: %s is %.9g, not %.9g", num_label_text(), p->name,
				      (double)p->value[k], w);
		}
	}
}

/* From 1, with gradients 0.5 and then -0.2, at a learning rate of 0.1. */
START_TEST(by_hand)
{
	static const struct {
		const char *name;
		struct et_train t;
		int moments;
		double first, second;
	} rules[] = {
		{"plain sgd", {.optimizer = ET_SGD}, 0, 0.95, 0.97},
		/* 0.5 + 0.01 * 1; -0.2 + 0.01 * 0.949 */
		{"sgd with decay", {.optimizer = ET_SGD, .weight_decay = 0.01}, 0, 0.949, 0.968051},
		/* velocity 0.51, then 0.9 * 0.51 - 0.19051 = 0.26849 */
		{"momentum and decay",
		 {.optimizer = ET_SGD, .momentum = 0.9, .weight_decay = 0.01},
		 1,
		 0.949,
		 0.922151},
		/* m 0.025 / 0.19, v 0.002875 / 0.0199 */
		{"adam",
		 {.optimizer = ET_ADAM, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8},
		 2,
		 0.9,
		 0.8653826},
		/* eps beside the root of the corrected v: 0.5 / (0.5 + 0.5) */
		{"adam with a large eps",
		 {.optimizer = ET_ADAM, .beta1 = 0.9, .beta2 = 0.99, .eps = 0.5},
		 2,
		 0.95,
		 0.9350488},
		/* gradients 0.6 and -0.2 + 0.09 */
		{"adam with decay",
		 {.optimizer = ET_ADAM,
		  .beta1 = 0.9,
		  .beta2 = 0.99,
		  .eps = 1e-8,
		  .weight_decay = 0.1},
		 2,
		 0.9,
		 0.8474077},
		/* 1 * 0.99 - 0.1, then 0.89 * 0.99 - 0.0346174 */
		{"adamw",
		 {.optimizer = ET_ADAMW,
		  .beta1 = 0.9,
		  .beta2 = 0.99,
		  .eps = 1e-8,
		  .weight_decay = 0.1},
		 2,
		 0.89,
		 0.8464826},
	};
	struct et_ctx ctx = {.k = et_kern_at((size_t)_i), .threads = 2};
	for (size_t i = 0; i < ET_COUNT(rules); i++) {
		struct et_train train = rules[i].t;
		struct net_case t;
		train.lr = 0.1;
		num_label("%s, %s", rules[i].name, ctx.k->name);
		ck_assert_int_eq(et_train_moments(&train), rules[i].moments);
		open_linear(&t, &ctx, rules[i].moments);
		update(&t, &train, 0, 0.5f);
		check_all(&t, rules[i].first);
		update(&t, &train, 1, -0.2f);
		check_all(&t, rules[i].second);
		net_close(&t);
	}
}
END_TEST

/* Gradients 3 and 4 have the norm 5; what does not train does not count. */
START_TEST(clipping)
{
	struct et_ctx ctx = {.k = et_kern_at((size_t)_i), .threads = 2};
	struct et_train train = {.optimizer = ET_SGD, .clip_norm = 1};
	struct net_case t;
	double norm;

	open_linear(&t, &ctx, 0);
	struct et_param *w = net_param(&t.net, "fc.weight"), *b = net_param(&t.net, "fc.bias");
	et_net_zero_grad(&t.net);
	w->grad[4] = 3;
	b->grad[1] = 4;
	ck_assert_ptr_null(et_net_update(&t.net, &train, 1, 0, &norm));
	ck_assert_double_eq_tol(norm, 5, 1e-6);
	ck_assert_double_eq_tol((double)w->value[4], 0.4, 1e-6);
	ck_assert_double_eq_tol((double)b->value[1], 0.2, 1e-6);
	ck_assert(w->value[0] == 1 && b->value[0] == 1);
	/* A norm below the limit is left alone. */
	train.clip_norm = 5.5;
	ck_assert_ptr_null(et_net_update(&t.net, &train, 1, 0, &norm));
	ck_assert_double_eq_tol(norm, 5, 1e-6);
	ck_assert_double_eq_tol((double)w->value[4], -2.6, 1e-6);
	net_close(&t);
}
END_TEST

START_TEST(lost)
{
	static const float bad[] = {NAN, INFINITY, -INFINITY};
	struct et_ctx ctx = {.k = et_kern_at((size_t)_i), .threads = 2};
	for (int optimizer = ET_SGD; optimizer <= ET_ADAMW; optimizer++)
		for (size_t i = 0; i < 2 * ET_COUNT(bad); i++) {
			struct et_train train = {.optimizer = optimizer,
						 .momentum = 0.9,
						 .beta1 = 0.9,
						 .beta2 = 0.99,
						 .eps = 1e-8,
						 .clip_norm = i < ET_COUNT(bad) ? 0 : 1};
			struct net_case t;
			double norm;
			open_linear(&t, &ctx, 2);
			et_net_zero_grad(&t.net);
			net_param(&t.net, "fc.bias")->grad[1] = bad[i % ET_COUNT(bad)];
			const char *name = et_net_update(&t.net, &train, 0.1, 0, &norm);
			/* A NaN norm makes every gradient NaN: then the first parameter has it. */
			ck_assert_msg(name && !strncmp(name, "fc.", 3), "%s: optimizer %d, %g: %s",
				      ctx.k->name, optimizer, (double)bad[i % ET_COUNT(bad)],
				      name ? name : "not noticed");
			if (i < ET_COUNT(bad))
				ck_assert_str_eq(name, "fc.bias");
			net_close(&t);
		}
}
END_TEST

/* ---- PyTorch --------------------------------------------------------------------------------- */

/* ---- PyTorch --------------------------------------------------------------------------------- */

static void check_train(const struct gold_case *c)
{
	int n = gold_int(c, "n"), steps = gold_int(c, "steps");
	struct et_train train = {.optimizer = gold_int(c, "optimizer"),
				 .lr = gold_num(c, "lr"),
				 .momentum = gold_num(c, "momentum"),
				 .weight_decay = gold_num(c, "wd"),
				 .beta1 = 0.9,
				 .beta2 = 0.999,
				 .eps = 1e-8,
				 .schedule = ET_COSINE,
				 .lr_min = gold_num(c, "lr_min"),
				 .epochs = 1,
				 .clip_norm = gold_num(c, "clip")};
	struct net_setup setup = {.batch = n,
				  .frozen_bn = gold_int(c, "frozen"),
				  .moments = et_train_moments(&train)};
	struct et_ctx ctx = {.k = NULL, .threads = 2};
	float *loss = gold_f32(c, "losses", (size_t)steps),
	      *norms = gold_f32(c, "norms", (size_t)steps),
	      *rates = gold_f32(c, "rates", (size_t)steps);
	char name[64];

	snprintf(name, sizeof(name), "%s", c->name);
	for (size_t isa = 0; (ctx.k = et_kern_at(isa)); isa++) {
		struct net_case t;
		net_open(&t, &ctx, net_gold_spec(c), &setup);
		net_gold_load(c, &t.net);
		size_t batch = (size_t)n * et_shape_count(t.net.input);
		float *x = net_gold_pictures(c, &t.net, "x", 4 * n);
		int32_t *label = gold_i32(c, "label", 4 * (size_t)n);
		for (int i = 0; i < steps; i++) {
			double lr = et_train_lr(&train, (uint64_t)i, (uint64_t)steps), norm;
			double got = net_step(&t.net, x + (size_t)(i % 4) * batch, n,
					      label + i % 4 * n, (uint64_t)i);
			num_label("%s, %s, step %d", name, ctx.k->name, i);
			ck_assert_msg(fabs(got - (double)loss[i]) <= 1e-4 * (double)loss[i],
				      "%s: loss %.9g, not %.9g", num_label_text(), got,
				      (double)loss[i]);
			ck_assert_double_eq_tol(lr, (double)rates[i], 1e-7 * train.lr);
			ck_assert_ptr_null(et_net_update(&t.net, &train, lr, (uint64_t)i, &norm));
			ck_assert_msg(train.clip_norm > 0
					      ? fabs(norm - (double)norms[i]) <= 1e-4 * norm
					      : isnan(norm),
				      "%s: norm %.9g, not %.9g", num_label_text(), norm,
				      (double)norms[i]);
		}
		for (int i = 0; i < t.net.n_params; i++)
			if (t.net.params[i].count)
				net_gold_check(t.net.params[i].name, t.net.params[i].value,
					       net_gold_param(c, "end", &t.net.params[i]),
					       t.net.params[i].count, 1e-4);
		net_close(&t);
	}
}

START_TEST(torch_train)
{
	gold_each("net-train", "train", 4, check_train);
}
END_TEST

/* ---- learning rate --------------------------------------------------------------------------- */

struct rate {
	uint64_t step;
	double lr;
};

static void check_rates(const struct et_train *t, uint64_t per_epoch, const struct rate *want,
			size_t n)
{
	for (size_t i = 0; i < n; i++) {
		double lr = et_train_lr(t, want[i].step, per_epoch);
		ck_assert_msg(fabs(lr - want[i].lr) < 1e-9,
			      "schedule %d, step %d: %.12g, not %.12g", t->schedule,
			      (int)want[i].step, lr, want[i].lr);
	}
}
#define UNWRAP(...) __VA_ARGS__
#define RATES(per_epoch, set, ...)                                   \
	do {                                                         \
		const struct rate want_[] = {__VA_ARGS__};           \
		const struct et_train t_ = {UNWRAP set};             \
		check_rates(&t_, per_epoch, want_, ET_COUNT(want_)); \
	} while (0)

START_TEST(rates)
{
	RATES(5, (.schedule = ET_CONSTANT, .lr = 0.1), {0, 0.1}, {3, 0.1}, {1000000, 0.1});
	/* two epochs of five steps */
	RATES(5, (.schedule = ET_CONSTANT, .lr = 0.1, .warmup = 2), {0, 0.01}, {1, 0.02}, {8, 0.09},
	      {9, 0.1}, {10, 0.1}, {11, 0.1});
	/* half an epoch of five: three steps */
	RATES(5, (.schedule = ET_CONSTANT, .lr = 0.3, .warmup = 0.5), {0, 0.1}, {1, 0.2}, {2, 0.3},
	      {3, 0.3});
	RATES(3, (.schedule = ET_STEP, .lr = 1, .step_size = 2, .gamma = 0.5), {0, 1}, {5, 1},
	      {6, 0.5}, {11, 0.5}, {12, 0.25}, {18, 0.125});
	RATES(4, (.schedule = ET_STEP, .lr = 1, .step_size = 0.5, .gamma = 0.1), {0, 1}, {1, 1},
	      {2, 0.1}, {3, 0.1}, {4, 0.01});
	RATES(4, (.schedule = ET_STEP, .lr = 1, .step_size = 1, .gamma = 0), {3, 1}, {4, 0},
	      {9, 0});
	/* 0.2 + 0.4 * (1 + cos(pi * step / 8)) */
	RATES(4, (.schedule = ET_COSINE, .lr = 1, .lr_min = 0.2, .epochs = 2), {0, 1},
	      {2, 0.8828427125}, {4, 0.6}, {7, 0.2304481870}, {8, 0.2}, {100, 0.2});
	RATES(4, (.schedule = ET_COSINE, .lr = 1, .lr_min = 0.2, .epochs = 2, .warmup = 1),
	      {0, 0.25}, {3, 1}, {4, 1}, {5, 0.8828427125}, {6, 0.6}, {7, 0.3171572875}, {8, 0.2});
	/* warm-up longer than the run */
	RATES(4, (.schedule = ET_COSINE, .lr = 1, .epochs = 2, .warmup = 10), {0, 0.025}, {7, 0.2});
	RATES(1, (.schedule = ET_COSINE, .lr = 1, .epochs = 1), {0, 1}, {1, 0});
}
END_TEST

Suite *suite_optim(void);
Suite *suite_optim(void)
{
	Suite *s = suite_create("optim");
	TCase *tc = num_tcase("optim");
	int isas = 0;
	while (et_kern_at((size_t)isas))
		isas++;
	tcase_add_loop_test(tc, by_hand, 0, isas);
	tcase_add_loop_test(tc, clipping, 0, isas);
	tcase_add_loop_test(tc, lost, 0, isas);
	tcase_add_test(tc, torch_train);
	tcase_add_test(tc, rates);
	suite_add_tcase(s, tc);
	return s;
}

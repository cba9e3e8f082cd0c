/*
 * One step of whole nets: against PyTorch, in micro-batches, on several threads, within the planned
 * memory and without asking the system for more.
 */
#include <stdio.h>
#include <string.h>

#include "net/program.h"
#include "net_gold.h"

/* ---- PyTorch --------------------------------------------------------------------------------- */

static void check_step(const struct gold_case *c)
{
	struct et_ctx ctx = {NULL, 2, NULL};
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
		size_t n = (size_t)pass.n, k = (size_t)t.net.classes;
		int32_t *label = gold_i32(c, "label", n);
		const float *want = gold_f32(c, "loss", 1);

		et_net_zero_grad(&t.net);
		net_gold_check("logits", et_net_forward(&t.net, &pass),
			       gold_f32(c, "logits", n * k), n * k, 2e-5);
		et_net_loss(&t.net, &pass, label, et_loss_norm(&t.net.loss, n, label), true, &sum);
		ck_assert_double_le(fabs(sum.loss - (double)*want), 1e-5 * fabs((double)*want));
		net_gold_check("dx", et_net_input_grad(&t.net),
			       net_gold_pictures(c, &t.net, "dx", pass.n),
			       n * et_shape_count(t.net.input), 2e-5);
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
			       gold_f32(c, "eval", n * k), n * k, 2e-5);
		num_check_guards();
		net_close(&t);
	}
}

START_TEST(torch_step)
{
	gold_each("net-step", "step", 5, check_step);
}
END_TEST

Suite *suite_net(void);
Suite *suite_net(void)
{
	Suite *s = suite_create("net");
	TCase *tc = num_tcase("torch");
	tcase_add_test(tc, torch_step);
	suite_add_tcase(s, tc);
	return s;
}

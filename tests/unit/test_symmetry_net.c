/* Whole nets under Efficient-Grad and the sign-symmetric family. */
#include <stdio.h>
#include <string.h>

#include "net_case.h"
#include "test_net.h"
#include "test_symmetry.h"

/* A net, what goes into it, and what came out. */
struct trial {
	struct net_case t;
	double loss;
	float *x;
	int32_t *label;
};

#define BATCH 5

static struct trial trial(const char *layers, const struct et_ctx *ctx,
			  const struct net_setup *setup)
{
	struct trial r;
	struct et_rng rng = num_rng(86, 0);

	net_open(&r.t, ctx, net_text(3, 17, 14, 5, layers), setup);
	r.x = num_normal(&rng, BATCH * et_shape_count(r.t.net.input));
	r.label = net_labels(&r.t.net, &rng, BATCH);
	r.loss = net_step(&r.t.net, r.x, BATCH, r.label, 5);
	return r;
}

static void same_grad(struct trial *a, struct trial *b, const char *name, bool same)
{
	struct et_param *p = net_param(&a->t.net, name), *q = net_param(&b->t.net, name);
	bool equal = memcmp(p->grad, q->grad, p->count * sizeof(float)) == 0;
	ck_assert_msg(equal == same, "%s: gradients of %s are %s", num_label_text(), name,
		      equal ? "the same" : "not the same");
}

static void same_grads(struct trial *a, struct trial *b)
{
	for (int i = 0; i < a->t.net.n_params; i++)
		if (a->t.net.params[i].train)
			same_grad(a, b, a->t.net.params[i].name, true);
}

static const char *const recipes[] = {"signsym", "signsym-frozen", "feedback", "efficientgrad:0.9"};
#define PRUNES 3

/*
 * Forward and loss are exact's own, and what the classifier's gradients are made of. The mode works
 * on every layer that a gradient goes through; efficientgrad's pruning also where it begins.
 */
START_TEST(stays_exact)
{
	struct et_ctx ctx = context(0, 2);
	struct net_setup setup = {.batch = BATCH};
	struct trial exact = trial(net_layers, &ctx, &setup);
	bool prunes = _i == PRUNES;

	setup.mode = recipes[_i];
	struct trial mode = trial(net_layers, &ctx, &setup);
	num_label("%s", setup.mode);
	ck_assert(mode.loss == exact.loss);
	same_grad(&mode, &exact, "fc.weight", true);
	same_grad(&mode, &exact, "fc.bias", true);
	/* Nothing of the mode lies behind this one; its own dy may be pruned. */
	same_grad(&mode, &exact, "excite.weight", !prunes);
	same_grad(&mode, &exact, "excite.bias", true);
	same_grad(&mode, &exact, "ir.conv.2.weight", false);
	same_grad(&mode, &exact, "ir.conv.0.0.weight", false);
	same_grad(&mode, &exact, "layer1.0.conv2.weight", false);
	same_grad(&mode, &exact, "conv1.weight", false);
	same_grad(&mode, &exact, "pre.weight", false);
	for (int i = 0; i < mode.t.net.n_params; i++)
		for (size_t k = 0; mode.t.net.params[i].train && k < mode.t.net.params[i].count;
		     k++)
			ck_assert(isfinite(mode.t.net.params[i].grad[k]));

	/* By name the classifier takes it too: dw then only changes with dy. */
	setup.mode = NULL;
	char name[64];
	snprintf(name, sizeof(name), "fc=%s", recipes[_i]);
	setup.modes = name;
	struct trial named = trial(net_layers, &ctx, &setup);
	same_grad(&named, &exact, "fc.weight", !prunes);
	same_grad(&named, &exact, "fc.bias", true);
	same_grad(&named, &exact, "excite.bias", false);
	net_close(&exact.t);
	net_close(&mode.t);
	net_close(&named.t);
}
END_TEST

/* No thread, no sharing of memory between tensors and no fusing changes a bit. */
START_TEST(same_bits)
{
	for (int isa = 0; et_kern_at((size_t)isa); isa++)
		for (int threads = 2; threads <= 3; threads++) {
			struct et_ctx one = context(isa, 1), ctx = context(isa, threads);
			struct net_setup setup = {.batch = BATCH, .mode = recipes[_i]};
			struct trial want = trial(net_layers, &one, &setup);
			setup.unshared = threads == 3;
			struct trial got = trial(net_layers, &ctx, &setup);
			num_label("%s, %s, %d threads", setup.mode, one.k->name, threads);
			same_grads(&got, &want);
			net_close(&want.t);
			net_close(&got.t);
		}
}
END_TEST

/* Without batch norm a convolution's dy may lie where a skip's does: it must not be pruned too. */
START_TEST(skip)
{
	const char layers[] =
		"{'name':'a','type':'conv2d','out_channels':6,'kernel_size':3,'padding':1},"
		"{'name':'b','type':'conv2d','out_channels':6,'kernel_size':3,'padding':1},"
		"{'name':'c','type':'add','inputs':['a','b']},"
		"{'name':'d','type':'conv2d','out_channels':6,'kernel_size':1},"
		"{'name':'e','type':'add','inputs':['d','c']},"
		"{'type':'global_avgpool2d'},{'name':'fc','type':'linear','out_features':5}";
	struct et_ctx ctx = context(0, 2);
	struct net_setup setup = {.batch = BATCH, .mode = "efficientgrad:0.9"};
	struct trial shared = trial(layers, &ctx, &setup);

	setup.unshared = true;
	struct trial apart = trial(layers, &ctx, &setup);
	same_grads(&shared, &apart);
	net_close(&shared.t);
	net_close(&apart.t);
}
END_TEST

/* Steps differ in what is pruned, not in M; the same step again is the same. */
START_TEST(steps)
{
	struct et_ctx ctx = context(0, 2);
	struct net_setup setup = {.batch = BATCH, .mode = recipes[_i]};
	static const char layers[] =
		"{'name':'a','type':'conv2d','out_channels':7,'kernel_size':3,'groups':1,"
		"'stride':2},{'type':'relu'},"
		"{'name':'b','type':'conv2d','out_channels':14,'kernel_size':3,'groups':7},"
		"{'type':'relu'},{'type':'global_avgpool2d'},"
		"{'name':'fc','type':'linear','out_features':5}";

	num_label("%s", setup.mode);
	struct trial one = trial(layers, &ctx, &setup), two = trial(layers, &ctx, &setup);
	net_step(&one.t.net, one.x, BATCH, one.label, 6);
	same_grad(&one, &two, "a.weight", _i != PRUNES);
	same_grad(&one, &two, "b.weight", _i != PRUNES);
	same_grad(&one, &two, "b.bias", true);
	net_step(&one.t.net, one.x, BATCH, one.label, 5);
	same_grads(&one, &two);
	net_close(&one.t);
	net_close(&two.t);
}
END_TEST

/* In a whole net too dx is dy times B: a linear classifier, whose dy is the loss's. */
START_TEST(wired)
{
	struct et_ctx ctx = context(0, 1);
	struct net_setup setup = {
		.batch = BATCH, .input_grad = true, .modes = "fc=signsym:scale=match-w"};
	struct net_case t;
	struct et_rng r = num_rng(87, 0);
	struct et_loss_sum sum = {0};
	float logits[BATCH * 4], dy[BATCH * 4], size = 0;

	net_open(&t, &ctx,
		 net_text(3, 1, 1, 4,
			  "{'type':'flatten'},{'name':'fc','type':'linear',"
			  "'out_features':4}"),
		 &setup);
	float *x = num_normal(&r, BATCH * 3), *w = net_param(&t.net, "fc.weight")->value;
	int32_t *label = net_labels(&t.net, &r, BATCH);
	struct et_pass pass = {.x = x, .n = BATCH, .training = true};
	memcpy(logits, et_net_forward(&t.net, &pass), sizeof(logits));
	net_step(&t.net, x, BATCH, label, 0);
	et_loss_forward(&ctx, &t.net.loss, BATCH, logits, label, BATCH, dy, &sum, &t.net.work);
	for (int i = 0; i < 12; i++)
		size += w[i] * w[i] / 12;
	struct ref want = num_ref(BATCH * 3);
	for (size_t n = 0; n < BATCH; n++)
		for (size_t k = 0; k < 4; k++)
			for (size_t c = 0; c < 3; c++)
				ref_term(&want, n * 3 + c,
					 (double)dy[n * 4 + k] * sqrt((double)size) *
						 (w[k * 3 + c] > 0 ? 1 : -1));
	num_check("dx", et_net_input_grad(&t.net), &want, 8);
	net_close(&t);
}
END_TEST

TCase *tcase_symmetry_net(void)
{
	TCase *tc = num_tcase("nets");
	tcase_add_loop_test(tc, stays_exact, 0, ET_COUNT(recipes));
	tcase_add_loop_test(tc, same_bits, 0, ET_COUNT(recipes));
	tcase_add_test(tc, skip);
	tcase_add_loop_test(tc, steps, 0, ET_COUNT(recipes));
	tcase_add_test(tc, wired);
	return tc;
}

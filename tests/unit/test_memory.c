/* A step takes the memory that was planned, and asks the system for no more. */
#include <stdlib.h>
#include <string.h>

#include "alloc_count.h"
#include "net/program.h"
#include "test_net.h"

static void check_arenas(const struct et_net *net)
{
	ck_assert_msg(!net->work.failed && !net->hold.failed && !net->live.failed,
		      "%s: the plan did not suffice", num_label_text());
	ck_assert_msg(net->work.used == 0, "%s: %zu bytes of scratch kept", num_label_text(),
		      net->work.used);
	ck_assert_uint_le(net->work.peak, net->work.size);
	ck_assert_uint_eq(net->hold.peak, net->hold_bytes);
}

/* ---- plan and reality ------------------------------------------------------------------------ */

#define FLATTEN "{'type':'flatten'},{'type':'linear','out_features':3}"
#define CONCAT                                          \
	"{'type':'concat','inputs':['input','input']}," \
	"{'type':'conv2d','out_channels':3,'kernel_size':1}"
#define SIX "'input','input','input','input','input','input'"
/* On 48 channels, where the sum for the bias is what takes most scratch. */
#define DEPTHWISE                                                                       \
	"{'type':'concat','inputs':[" SIX "," SIX ",'input','input','input','input']}," \
	"{'type':'conv2d','out_channels':48,'kernel_size':3,'padding':1,'groups':48}"

/* One layer type alone, so that no other's scratch hides what it forgot to ask for. */
START_TEST(each_alone)
{
	static const char *const alone[] = {
		DEPTHWISE,
		"{'type':'conv2d','out_channels':3,'kernel_size':3,'padding':1}",
		"{'type':'conv2d','out_channels':3,'kernel_size':1,'bias':false}",
		"{'type':'conv2d','out_channels':3,'kernel_size':5,'stride':2,'groups':3}",
		"{'type':'conv2d','out_channels':3,'kernel_size':[1,7],'dilation':3}",
		FLATTEN,
		"{'type':'batchnorm2d'}",
		"{'type':'relu'}",
		"{'type':'relu6'}",
		"{'type':'hardswish'}",
		"{'type':'sigmoid'}",
		"{'type':'dropout'}",
		"{'type':'maxpool2d','kernel_size':3,'stride':2,'padding':1}",
		"{'type':'avgpool2d','kernel_size':3,'stride':2,'padding':1}",
		"{'type':'global_avgpool2d'}",
		"{'type':'adaptive_avgpool2d','output_size':[7,5]}",
		"{'type':'add','inputs':['input','input']}",
		"{'type':'mul','inputs':['input','input']}",
		CONCAT,
		"{'type':'upsample2d','size':[50,41],'mode':'nearest'}",
		"{'type':'upsample2d','size':[50,41],'mode':'bilinear'}",
	};
	struct et_ctx ctx = {.k = et_kern_at((size_t)_i), .threads = 1};
	for (size_t i = 0; i < ET_COUNT(alone); i++)
		for (int frozen = 0; frozen < 2; frozen++)
			for (ctx.threads = 1; ctx.threads <= 3; ctx.threads++) {
				struct et_rng r = num_rng(50, (uint32_t)i);
				struct net_setup setup = {.batch = 3,
							  .eval_batch = 5,
							  .frozen_bn = frozen,
							  .input_grad = true};
				struct net_case t;
				char layers[500] = "";
				strcat(strcat(layers, alone[i]), ",{'type':'global_avgpool2d'}");
				num_label("%s, %s, %d threads", layers, ctx.k->name, ctx.threads);
				net_open(&t, &ctx,
					 net_text(3, 25, 19, i ? 3 : 48 /* DEPTHWISE */, layers),
					 &setup);
				float *x = num_normal(&r, 5 * et_shape_count(t.net.input));
				int32_t *label = net_labels(&t.net, &r, 5);
				ck_assert(isfinite(net_step(&t.net, x, 3, label, 0)));
				check_arenas(&t.net);
				struct et_pass eval = {.x = x, .n = 5};
				ck_assert(isfinite(*et_net_forward(&t.net, &eval)));
				check_arenas(&t.net);
				num_check_guards();
				net_close(&t);
			}
}
END_TEST

/* Batches smaller than planned take no more. */
START_TEST(smaller_batches)
{
	struct et_ctx ctx = {.k = et_kern_at((size_t)_i), .threads = 2};
	struct net_setup setup = {.batch = 9, .eval_batch = 9, .frozen_bn = true};
	struct et_rng r = num_rng(51, 0);
	struct net_case t;

	num_label("%s", ctx.k->name);
	net_open(&t, &ctx, net_text(3, 23, 20, 5, net_layers), &setup);
	float *x = num_normal(&r, 9 * et_shape_count(t.net.input));
	int32_t *label = net_labels(&t.net, &r, 9);
	for (int n = 1; n <= 9; n++) {
		struct et_pass eval = {.x = x, .n = n};
		net_dirty(&t.net);
		ck_assert(isfinite(net_step(&t.net, x, n, label, 0)));
		ck_assert(isfinite(*et_net_forward(&t.net, &eval)));
		check_arenas(&t.net);
	}
	net_close(&t);
}
END_TEST

/* The rows of the plan add up to what is reserved. */
START_TEST(rows)
{
	struct et_ctx ctx = {.k = et_kern_select(NULL), .threads = 1};
	struct net_setup setup = {.batch = 4, .eval_batch = 6, .moments = 2};
	struct net_case t;
	size_t weights = 0, trained = 0;

	net_open(&t, &ctx, net_text(3, 16, 16, 5, net_layers), &setup);
	for (int i = 0; i < t.net.n_params; i++) {
		const struct et_param *p = &t.net.params[i];
		weights += (p->count * sizeof(float) + 63) / 64 * 64;
		trained += p->train ? (p->count * sizeof(float) + 63) / 64 * 64 : 0;
	}
	const struct et_memory *m = &t.train, *e = &t.eval;
	if (alloc_counts()) { /* else the arena adds red zones */
		ck_assert_uint_eq(m->weights, weights);
		ck_assert_uint_eq(m->gradients, trained);
		ck_assert_uint_eq(m->optimizer, 2 * trained);
		ck_assert_uint_eq(t.net.live.size, et_max(t.net.train->live, t.net.eval->live));
	}
	ck_assert_uint_eq(m->weights + m->gradients + m->optimizer, t.net.hold.size);
	ck_assert_uint_eq(m->saved + m->activations, t.net.train->live);
	ck_assert_uint_eq(m->total, m->weights + m->gradients + m->optimizer + m->saved +
					    m->activations + m->work);
	ck_assert(e->gradients == 0 && e->optimizer == 0 && e->saved == 0);
	ck_assert_uint_eq(e->total, e->weights + e->activations + e->work);
	ck_assert_uint_eq(t.net.work.size, et_max(m->work, e->work));
	net_close(&t);

	/* Neither training nor moments: nothing but the weights is held. */
	setup = (struct net_setup){.eval_batch = 6, .moments = 2, .trainable = "fc"};
	net_open(&t, &ctx, net_text(3, 16, 16, 5, net_layers), &setup);
	ck_assert_ptr_null(t.net.train);
	ck_assert_uint_eq(t.eval.optimizer, 0);
	net_close(&t);
}
END_TEST

/* Sizes that no machine has are refused with the numbers, whatever size_t can hold. */
START_TEST(too_large)
{
	struct et_ctx ctx = {.k = et_kern_select(NULL), .threads = 1};
	struct et_spec spec;
	struct et_net net;
	struct et_err err;
	char layers[4000] = "{'name':'u','type':'upsample2d','size':8192}";
	for (int i = 0; i < 30; i++)
		strcat(layers, ",{'type':'relu'}");
	strcat(layers, ",{'type':'global_avgpool2d'}");
	char *text = net_text(3, 8, 8, 3, layers);
	ck_assert_int_eq(et_spec_parse(&spec, text, strlen(text), "t.json", &err), ET_OK);
	ck_assert_int_eq(et_net_build(&net, &spec, &ctx, &err), ET_OK);
	net.want_input_grad = true;
	ck_assert_int_eq(et_net_select(&net, "", 0, false, &err), ET_OK);
	ck_assert_int_eq(et_net_plan(&net, 65536, 0, 0, NULL, NULL, &err),
			 SIZE_MAX > 0xffffffffu ? ET_OK : ET_EFIT);
	/* More than addresses: reserving it fails, and says so. */
	if (SIZE_MAX > 0xffffffffu) {
		net.unshared = true;
		ck_assert_int_eq(et_net_plan(&net, 65536, 0, 0, NULL, NULL, &err), ET_OK);
		ck_assert_uint_gt(net.train->live, (size_t)1 << 46);
		ck_assert_int_eq(et_net_alloc(&net, &err), ET_ENOMEM);
		ck_assert_ptr_nonnull(strstr(err.text, "cannot reserve"));
	}
	et_net_free(&net);
	et_spec_free(&spec);
}
END_TEST

/* ---- allocations inside a step --------------------------------------------------------------- */

struct job {
	struct et_net *net;
	const float *x;
	const int32_t *label;
	const struct et_train *train;
	uint64_t step;
};

static void step(void *arg)
{
	struct job *j = arg;
	struct et_pass eval = {.x = j->x, .n = 4};
	double norm;
	net_step(j->net, j->x, 4, j->label, j->step);
	if (et_net_update(j->net, j->train, 1e-3, j->step++, &norm))
		ck_abort_msg("lost");
	et_net_forward(j->net, &eval);
}

START_TEST(no_allocation)
{
	if (!alloc_counts())
		return;
	alloc_count_start();
	void *volatile p = malloc(1); /* volatile: not to be optimised away */
	free(p);
	ck_assert_int_eq(alloc_count_stop(), 2);
	for (int optimizer = ET_SGD; optimizer <= ET_ADAMW; optimizer++)
		for (int threads = 1; threads <= 3; threads++) {
			struct et_ctx ctx = {.k = et_kern_at((size_t)_i), .threads = threads};
			struct net_setup setup = {.batch = 4, .eval_batch = 4, .moments = 2};
			struct et_train train = {.optimizer = optimizer,
						 .momentum = 0.9,
						 .beta1 = 0.9,
						 .beta2 = 0.99,
						 .eps = 1e-8,
						 .clip_norm = 1};
			struct et_rng r = num_rng(52, 0);
			struct net_case t;
			net_open(&t, &ctx, net_text(3, 33, 31, 5, net_layers), &setup);
			struct job j = {.net = &t.net,
					.x = num_normal(&r, 4 * et_shape_count(t.net.input)),
					.label = net_labels(&t.net, &r, 4),
					.train = &train};
			/* The first run makes OpenMP's threads. */
			et_team_run(&t.net.ctx, step, &j);
			/* A thread that OpenMP no longer wants ends when it gets to it, and frees
			 * what is its own: not in every one of several steps. */
			long calls = 1;
			for (int tries = 0; tries < 5 && calls; tries++) {
				alloc_count_start();
				et_team_run(&t.net.ctx, step, &j);
				et_team_run(&t.net.ctx, step, &j);
				calls = alloc_count_stop();
			}
			ck_assert_msg(calls == 0, "%s, %d threads, optimizer %d: %ld calls",
				      ctx.k->name, threads, optimizer, calls);
			check_arenas(&t.net);
			net_close(&t);
		}
}
END_TEST

TCase *tcase_memory(void)
{
	TCase *tc = num_tcase("memory");
	int isas = 0;
	while (et_kern_at((size_t)isas))
		isas++;
	tcase_add_loop_test(tc, each_alone, 0, isas);
	tcase_add_loop_test(tc, smaller_batches, 0, isas);
	tcase_add_test(tc, rows);
	tcase_add_test(tc, too_large);
	tcase_add_loop_test(tc, no_allocation, 0, isas);
	return tc;
}

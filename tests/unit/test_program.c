/*
 * Memory plans of random nets: slots of one time never overlap, and nothing that is shared,
 * overwritten, fused or run in chunks shows in the results. Plans that share nothing and overwrite
 * nothing, and plans of chunks, must give the same bits; plans that fuse nothing, the same numbers
 * within rounding.
 */
#include <stdio.h>
#include <string.h>

#include "net/program.h"
#include "net_random.h"

#define NETS	600
#define PER_RUN 20

/* ---- slots ----------------------------------------------------------------------------------- */

static void check_slots(const struct et_slot *s, int n, size_t total)
{
	size_t most = 0;
	for (int i = 0; i < n; i++) {
		ck_assert_msg(s[i].at % 64 == 0, "%s: slot %d at %zu", num_label_text(), i,
			      s[i].at);
		ck_assert_int_le(s[i].begin, s[i].end);
		most = et_max(most, s[i].at + s[i].bytes);
		for (int j = 0; j < i; j++) {
			bool together = s[i].begin <= s[j].end && s[j].begin <= s[i].end;
			bool apart =
				s[i].at + s[i].bytes <= s[j].at || s[j].at + s[j].bytes <= s[i].at;
			ck_assert_msg(!together || apart || !s[i].bytes || !s[j].bytes,
				      "%s: slots %d and %d overlap", num_label_text(), i, j);
		}
	}
	ck_assert_uint_le(most, total);
}

START_TEST(slots_by_hand)
{
	/* Two that meet, a third in the first's place behind it, a fourth of all times on top. */
	struct et_slot s[] = {
		{.bytes = 100, .begin = 0, .end = 1},
		{.bytes = 200, .begin = 1, .end = 2},
		{.bytes = 50, .begin = 2, .end = 3},
		{.bytes = 1, .begin = 0, .end = 3},
	};
	ck_assert_uint_eq(et_slots_place(s, 4), 256 + 128 + 64);
	check_slots(s, 4, 256 + 128 + 64);
	ck_assert_uint_eq(s[1].at, 0);
	ck_assert_uint_eq(s[0].at, 256);
	ck_assert_uint_eq(s[2].at, 256);
	ck_assert_uint_eq(s[3].at, 384);
	ck_assert_uint_eq(et_slots_place(NULL, 0), 0);
}
END_TEST

START_TEST(slots_random)
{
	struct et_slot s[60];
	for (uint32_t seed = 0; seed < 300; seed++) {
		struct et_rng r = num_rng(40, seed);
		int n = num_int(&r, 1, 60);
		size_t live[41] = {0}, floor = 0;
		for (int i = 0; i < n; i++) {
			int begin = num_int(&r, 0, 40), end = begin + num_int(&r, 0, 12);
			s[i] = (struct et_slot){.bytes = (size_t)num_int(&r, 1, 2000),
						.begin = begin,
						.end = end < 40 ? end : 40};
			for (int t = begin; t <= s[i].end; t++)
				live[t] += (s[i].bytes + 63) / 64 * 64;
		}
		for (int t = 0; t <= 40; t++)
			floor = et_max(floor, live[t]);
		num_label("seed %u", seed);
		size_t total = et_slots_place(s, n);
		check_slots(s, n, total);
		ck_assert_uint_ge(total, floor);
		ck_assert_msg((double)total <= 1.5 * (double)floor, "seed %u: %zu for %zu", seed,
			      total, floor);
	}
}
END_TEST

/* ---- by hand --------------------------------------------------------------------------------- */

static const char block[] =
	"{'name':'c0','type':'conv2d','out_channels':8,'kernel_size':3,'padding':1},"
	"{'name':'b','type':'basic_block','out_channels':8},{'name':'gap','type':'global_avgpool2d'"
	"},"
	"{'name':'fc','type':'linear','out_features':2}";

static const struct et_fused *fused_at(struct et_net *net, const struct et_program *p,
				       const char *name)
{
	return &p->fused[net_node(net, name)->index];
}

static void check_fused(struct et_net *net, const struct et_program *p, const char *conv,
			const char *bn, const char *residual, enum et_act act, const char *out)
{
	const struct et_fused *f = fused_at(net, p, conv);
	ck_assert_int_eq(f->bn, bn ? net_node(net, bn)->index : -1);
	ck_assert_int_eq(f->residual, residual ? net_node(net, residual)->index + 1 : -1);
	ck_assert_int_eq(f->act, act);
	ck_assert_int_eq(f->out, net_node(net, out)->index + 1);
}

static int skipped(const struct et_net *net, const struct et_program *p)
{
	int n = 0;
	for (int i = 0; i < net->n; i++)
		n += p->skip[i];
	return n;
}

/* The gradient of the logits takes their place, unless backward wants them again. */
START_TEST(logits_overwritten)
{
	static const struct {
		const char *layers;
		bool shared;
	} nets[] = {
		{"{'type':'conv2d','out_channels':5,'kernel_size':1},"
		 "{'type':'upsample2d','size':[9,8],'mode':'bilinear'}",
		 true},
		{"{'type':'conv2d','out_channels':5,'kernel_size':1},{'type':'relu'}", true},
		{"{'type':'conv2d','out_channels':5,'kernel_size':1},{'type':'sigmoid'}", false},
		{"{'type':'conv2d','out_channels':5,'kernel_size':1},{'type':'hardswish'}", true},
	};
	struct et_ctx ctx = {.k = et_kern_select("generic"), .threads = 1};
	struct et_rng r = num_rng(62, 0);
	const float *x = num_normal(&r, (size_t)2 * 4 * 4 * 3);

	for (size_t i = 0; i < ET_COUNT(nets); i++) {
		struct net_setup setup = {.batch = 2};
		float *grad[2];
		double loss[2];
		for (int k = 0; k < 2; k++) {
			struct net_case t;
			setup.unshared = k;
			net_open(&t, &ctx, net_text(3, 4, 4, 5, nets[i].layers), &setup);
			net_randomize(&t.net, 3);
			const struct et_program *p = t.net.train;
			ck_assert_msg((p->g[t.net.n] == p->y[t.net.n]) == (nets[i].shared && !k),
				      "%s", nets[i].layers);
			size_t rows = 2 * et_shape_count(t.net.nodes[t.net.n - 1].out) / 5;
			struct et_rng l = num_rng(63, 0);
			int32_t *label = net_labels(&t.net, &l, (int)rows);
			loss[k] = net_step(&t.net, x, 2, label, 1);
			const struct et_param *w = net_param(&t.net, "0.weight");
			grad[k] = num_floats(w->count);
			memcpy(grad[k], w->grad, w->count * sizeof(float));
			if (k)
				ck_assert_mem_eq(grad[0], grad[1], w->count * sizeof(float));
			net_close(&t);
		}
		ck_assert_double_eq(loss[0], loss[1]);
	}
}
END_TEST

/* In evaluation a residual block is two convolutions and three live tensors. */
START_TEST(fusion)
{
	struct et_ctx ctx = {.k = et_kern_select("generic"), .threads = 1};
	struct net_setup setup = {.batch = 2, .eval_batch = 2, .frozen_bn = true};
	struct net_case t;
	size_t map = 2 * 4 * 4 * 8 * sizeof(float);

	net_open(&t, &ctx, net_text(3, 4, 4, 2, block), &setup);
	const struct et_program *p = t.net.eval;
	check_fused(&t.net, p, "c0", NULL, NULL, ET_ACT_NONE, "c0");
	check_fused(&t.net, p, "b.conv1", "b.bn1", NULL, ET_ACT_RELU, "b.relu1");
	check_fused(&t.net, p, "b.conv2", "b.bn2", "c0", ET_ACT_RELU, "b.relu2");
	check_fused(&t.net, p, "fc", NULL, NULL, ET_ACT_NONE, "fc");
	ck_assert_int_eq(skipped(&t.net, p), 5);
	ck_assert_uint_eq(p->live, 3 * map);
	ck_assert_uint_eq(p->saved, 0);
	/* All trains: batch norm's gamma needs its input. The first ReLU becomes part of it. */
	p = t.net.train;
	check_fused(&t.net, p, "b.conv1", NULL, NULL, ET_ACT_NONE, "b.conv1");
	check_fused(&t.net, p, "b.bn1", NULL, NULL, ET_ACT_RELU, "b.relu1");
	check_fused(&t.net, p, "b.conv2", NULL, NULL, ET_ACT_NONE, "b.conv2");
	check_fused(&t.net, p, "b.bn2", NULL, NULL, ET_ACT_NONE, "b.bn2");
	ck_assert_int_eq(skipped(&t.net, p), 1);
	net_close(&t);

	/* The convolutions alone train: constants are fused, ReLU stays for its bits. */
	setup.trainable = "b.conv1,b.conv2,fc";
	net_open(&t, &ctx, net_text(3, 4, 4, 2, block), &setup);
	p = t.net.train;
	check_fused(&t.net, p, "b.conv1", "b.bn1", NULL, ET_ACT_NONE, "b.bn1");
	check_fused(&t.net, p, "b.conv2", "b.bn2", "c0", ET_ACT_NONE, "b.add");
	ck_assert_int_eq(skipped(&t.net, p), 3);
	/* Inputs of both convolutions, of the classifier, and the bits of two ReLUs. */
	ck_assert_uint_eq(p->saved, 2 * map + 2 * 8 * sizeof(float) + 2 * (map / 32));
	net_close(&t);

	/* Nothing but the classifier trains: its input is all that is saved. */
	setup.trainable = "fc";
	net_open(&t, &ctx, net_text(3, 4, 4, 2, block), &setup);
	ck_assert_int_eq(skipped(&t.net, t.net.train), 5);
	ck_assert_uint_eq(t.net.train->saved, 2 * 8 * sizeof(float));
	ck_assert_uint_eq(t.net.train->live, 3 * map);
	net_close(&t);
}
END_TEST

/*
 * Batch norm in training: the convolutions gather its moments; what it and its ReLU make is not
 * kept for backward, and of its two readers' kinds, convolutions may read its input instead.
 */
START_TEST(made_again)
{
	struct et_ctx ctx = {.k = et_kern_select("generic"), .threads = 1};
	struct net_setup setup = {.batch = 2};
	struct net_case t;
	const size_t map = 2 * 4 * 4 * 8 * sizeof(float), channels = 8 * sizeof(float);

	net_open(&t, &ctx, net_text(3, 4, 4, 2, block), &setup);
	const struct et_program *p = t.net.train;
	int bn1 = net_node(&t.net, "b.bn1")->index, bn2 = net_node(&t.net, "b.bn2")->index;
	int relu1 = net_node(&t.net, "b.relu1")->index, conv2 = net_node(&t.net, "b.conv2")->index;
	ck_assert_int_eq(fused_at(&t.net, p, "b.conv1")->moments, bn1);
	ck_assert_int_eq(fused_at(&t.net, p, "b.conv2")->moments, bn2);
	ck_assert_int_eq(fused_at(&t.net, p, "c0")->moments, -1);
	ck_assert(p->skip[relu1] && p->absorbed[relu1]);
	const struct et_lazy *y1 = &p->lazy[relu1 + 1], *y2 = &p->lazy[bn2 + 1];
	ck_assert_int_eq(y1->bn, bn1);
	bool reads_z = et_conv_takes_prologue(&t.net.nodes[conv2].u.conv.g);
	ck_assert_int_eq(y1->written, !reads_z);
	ck_assert_int_eq(y1->again, reads_z ? -1 : conv2);
	/* A sum reads it as it is, and not again. */
	ck_assert_int_eq(y2->bn, bn2);
	ck_assert(y2->written && y2->again < 0);
	/* The inputs of the convolutions and batch norms but for y1; statistics; bits; fc's input.
	 */
	ck_assert_uint_eq(p->saved, 3 * map + 2 * 11 * channels + map / 32 + 2 * channels);
	net_close(&t);

	/* Of two layers that read it again, the first in backward has it made, the last lets go. */
	static const char twice[] =
		"{'name':'c0','type':'conv2d','out_channels':8,'kernel_size':3,'padding':1},"
		"{'name':'bn','type':'batchnorm2d'},{'name':'h','type':'hardswish'},"
		"{'name':'m','type':'mul','inputs':['bn','h']},"
		"{'name':'gap','type':'global_avgpool2d'},"
		"{'name':'fc','type':'linear','out_features':2}";
	net_open(&t, &ctx, net_text(3, 4, 4, 2, twice), &setup);
	p = t.net.train;
	const struct et_lazy *y = &p->lazy[net_node(&t.net, "bn")->index + 1];
	int m = net_node(&t.net, "m")->index, h = net_node(&t.net, "h")->index;
	ck_assert(y->written && y->again == m && y->until == h);
	ck_assert_int_eq(p->slots[y->slot].begin, 2 * t.net.n - m);
	ck_assert_int_eq(p->slots[y->slot].end, 2 * t.net.n - h);
	net_close(&t);
}
END_TEST

/*
 * Backward of an inverted residual: convolutions of 1x1 and depthwise ones take the batch norm
 * behind them into their walk and sum up for the one before them; one without a gradient to pass on
 * does neither.
 */
START_TEST(beside_norm)
{
	struct et_ctx ctx = {.k = et_kern_select("generic"), .threads = 1};
	struct net_setup setup = {.batch = 2};
	struct net_case t;
	static const char text[] =
		"{'name':'c0','type':'conv2d','out_channels':8,'kernel_size':1,'bias':false},"
		"{'name':'b0','type':'batchnorm2d'},{'type':'relu6'},"
		"{'name':'c1','type':'conv2d','out_channels':16,'kernel_size':1,'bias':false},"
		"{'name':'b1','type':'batchnorm2d'},{'type':'relu6'},"
		"{'name':'d','type':'conv2d','out_channels':16,'kernel_size':3,'padding':1,"
		"'groups':16,'bias':false},"
		"{'name':'b2','type':'batchnorm2d'},{'name':'r','type':'relu6'},"
		"{'name':'c2','type':'conv2d','out_channels':8,'kernel_size':1,'bias':false},"
		"{'name':'b3','type':'batchnorm2d'},"
		"{'name':'c3','type':'conv2d','out_channels':8,'kernel_size':1},"
		"{'name':'b4','type':'batchnorm2d'},"
		"{'name':'gap','type':'global_avgpool2d'},"
		"{'name':'fc','type':'linear','out_features':2}";
	static const struct {
		const char *name, *through, *sums;
	} want[] = {
		{"c0", NULL, NULL}, {"c1", "b1", "b0"}, {"d", "b2", "b1"},
		{"c2", "b3", "b2"}, {"c3", NULL, NULL},
	};
	net_open(&t, &ctx, net_text(3, 4, 4, 2, text), &setup);
	const struct et_program *p = t.net.train;
	for (size_t i = 0; i < ET_COUNT(want); i++) {
		const struct et_fused *f = fused_at(&t.net, p, want[i].name);
		int through = want[i].through ? net_node(&t.net, want[i].through)->index : -1;
		int sums = want[i].sums ? net_node(&t.net, want[i].sums)->index : -1;
		ck_assert_msg(f->through == through && f->sums == sums, "%s: %d %d", want[i].name,
			      f->through, f->sums);
	}
	ck_assert(fused_at(&t.net, p, "b1")->left && !fused_at(&t.net, p, "b0")->left);
	ck_assert(fused_at(&t.net, p, "b2")->summed && !fused_at(&t.net, p, "b4")->summed);
	/* dy of the one and the input of batch norm are there until the convolution's backward. */
	int c2 = net_node(&t.net, "c2")->index, b3 = net_node(&t.net, "b3")->index;
	ck_assert_int_ge(p->slots[p->g[b3 + 1]].end, 2 * t.net.n - c2);
	ck_assert_int_ge(p->slots[p->y[c2 + 1]].end, 2 * t.net.n - c2);
	ck_assert_int_ge(p->slots[p->save[b3]].end, 2 * t.net.n - c2);
	net_close(&t);

	/* Who wants to see the gradients gets them. */
	setup.probes = true;
	net_open(&t, &ctx, net_text(3, 4, 4, 2, text), &setup);
	ck_assert_int_eq(fused_at(&t.net, t.net.train, "c2")->through, -1);
	net_close(&t);
}
END_TEST

/* ---- plans of random nets -------------------------------------------------------------------- */

struct result {
	double loss;
	float *logits, *eval, *dx;
	float **grad, **value; /* by parameter */
};

static float *copy(const float *x, size_t n)
{
	float *y = x ? num_alloc(n, sizeof(float)) : NULL;
	if (x)
		memcpy(y, x, n * sizeof(float));
	return y;
}

static void check_memory(const struct et_net *net)
{
	ck_assert_msg(!net->work.failed && net->work.used == 0 && net->work.peak <= net->work.size,
		      "%s: %zu of %zu bytes of work, %zu kept", num_label_text(), net->work.peak,
		      net->work.size, net->work.used);
}

/* Evaluation, one step, evaluation again, of n images. */
static struct result run(struct net_case *t, const float *x, int n, const int32_t *label)
{
	struct et_net *net = &t->net;
	struct et_pass eval = {.x = x, .n = n};
	size_t logits = (size_t)n * (size_t)net->classes;
	struct result out = {0};

	et_net_forward(net, &eval);
	out.loss = net_step(net, x, n, label, 3);
	out.dx = copy(et_net_input_grad(net), (size_t)n * et_shape_count(net->input));
	out.grad = num_alloc((size_t)net->n_params, sizeof(float *));
	out.value = num_alloc((size_t)net->n_params, sizeof(float *));
	for (int i = 0; i < net->n_params; i++) {
		const struct et_param *p = &net->params[i];
		out.grad[i] = copy(p->grad, p->count);
		out.value[i] = copy(p->value, p->count);
	}
	struct et_pass train = {.x = x, .n = n, .training = true, .seed = 7, .step = 3};
	out.logits = copy(et_net_forward(net, &train), logits);
	out.eval = copy(et_net_forward(net, &eval), logits);
	check_memory(net);
	return out;
}

/* most 0: the same bits. Else off by at most that share of the largest, or of the scale given. */
static void same(const char *what, const float *got, const float *want, size_t n, double most,
		 double scale)
{
	if (!got && !want)
		return;
	ck_assert_msg(got && want, "%s: %s only once", num_label_text(), what);
	if (most == 0) {
		num_check_bits(what, got, want, n * sizeof(float));
		return;
	}
	for (size_t i = 0; i < n; i++)
		scale = fmax(scale, fabs((double)want[i]));
	for (size_t i = 0; i < n; i++) {
		double off = fabs((double)got[i] - (double)want[i]);
		ck_assert_msg(off <= most * scale, "%s: %s[%zu] is off by %.3g of %.3g",
			      num_label_text(), what, i, off, scale);
	}
}

static void compare(const struct et_net *net, int n, const struct result *got,
		    const struct result *want, double most)
{
	size_t logits = (size_t)n * (size_t)net->classes;
	size_t input = (size_t)n * et_shape_count(net->input);
	double scale = 0;

	same("logits", got->logits, want->logits, logits, most, 0);
	same("evaluation", got->eval, want->eval, logits, most, 0);
	ck_assert_msg(isfinite(want->loss) && fabs(got->loss - want->loss) <= most * want->loss,
		      "%s: loss %.9g, not %.9g", num_label_text(), got->loss, want->loss);
	for (int i = 0; i < net->n_params; i++) {
		const struct et_param *p = &net->params[i];
		same(p->name, got->value[i], want->value[i], p->count, most, 0);
		for (size_t k = 0; want->grad[i] && k < p->count; k++)
			scale = fmax(scale, fabs((double)want->grad[i][k]));
	}
	for (size_t k = 0; want->dx && k < input; k++)
		scale = fmax(scale, fabs((double)want->dx[k]));
	/* Some gradients are rounding and nothing else, such as a bias' in front of a batch norm.
	 */
	same("dx", got->dx, want->dx, input, most, scale / 10);
	for (int i = 0; i < net->n_params; i++)
		same(net->params[i].name, got->grad[i], want->grad[i], net->params[i].count, most,
		     scale / 10);
}

static void check_net(uint32_t seed, const struct et_ctx *ctx)
{
	struct et_rng r = num_rng(41, seed);
	struct random_net net = random_net(&r, false);
	struct net_setup setup = {.trainable = net.trainable,
				  .last = net.last,
				  .frozen_bn = num_int(&r, 0, 1),
				  .input_grad = num_int(&r, 0, 3) == 0,
				  .batch = num_int(&r, 3, 6),
				  .unchunked = true};
	int n = num_int(&r, 0, 1) ? setup.batch : num_int(&r, 3, setup.batch);
	struct net_case plan, unshared, unfused, chunked;

	setup.eval_batch = setup.batch;
	num_label("net %u, %s: %.150s", seed, ctx->k->name, net.text);
	net_open(&plan, ctx, net.text, &setup);
	check_slots(plan.net.train->slots, plan.net.train->n_slots, plan.net.train->live);
	check_slots(plan.net.eval->slots, plan.net.eval->n_slots, plan.net.eval->live);
	setup.chunk_growth = num_int(&r, 1, 6);
	setup.unchunked = false;
	net_open(&chunked, ctx, net.text, &setup);
	check_slots(chunked.net.train->slots, chunked.net.train->n_slots, chunked.net.train->live);
	check_slots(chunked.net.eval->slots, chunked.net.eval->n_slots, chunked.net.eval->live);
	setup.unchunked = true;
	setup.unshared = true;
	net_open(&unshared, ctx, net.text, &setup);
	setup.unfused = true;
	net_open(&unfused, ctx, net.text, &setup);
	ck_assert_uint_le(plan.net.train->live, unshared.net.train->live);

	float *x = num_normal(&r, (size_t)setup.batch * et_shape_count(plan.net.input));
	int32_t *label = net_labels(&plan.net, &r, n);
	struct result a = run(&plan, x, n, label), b = run(&unshared, x, n, label),
		      c = run(&unfused, x, n, label), d = run(&chunked, x, n, label);
	compare(&plan.net, n, &a, &b, 0);
	compare(&plan.net, n, &a, &c, 1e-3);
	compare(&plan.net, n, &d, &a, 0);
	num_check_guards();
	net_close(&plan);
	net_close(&chunked);
	net_close(&unshared);
	net_close(&unfused);
}

START_TEST(random_plans)
{
	struct et_ctx ctx = {.k = NULL, .threads = 1};
	size_t isas = 0;
	while (et_kern_at(isas))
		isas++;
	for (int i = 0; i < PER_RUN; i++) {
		ctx.k = et_kern_at((size_t)i % isas);
		check_net((uint32_t)(_i * PER_RUN + i), &ctx);
	}
}
END_TEST

/* ---- the slope of the loss, last in order of trust ------------------------------------------- */

static double loss_at(struct et_net *net, const float *x, int n, const int32_t *label,
		      float *const *from, float *const *along, float step)
{
	struct et_pass pass = {.x = x, .n = n, .training = true, .seed = 7, .step = 3};
	struct et_loss_sum sum = {0};

	for (int i = 0; i < net->n_params; i++)
		for (size_t k = 0; net->params[i].train && k < net->params[i].count; k++)
			net->params[i].value[k] = from[i][k] + step * along[i][k];
	et_net_forward(net, &pass);
	et_net_loss(net, &pass, label, n, false, &sum);
	return sum.loss;
}

/* Along a random direction in all that trains: gradient times direction, and a difference. */
START_TEST(slope)
{
	struct et_ctx ctx = {.k = et_kern_select(NULL), .threads = 1};
	for (uint32_t i = 0; i < 20; i++) {
		struct et_rng r = num_rng(42, (uint32_t)_i * 20 + i);
		struct random_net net = random_net(&r, true);
		struct net_setup setup = {.trainable = net.trainable,
					  .last = net.last,
					  .frozen_bn = num_int(&r, 0, 1),
					  .batch = 8};
		struct net_case t;
		float *from[200], *along[200];
		double want = 0, most = 0;

		num_label("net %u: %.150s", i, net.text);
		net_open(&t, &ctx, net.text, &setup);
		ck_assert_int_le(t.net.n_params, 200);
		float *x = num_normal(&r, 8 * et_shape_count(t.net.input));
		int32_t *label = net_labels(&t.net, &r, 8);
		net_step(&t.net, x, 8, label, 3);
		for (int p = 0; p < t.net.n_params; p++) {
			const struct et_param *q = &t.net.params[p];
			from[p] = copy(q->value, q->count);
			along[p] = num_normal(&r, q->count);
			for (size_t k = 0; q->train && k < q->count; k++) {
				want += (double)q->grad[k] * (double)along[p][k];
				most += fabs((double)q->grad[k]);
			}
		}
		double step = 2e-3;
		double up = loss_at(&t.net, x, 8, label, from, along, (float)step),
		       down = loss_at(&t.net, x, 8, label, from, along, (float)-step);
		double got = (up - down) / (2 * step);
		ck_assert_msg(fabs(got - want) <= 5e-3 * most + 2e-4,
			      "%s: slope %.6g, gradient says %.6g (%.3g in all)", num_label_text(),
			      got, want, most);
		net_close(&t);
	}
}
END_TEST

Suite *suite_program(void);
Suite *suite_program(void)
{
	Suite *s = suite_create("program");
	TCase *tc = num_tcase("slots");
	tcase_add_test(tc, slots_by_hand);
	tcase_add_test(tc, slots_random);
	tcase_add_test(tc, fusion);
	tcase_add_test(tc, logits_overwritten);
	tcase_add_test(tc, made_again);
	tcase_add_test(tc, beside_norm);
	suite_add_tcase(s, tc);
	tc = num_tcase("random");
	tcase_add_loop_test(tc, random_plans, 0, NETS / PER_RUN);
	tcase_add_loop_test(tc, slope, 0, 5);
	suite_add_tcase(s, tc);
	return s;
}

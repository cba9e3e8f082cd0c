/*
 * Efficient-Grad and the sign-symmetric family: their pieces against the oracle, what they must
 * leave to the bit, and whole nets.
 */
#include <stdio.h>
#include <string.h>

#include "conv_case.h"
#include "mode/signs.h"
#include "mode/techniques.h"
#include "net_case.h"
#include "ref_hand.h"
#include "ref_mode.h"
#include "test_net.h"

static struct et_ctx context(int isa, int threads)
{
	return (struct et_ctx){et_kern_at((size_t)isa), threads, NULL};
}

/* Work enough for anything here. */
static struct et_arena arena(void)
{
	struct et_arena a;
	struct et_err err;
	ck_assert_int_eq(et_arena_open(&a, (size_t)16 << 20, &err), ET_OK);
	return a;
}

/* ---- theta ----------------------------------------------------------------------------------- */

START_TEST(theta)
{
	const double p[] = {0.5, 0.7, 0.9, 0.95, 0.99};
	const double known[] = {0.6744898, 1.0364334, 1.6448536, 1.9599640, 2.5758293};

	for (size_t i = 0; i < ET_COUNT(p); i++)
		ck_assert_double_le(fabs(et_prune_theta(p[i]) - known[i]), 1e-7);
	for (double q = 1e-6; q < 1; q += 0.0137)
		ck_assert_double_le(fabs(et_prune_theta(q) / ref_prune_theta(q) - 1), 1e-9);
	ck_assert_double_le(fabs(et_prune_theta(0.999999) - ref_prune_theta(0.999999)), 1e-9);
	ck_assert(et_prune_theta(0) == 0);
}
END_TEST

/* ---- pruning --------------------------------------------------------------------------------- */

struct prune {
	double p;
	uint64_t seed, step;
	int layer;
	size_t first, n;
	float *before, *dy;
	float tau;
};

static void run_prune(void *arg, const struct et_ctx *x, struct et_arena *work)
{
	struct prune *t = arg;
	t->tau = et_prune(x, et_prune_theta(t->p), t->seed, t->step, t->layer, t->first, t->n,
			  num_at(work, t->dy), work);
}

/* What the layer draws for its gradient of a step. */
static float *draws(const struct prune *t)
{
	struct et_rng r = et_rng_open(t->seed, ET_STREAM_MODE, t->step, (uint32_t)t->layer);
	const uint32_t key[] = {et_rng_u32(&r), et_rng_u32(&r)};
	float *u = num_floats(t->n);
	et_kern_select("generic")->noise(t->n, key, (uint32_t)t->first, u);
	return u;
}

static void check_prune(void *arg)
{
	const struct prune *t = arg;
	struct ref want = num_ref(t->n);
	bool *close = num_alloc(t->n, sizeof(bool));
	double tau = ref_prune(t->n, t->p, num_double(t->before, t->n), num_double(draws(t), t->n),
			       &want, close);

	ck_assert_double_le(fabs((double)t->tau - tau), 2e-6 * tau);
	for (size_t i = 0; i < t->n; i++) {
		bool rounded = fabs((double)t->before[i]) < tau;
		if (close[i]) /* either will do */
			ck_assert(t->dy[i] == 0 || t->dy[i] == t->before[i] ||
				  fabsf(t->dy[i]) == t->tau);
		else
			ck_assert_msg(fabs((double)t->dy[i] - want.v[i]) <=
					      (rounded ? 2e-6 * tau : 0),
				      "%s: element %zu is %g, expected %g", num_label_text(), i,
				      (double)t->dy[i], want.v[i]);
	}
}

static void prune_run(struct prune *t)
{
	num_label("P %g of %zu from %zu", t->p, t->n, t->first);
	num_run(run_prune, check_prune, t,
		&(struct num_out){t->dy, t->n * sizeof(float), t->before}, 1);
}

START_TEST(prune)
{
	const double p[] = {0.5, 0.9, 0.99, 0.1};
	const size_t n[] = {1, 5, 1023, 8192, 8200, 20000, 50000};
	const size_t first[] = {0, 3, 8191, (size_t)UINT32_MAX - 6};
	struct et_rng r = num_rng(80, 0);

	for (size_t i = 0; i < ET_COUNT(n); i++) {
		struct prune t = {.p = p[i % ET_COUNT(p)],
				  .seed = 11,
				  .step = 5,
				  .layer = 3,
				  .first = first[i % ET_COUNT(first)],
				  .n = n[i],
				  .before = num_normal(&r, n[i]),
				  .dy = num_floats(n[i])};
		prune_run(&t);
	}
}
END_TEST

/* Bits stay where P is 0, and where the mean is no number, which must go on to be seen. */
START_TEST(prune_nothing)
{
	const struct {
		double p;
		float odd;
	} with[] = {{0, 0}, {0, NAN}, {0.9, NAN}, {0.9, INFINITY}, {0.5, -INFINITY}};
	struct et_rng r = num_rng(81, 0);
	struct et_arena work = arena();

	for (size_t i = 0; i < ET_COUNT(with); i++)
		for (int isa = 0; et_kern_at((size_t)isa); isa++) {
			struct et_ctx x = context(isa, 2);
			float *dy = num_normal(&r, 20000), *want = num_floats(20000);
			dy[7] = -0.0f;
			dy[12345] = with[i].odd;
			memcpy(want, dy, 20000 * sizeof(float));
			et_prune(&x, et_prune_theta(with[i].p), 1, 2, 3, 0, 20000, dy, &work);
			num_label("P %g, %g among them", with[i].p, (double)with[i].odd);
			num_check_bits("dy", dy, want, 20000 * sizeof(float));
		}
	float zero[100] = {0};
	struct et_ctx x = context(0, 1);
	ck_assert(et_prune(&x, 1.5, 1, 2, 3, 0, 100, zero, &work) == 0 && zero[50] == 0);
	et_arena_close(&work);
}
END_TEST

/* Over many steps each element's mean is what it was: within 4 standard errors of it. */
START_TEST(prune_unbiased)
{
	enum { N = 40, STEPS = 4000 };
	struct et_rng r = num_rng(82, 0);
	struct et_ctx x = context(0, 1);
	struct et_arena work = arena();
	float *d = num_normal(&r, N), dy[N];
	double sum[N] = {0}, all = 0, tau = 0;

	d[0] *= 1e-3f;
	for (uint64_t step = 0; step < STEPS; step++) {
		memcpy(dy, d, sizeof(dy));
		tau = (double)et_prune(&x, et_prune_theta(0.8), 1, step, 2, 0, N, dy, &work);
		for (int i = 0; i < N; i++)
			sum[i] += (double)dy[i];
	}
	for (int i = 0; i < N; i++) {
		double v = fabs((double)d[i]), off = sum[i] / STEPS - (double)d[i];
		if (v >= tau) {
			ck_assert_double_le(fabs(off), 1e-9);
			continue;
		}
		double z = off / sqrt(v * (tau - v) / STEPS);
		ck_assert_msg(fabs(z) <= 4, "element %d: %g, off by %g errors", i, v, z);
		all += z * z - 1;
	}
	ck_assert_double_le(fabs(all), 4 * sqrt(2 * N));
	et_arena_close(&work);
}
END_TEST

static float *pruned(struct prune t)
{
	struct et_ctx x = context(0, 2);
	struct et_arena work = arena();
	t.dy = num_floats(t.n);
	for (size_t i = 0; i < t.n; i++)
		t.dy[i] = 1;
	run_prune(&t, &x, &work);
	et_arena_close(&work);
	return t.dy;
}

/* Another seed, step or layer is another draw; the number of an element is that in the batch. */
START_TEST(prune_streams)
{
	enum { N = 10000 };
	const struct prune base = {.p = 0.9, .seed = 1, .step = 2, .layer = 3, .n = N};
	float *want = pruned(base); /* ones, and tau is 1.64: 39 % of them are zero then */

	for (int which = 0; which < 4; which++) {
		struct prune t = base;
		size_t same = 0;
		t.seed += which == 1;
		t.step += which == 2;
		t.layer += which == 3;
		float *got = pruned(t);
		for (size_t i = 0; i < N; i++)
			same += (got[i] == 0) == (want[i] == 0);
		/* Independent ones agree in 52 %. */
		ck_assert(which == 0 ? same == N : same > 5000 && same < 5450);
	}
	struct prune part = base;
	part.first = 8000;
	part.n = N - 8000;
	num_check_bits("part", pruned(part), want + 8000, part.n * sizeof(float));
}
END_TEST

/* ---- what stands for w ----------------------------------------------------------------------- */

static const struct et_mode *const family[] = {&et_mode_signsym, &et_mode_signsym_frozen,
					       &et_mode_feedback, &et_mode_efficientgrad};

struct fill {
	const struct et_mode *mode;
	struct et_layer layer;
	double opt[ET_MODE_KEYS];
	bool match;
	size_t n;
	float *w, *b;
	uint64_t step;
};

static void run_fill(void *arg, const struct et_ctx *x, struct et_arena *work)
{
	const struct fill *t = arg;
	struct et_call c = {.x = x,
			    .layer = &t->layer,
			    .opt = t->opt,
			    .n = 1,
			    .seed = 99,
			    .step = t->step,
			    .work = work};
	t->mode->weight_dx(&c, num_at(work, t->w), num_at(work, t->b));
}

/* Weight i's number is the i-th of the layer's stream: U(-b,b) and its absolute value. */
static double *drawn(const struct fill *t, int fan_in)
{
	struct et_rng r = et_rng_open(99, ET_STREAM_MODE, UINT64_MAX, (uint32_t)t->layer.index);
	double *m = num_alloc(t->n, sizeof(double));
	for (size_t i = 0; i < t->n; i++)
		m[i] = ref_sign_bound(fan_in) * (2 * (double)et_rng_unit(&r) - 1);
	return m;
}

static double rms(size_t n, const double *v)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += v[i] * v[i];
	return sqrt(sum / (double)n);
}

static void check_fill(void *arg)
{
	const struct fill *t = arg;
	const struct et_conv *g = &t->layer.g;
	struct ref_conv o = {.c = g->c, .groups = g->groups, .kh = g->kh, .kw = g->kw};
	int fan_in = ref_fan_in(&o);
	double *w = num_double(t->w, t->n), *m = drawn(t, fan_in), scale = 1;
	struct ref want = num_ref(t->n);

	if (t->mode == &et_mode_feedback) {
		scale = t->match ? rms(t->n, w) / rms(t->n, m) : 1;
		for (size_t i = 0; i < t->n; i++)
			ref_term(&want, i, m[i]);
	} else {
		for (size_t i = 0; i < t->n; i++)
			m[i] = t->mode == &et_mode_signsym ? sqrt(2.0 / fan_in) : fabs(m[i]);
		ref_signs(t->n, fan_in, w, m, &want);
		scale = t->match ? ref_match_w(t->n, w, m) : 1;
	}
	for (size_t i = 0; i < t->n; i++) {
		want.v[i] *= scale;
		want.mag[i] *= scale;
	}
	num_check("b", t->b, &want, 16);
	if (t->match)
		ck_assert_double_le(fabs(rms(t->n, num_double(t->b, t->n)) / rms(t->n, w) - 1),
				    1e-5);
}

static void fill_run(struct fill *t)
{
	const struct {
		enum et_signs_scale scale;
		bool unscaled, match;
	} with[] = {{ET_SCALE_HE, true, false},
		    {ET_SCALE_MATCH, false, true},
		    {ET_SCALE_AUTO, false, false},
		    {ET_SCALE_AUTO, true, true}};

	for (size_t i = 0; i < ET_COUNT(with); i++) {
		t->opt[0] = t->mode == &et_mode_efficientgrad ? 0.9 : with[i].scale;
		t->opt[1] = with[i].scale;
		t->layer.unscaled = with[i].unscaled;
		t->match = with[i].match;
		num_label("%s, %zu weights, scaling %zu", t->mode->name, t->n, i);
		num_run(run_fill, check_fill, t,
			&(struct num_out){t->b, t->n * sizeof(float), NULL}, 1);
	}
}

START_TEST(fill)
{
	struct et_rng r = num_rng(83, (uint32_t)_i);
	struct fill t = {.layer = {.name = "a", .index = _i, .g = conv_shape(_i, &r)}};

	t.n = et_conv_weights(&t.layer.g);
	t.w = num_normal(&r, t.n);
	t.b = num_floats(t.n);
	for (size_t i = 3; i < t.n; i += 7)
		t.w[i] = i % 2 ? 0.0f : -0.0f;
	for (size_t i = 0; i < ET_COUNT(family); i++) {
		t.mode = family[i];
		fill_run(&t);
	}
}
END_TEST

/* M is the same in every step, and another for every layer; where all is 0, nothing is made of it.
 */
START_TEST(fill_streams)
{
	struct et_rng r = num_rng(84, 0);
	struct fill t = {.layer = {.name = "a",
				   .index = 1,
				   .unscaled = true,
				   .g = {.c = 10, .k = 50, .kh = 1, .kw = 1, .groups = 1}},
			 .n = 500,
			 .w = num_normal(&r, 500)};
	struct et_ctx x = context(0, 1);
	struct et_arena work = arena();
	float first[500], zero[500] = {0}, *w = t.w;

	t.opt[0] = 0.5; /* P; and auto */
	for (size_t i = 0; i < ET_COUNT(family); i++) {
		t.mode = family[i];
		t.opt[0] = i == 3 ? 0.5 : 0;
		t.layer.index = 1;
		t.step = 0;
		t.b = first;
		run_fill(&t, &x, &work);
		t.b = num_floats(500);
		t.step = 1000;
		run_fill(&t, &x, &work);
		num_check_bits("b of another step", t.b, first, sizeof(first));
		t.layer.index = 2;
		run_fill(&t, &x, &work);
		ck_assert((memcmp(t.b, first, sizeof(first)) == 0) == (i == 0));
		t.w = zero;
		run_fill(&t, &x, &work);
		for (size_t j = 0; j < 500; j++)
			ck_assert(t.b[j] == 0);
		t.w = w;
		float keep = w[77];
		w[77] = NAN;
		run_fill(&t, &x, &work);
		ck_assert(isnan(t.b[77]));
		w[77] = keep;
	}
	et_arena_close(&work);
}
END_TEST

/* ---- both products --------------------------------------------------------------------------- */

START_TEST(conv_hand)
{
	const float x[] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, w[] = {1, -2, 0.5f, -1};
	const float dy[] = {1, 0, -1, 2}, m[] = {0.3f, 0.2f, 0.7f, 0.1f};
	const double want[] = {.3, -.2, 0, .4, .7, -.4, -.7, 1.5, -.2};
	struct et_conv g = {.h = 3,
			    .w = 3,
			    .c = 1,
			    .k = 1,
			    .kh = 2,
			    .kw = 2,
			    .sh = 1,
			    .sw = 1,
			    .dh = 1,
			    .dw = 1,
			    .groups = 1};
	float b[4], dx[9], dw[4] = {0};
	struct et_arena work = arena();
	struct et_ctx ctx = context(_i, 1);

	ck_assert_int_eq(et_conv_shape(&g, NULL), ET_OK);
	et_signs_put(&ctx, 4, m, w, b);
	et_conv_weight(&ctx, &g, 1, x, dy, dw, &work);
	et_conv_data(&ctx, &g, 1, dy, b, dx, &work);
	ck_assert(dw[0] == 7 && dw[1] == 9 && dw[2] == 13 && dw[3] == 15);
	for (int i = 0; i < 9; i++)
		ck_assert_double_le(fabs((double)dx[i] - want[i]), 1e-6);
	et_arena_close(&work);
}
END_TEST

/* P = 0 and M = |w| are exact back-propagation, bit for bit, in all sorts of layers. */
START_TEST(identity)
{
	struct et_rng r = num_rng(85, (uint32_t)_i);
	struct et_conv g = conv_shape(_i, &r);
	struct conv_case t = conv_random(&g, 3, &r);
	struct num_sizes s = conv_sizes(&t);
	float *dy = num_floats(s.y), *m = num_floats(s.w), *b = num_floats(s.w);
	float *dx = num_floats(s.x), *dw = num_floats(s.w);

	t.w[s.w / 2] = -0.0f;
	for (int isa = 0; et_kern_at((size_t)isa); isa++) {
		struct et_ctx x = context(isa, 2);
		struct et_arena work = arena();
		memcpy(t.dw, t.dw0, s.w * sizeof(float));
		memcpy(dw, t.dw0, s.w * sizeof(float));
		et_conv_weight(&x, &g, t.n, t.x, t.dy, t.dw, &work);
		et_conv_data(&x, &g, t.n, t.dy, t.w, t.dx, &work);

		memcpy(dy, t.dy, s.y * sizeof(float));
		for (size_t i = 0; i < s.w; i++)
			m[i] = fabsf(t.w[i]);
		et_prune(&x, et_prune_theta(0), 1, 2, 3, 0, s.y, dy, &work);
		et_signs_put(&x, s.w, m, t.w, b);
		et_signs_match(&x, s.w, t.w, b, &work);
		et_conv_weight(&x, &g, t.n, t.x, dy, dw, &work);
		et_conv_data(&x, &g, t.n, dy, b, dx, &work);
		conv_label(&t, "identity");
		num_check_bits("b", b, t.w, s.w * sizeof(float));
		num_check_bits("dw", dw, t.dw, s.w * sizeof(float));
		num_check_bits("dx", dx, t.dx, s.x * sizeof(float));
		ck_assert(!work.failed);
		et_arena_close(&work);
	}
}
END_TEST

/* ---- layers and nets ------------------------------------------------------------------------- */

START_TEST(accepts)
{
	const double opt[ET_MODE_KEYS] = {0};
	struct et_err err;

	for (size_t i = 0; i < ET_COUNT(family); i++)
		for (int which = 0; which < 8; which++) {
			struct et_layer l = {.name = "fc",
					     .last = which & 1,
					     .named = which & 2,
					     .linear = which & 4};
			bool refused = l.last && !l.named;
			int status = family[i]->accepts(&l, opt, &err);
			ck_assert_int_eq(status, refused ? ET_EUSAGE : ET_OK);
			ck_assert(!refused || strstr(err.text, "fc is the classifier"));
		}
}
END_TEST

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
		for (int threads = 1; threads <= 3; threads++) {
			struct et_ctx one = context(isa, 1), ctx = context(isa, threads);
			struct net_setup setup = {.batch = BATCH, .mode = recipes[_i]};
			struct trial want = trial(net_layers, &one, &setup);
			setup.unshared = threads != 2;
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

Suite *suite_symmetry(void);
Suite *suite_symmetry(void)
{
	Suite *s = suite_create("symmetry");
	TCase *pieces = num_tcase("pieces"), *nets = num_tcase("nets");
	int isas = 0;

	while (et_kern_at((size_t)isas))
		isas++;
	suite_add_tcase(s, pieces);
	tcase_add_test(pieces, theta);
	tcase_add_test(pieces, prune);
	tcase_add_test(pieces, prune_nothing);
	tcase_add_test(pieces, prune_unbiased);
	tcase_add_test(pieces, prune_streams);
	tcase_add_loop_test(pieces, fill, 0, CONV_KINDS);
	tcase_add_test(pieces, fill_streams);
	tcase_add_loop_test(pieces, conv_hand, 0, isas);
	tcase_add_loop_test(pieces, identity, 0, CONV_KINDS);
	tcase_add_test(pieces, accepts);
	suite_add_tcase(s, nets);
	tcase_add_loop_test(nets, stays_exact, 0, ET_COUNT(recipes));
	tcase_add_loop_test(nets, same_bits, 0, ET_COUNT(recipes));
	tcase_add_test(nets, skip);
	tcase_add_loop_test(nets, steps, 0, ET_COUNT(recipes));
	tcase_add_test(nets, wired);
	return s;
}

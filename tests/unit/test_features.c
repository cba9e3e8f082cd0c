/*
 * Features of the frozen beginning of a net: with all of them at hand, some or none, a pass gives
 * the bits that it gives without.
 */
#include <string.h>

#include "net/program.h"
#include "net_random.h"

#define NETS   400
#define IMAGES 6

/* Gradients of everything that trains, and the logits, one after another. */
static size_t results(const struct et_net *net, const float *logits, int n, float *out)
{
	size_t at = 0, each = et_shape_count(net->nodes[net->n - 1].out);

	if (out)
		memcpy(out, logits, (size_t)n * each * sizeof(float));
	at += (size_t)n * each;
	for (int i = 0; i < net->n_params; i++) {
		const struct et_param *p = &net->params[i];
		if (!p->grad)
			continue;
		if (out)
			memcpy(out + at, p->grad, et_param_grads(p) * sizeof(float));
		at += et_param_grads(p);
	}
	return at;
}

/* One pass of all images, whose features are known where `known` says so. */
static void run(struct et_net *net, struct et_pass *pass, const int32_t *label, float *out)
{
	struct et_loss_sum sum = {0};
	float *logits = num_floats((size_t)pass->n * et_shape_count(net->nodes[net->n - 1].out));

	net_dirty(net);
	et_net_zero_grad(net);
	const float *y = et_net_forward(net, pass);
	memcpy(logits, y,
	       (size_t)pass->n * et_shape_count(net->nodes[net->n - 1].out) * sizeof(float));
	if (pass->training)
		et_net_loss(net, pass, label, et_loss_norm(&net->loss, (size_t)pass->n, label),
			    true, &sum);
	results(net, logits, pass->n, out);
}

/* The pictures whose features are not known, one after another between guards. */
static float *unknown_pictures(const struct et_net *net, const float *x, const bool *known)
{
	size_t each = et_shape_count(net->input), n = 0;

	for (int i = 0; i < IMAGES; i++)
		n += !known[i];
	float *out = num_floats(n * each);
	for (int i = 0, k = 0; i < IMAGES; i++)
		if (!known[i])
			memcpy(out + each * (size_t)k++, x + each * (size_t)i,
			       each * sizeof(float));
	return out;
}

/* The same pass with features that are known to none, some, others and all. */
static void check_pass(struct et_net *net, struct et_rng *r, bool training, const float *x,
		       const int32_t *label)
{
	size_t each = et_net_features(net, training), n = results(net, NULL, IMAGES, NULL);
	float *want = num_floats(n), *got = num_floats(n), *store = num_floats(IMAGES * each);
	struct et_pass pass = {.x = x, .n = IMAGES, .training = training, .seed = 5, .step = 2};
	float *feature[IMAGES];
	bool known[IMAGES] = {false}, there[IMAGES] = {false};

	run(net, &pass, label, want);
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < IMAGES; i++) {
			/* Now and then there is no room for one. */
			feature[i] = there[i] || num_int(r, 0, 4) ? store + (size_t)i * each : NULL;
			known[i] = there[i] && (round == 4 || num_int(r, 0, 1));
		}
		/* In the last round there may be no picture to look at. */
		bool all = round == 4 && !memchr(there, 0, sizeof(there));
		pass.x = all ? num_forbidden() : unknown_pictures(net, x, known);
		pass.feature = feature;
		pass.known = known;
		run(net, &pass, label, got);
		num_check_bits(training ? "training" : "evaluation", got, want, n * sizeof(float));
		for (int i = 0; i < IMAGES; i++)
			there[i] |= feature[i] != NULL;
		num_check_guards();
	}
}

static void check_net(uint32_t seed, int *kept)
{
	struct et_rng r = num_rng(52, seed);
	struct random_net random = random_net(&r, false);
	struct net_setup setup = {.trainable = random.trainable,
				  .last = random.last,
				  .frozen_bn = seed % 2,
				  .mode = random.last && seed % 3 == 0 ? "filter:2" : "exact",
				  .batch = IMAGES,
				  .eval_batch = IMAGES,
				  .unfused = seed % 5 == 0,
				  .chunk_growth = num_int(&r, 0, 3)};
	struct et_ctx ctx = {.k = et_kern_at(0), .threads = 1 + (int)seed % 3};
	struct net_case t;

	num_label("net %u", seed);
	net_open(&t, &ctx, random.text, &setup);
	float *x = num_normal(&r, IMAGES * et_shape_count(t.net.input));
	int32_t *label = net_labels(&t.net, &r, IMAGES);
	for (int training = 0; training < 2; training++)
		if (et_net_features(&t.net, training)) {
			check_pass(&t.net, &r, training, x, label);
			++*kept;
		}
	net_close(&t);
}

START_TEST(same_bits)
{
	int kept = 0;
	for (uint32_t seed = 0; seed < 20; seed++)
		check_net((uint32_t)_i * 20 + seed, &kept);
	ck_assert_int_gt(kept, 2);
}
END_TEST

/* conv -> relu -> [conv -> add(relu)] with the second convolution trained: one tensor is the cut.
 */
static const char two[] =
	"{'name':'a','type':'conv2d','out_channels':3,'kernel_size':3,'padding':1},"
	"{'name':'r','type':'relu'},"
	"{'name':'b','type':'conv2d','out_channels':3,'kernel_size':3,'padding':1},"
	"{'type':'add','inputs':['b','r']},"
	"{'type':'global_avgpool2d'},{'name':'fc','type':'linear','out_features':4}";

START_TEST(cut)
{
	struct et_ctx ctx = {.k = et_kern_at(0), .threads = 1};
	struct net_case t;
	struct net_setup setup = {.last = 1, .batch = 2, .eval_batch = 2};

	net_open(&t, &ctx, net_text(3, 6, 5, 4, two), &setup);
	ck_assert_uint_eq(et_net_features(&t.net, true), 6 * 5 * 3);
	ck_assert_uint_eq(et_net_features(&t.net, false), 6 * 5 * 3);
	ck_assert_int_eq(t.net.train->n_cut, 1);
	net_close(&t);
	/* Everything trains: nothing to keep. */
	setup.last = 2;
	net_open(&t, &ctx, net_text(3, 6, 5, 4, two), &setup);
	ck_assert_uint_eq(et_net_features(&t.net, true), 0);
	net_close(&t);
	/* The classifier alone: the pooled vector. */
	setup = (struct net_setup){.trainable = "fc", .batch = 2, .eval_batch = 2};
	net_open(&t, &ctx, net_text(3, 6, 5, 4, two), &setup);
	ck_assert_uint_eq(et_net_features(&t.net, true), 3);
	net_close(&t);
	/* Dropout is drawn anew in every step. */
	char *noisy = net_text(3, 6, 5, 4,
			       "{'name':'a','type':'conv2d','out_channels':3,'kernel_size':3},"
			       "{'type':'dropout'},{'type':'global_avgpool2d'},"
			       "{'name':'fc','type':'linear','out_features':4}");
	net_open(&t, &ctx, noisy, &setup);
	ck_assert_uint_eq(et_net_features(&t.net, true), 4 * 3 * 3);
	ck_assert_uint_eq(et_net_features(&t.net, false), 3);
	net_close(&t);
}
END_TEST

Suite *suite_features(void);
Suite *suite_features(void)
{
	Suite *s = suite_create("features");
	TCase *tc = num_tcase("features");

	suite_add_tcase(s, tc);
	tcase_add_test(tc, cut);
	tcase_add_loop_test(tc, same_bits, 0, NETS / 20);
	return s;
}

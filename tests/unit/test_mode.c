/*
 * What every gradient mode must hold, for whatever stands in the registry: to register a technique
 * is to have it tested here, in nets of all shapes of layers (mode_case.c), with settings from its
 * own table of keys.
 */
#include <stdio.h>
#include <string.h>

#include "alloc_count.h"
#include "mode_case.h"
#include "scratch.h"

/* All gradients and the optimizer apart. */
#define EXACT "exact+delta:off"

/* The largest batch here. */
#define BATCH 4

/* ---- loops ----------------------------------------------------------------------------------- */

struct trial {
	const struct et_mode *m;
	const struct mode_shape *shape;
	const char *recipe;
	struct et_ctx ctx;
	struct net_setup setup;
};

static size_t count_isas(void)
{
	size_t n = 0;
	while (et_kern_at(n))
		n++;
	return n;
}

/* fn for each shape and setting, under one instruction set after the other. */
static void each(size_t mode, void (*fn)(const struct trial *t))
{
	const struct et_mode *m = et_modes[mode];
	char *recipe[MODE_SETTINGS];
	size_t settings = mode_settings(m, recipe), isas = count_isas(), turn = mode;

	for (const struct mode_shape *s = mode_shapes; s->name; s++)
		for (size_t i = 0; i < settings; i++) {
			if (!mode_accepted(s, "", recipe[i], m))
				continue;
			struct trial t = {
				.m = m,
				.shape = s,
				.recipe = recipe[i],
				.ctx = {.k = et_kern_at(turn++ % isas), .threads = 1},
				.setup = {.batch = BATCH, .fuse_update = m->step != NULL}};
			num_label("%s on %s, %s", t.recipe, s->name, t.ctx.k->name);
			fn(&t);
		}
}

static struct mode_result train(const struct trial *t, const char *recipe, struct net_setup setup,
				int steps)
{
	struct mode_net n;
	mode_open(&n, &t->ctx, t->shape, recipe, setup);
	struct mode_result r = mode_steps(&n, 0, steps);
	mode_check_memory(&n.t.net);
	mode_close(&n);
	return r;
}

/* ---- who takes it ---------------------------------------------------------------------------- */

/* A technique says why where it does not work, and works somewhere. */
START_TEST(accepted)
{
	const struct et_mode *m = et_modes[_i];
	char *recipe[MODE_SETTINGS];
	size_t settings = mode_settings(m, recipe);

	ck_assert(m->name && *m->name && m->help && *m->help);
	for (size_t i = 0; i < settings; i++) {
		int taken = 0;
		for (const struct mode_shape *s = mode_shapes; s->name; s++)
			taken += mode_accepted(s, "", recipe[i], m);
		ck_assert_msg(taken, "%s is for no layer at all", recipe[i]);
	}
}
END_TEST

/* ---- identity -------------------------------------------------------------------------------- */

static const struct identity {
	const char *mode, *recipe, *shape; /* shape NULL: all that take it */
	double most;			   /* 0: the same bits */
	const char *because;		   /* there is none that a recipe can say */
} identities[] = {
	{"exact", "exact", NULL, 0, NULL},
	{"filter", "filter:1", "1x1", 1e-5, NULL},
	{"delta", "delta:on", NULL, 0, NULL},
	{"interleaved", "interleaved:always", NULL, 0, NULL},
	{"smd", "smd:0", NULL, 0, NULL},
	{"efficientgrad", NULL, NULL, 0,
	 "exact with P = 0 and the sizes of the weights, which no setting draws: test_symmetry.c"},
	{"signsym", NULL, NULL, 0, "sizes are constant: test_symmetry.c"},
	{"signsym-frozen", NULL, NULL, 0, "sizes are drawn: test_symmetry.c gives it those of w"},
	{"feedback", NULL, NULL, 0, "its weights are drawn and never become w"},
};

static const struct identity *identity_of(const struct et_mode *m)
{
	for (size_t i = 0; i < ET_COUNT(identities); i++)
		if (strcmp(identities[i].mode, m->name) == 0)
			return &identities[i];
	ck_abort_msg("%s: which setting equals exact? It needs a line in identities[]", m->name);
	return NULL;
}

START_TEST(identity)
{
	const struct et_mode *m = et_modes[_i];
	const struct identity *id = identity_of(m);
	int tried = 0;

	if (id->because)
		return;
	for (const struct mode_shape *s = mode_shapes; s->name; s++)
		for (size_t isa = 0; et_kern_at(isa); isa++) {
			struct trial t = {.shape = s, .ctx = {.k = et_kern_at(isa), .threads = 2}};
			struct net_setup setup = {.batch = BATCH};
			if (id->shape && strcmp(id->shape, s->name) != 0)
				continue;
			if (!mode_accepted(s, "", id->recipe, m))
				continue;
			num_label("%s on %s, %s", id->recipe, s->name, t.ctx.k->name);
			struct mode_result want = train(&t, EXACT, setup, 1);
			setup.fuse_update = m->step != NULL;
			struct mode_result got = train(&t, id->recipe, setup, 1);
			if (id->most > 0)
				mode_near(&got, &want, id->most);
			else
				mode_same(&got, &want);
			tried++;
		}
	ck_assert_int_gt(tried, 0);
}
END_TEST

/* ---- forward --------------------------------------------------------------------------------- */

static void check_forward(const struct trial *t)
{
	struct mode_result want = train(t, EXACT, (struct net_setup){.batch = BATCH}, 1);
	struct mode_result got = train(t, t->recipe, t->setup, 1);

	ck_assert_msg(isfinite(want.loss) && got.loss == want.loss, "%s: loss %.17g, not %.17g",
		      num_label_text(), got.loss, want.loss);
	num_check_bits("logits", got.logits, want.logits, BATCH * 5 * sizeof(float));
}

START_TEST(forward)
{
	each((size_t)_i, check_forward);
}
END_TEST

/* ---- memory and threads ---------------------------------------------------------------------- */

struct job {
	struct mode_net *n;
	struct et_pass pass;
	struct et_rule rule;
	const char *lost;
};

/* A step without the copies that mode_step() makes. */
static void bare_step(void *arg)
{
	struct job *j = arg;
	struct et_loss_sum sum = {0};
	double norm;

	et_net_zero_grad(&j->n->t.net);
	et_net_forward(&j->n->t.net, &j->pass);
	et_net_loss(&j->n->t.net, &j->pass, j->n->label, j->n->n, true, &sum);
	j->lost = et_net_update(&j->n->t.net, &j->n->train, 0.05, 0, &norm);
}

/* Two steps with 1, 2 and 3 threads, alone and in a team: the same bits, and nothing allocated. */
static void check_threads(const struct trial *t)
{
	struct mode_result want = {0};

	for (int i = 0; i < 4; i++) {
		struct et_ctx ctx = {.k = t->ctx.k, .threads = i < 3 ? i + 1 : 3};
		struct mode_net n;
		mode_open(&n, &ctx, t->shape, t->recipe, t->setup);
		struct job j = {.n = &n, .rule = {0.05f, 0.9f, 1e-3f}};
		j.pass = (struct et_pass){.x = n.x,
					  .n = n.n,
					  .training = true,
					  .seed = 7,
					  .rule = t->setup.fuse_update ? &j.rule : NULL};
		if (i < 3)
			bare_step(&j);
		else
			et_team_run(&n.t.net.ctx, bare_step, &j);
		net_dirty(&n.t.net);
		alloc_count_start();
		if (i < 3)
			bare_step(&j);
		else
			et_team_run(&n.t.net.ctx, bare_step, &j);
		long calls = alloc_count_stop();
		/* Without a team the OpenMP library makes one at every change of its size. */
		ck_assert_msg(!alloc_counts() || (i != 0 && i != 3) || calls == 0,
			      "%s, %d threads: %ld allocations", num_label_text(), ctx.threads,
			      calls);
		mode_check_memory(&n.t.net);
		ck_assert_ptr_null(j.lost);
		struct mode_result got = mode_step(&n, 1);
		if (i)
			mode_same(&got, &want);
		else
			want = got;
		mode_close(&n);
	}
}

START_TEST(threads)
{
	each((size_t)_i, check_threads);
}
END_TEST

/* No memory is shared by what is needed at one time: a plan that shares none gives the same. */
static void check_sharing(const struct trial *t)
{
	struct net_setup apart = t->setup;

	apart.unshared = true;
	struct mode_result got = train(t, t->recipe, t->setup, 2);
	struct mode_result want = train(t, t->recipe, apart, 2);
	mode_same(&got, &want);
}

START_TEST(sharing)
{
	each((size_t)_i, check_sharing);
}
END_TEST

/* ---- what is not wanted ---------------------------------------------------------------------- */

static void check_patterns(const struct trial *t)
{
	static const char *const some[] = {
		"stem,a,b,fc",
		"b,fc",
		"a,b,fc",
		"a.bias,b,fc",
		"a.weight,b.weight,fc.weight",
		"stem.bias,a.bias,b.weight,fc.bias",
		"stem.bias,a.weight,b.weight",
		"fc",
	};
	/* What is fused rounds otherwise. */
	struct net_setup setup = {.batch = BATCH,
				  .frozen_bn = true,
				  .input_grad = true,
				  .unfused = true,
				  .trainable = "stem,a,b,fc"};
	struct mode_result all = train(t, t->recipe, setup, 1);
	bool bias = strstr(t->shape->layers, "'bias':false") == NULL;

	setup.input_grad = false;
	for (size_t i = 0; i < ET_COUNT(some); i++) {
		struct mode_net n;
		setup.trainable = some[i];
		num_label("%s on %s, %s, only %s", t->recipe, t->shape->name, t->ctx.k->name,
			  some[i]);
		if (strstr(some[i], "bias") && !bias)
			continue;
		if (!mode_accepted(t->shape, some[i], t->recipe, t->m))
			continue;
		mode_open(&n, &t->ctx, t->shape, t->recipe, setup);
		struct mode_result got = mode_step(&n, 0);
		mode_same(&got, &all);
		mode_check_memory(&n.t.net);
		mode_close(&n);
	}
}

START_TEST(patterns)
{
	each((size_t)_i, check_patterns);
}
END_TEST

/* ---- resume ---------------------------------------------------------------------------------- */

static void save(const struct et_net *net, const char *name, bool moments)
{
	struct et_writer w;
	struct et_err err;

	ck_assert_int_eq(et_writer_open(&w, scratch_path(name), &err), ET_OK);
	ck_assert_int_eq(et_net_write(net, &w, moments, NULL, 0, &err), ET_OK);
	ck_assert_int_eq(et_writer_commit(&w, &err), ET_OK);
}

static void load(struct et_net *net, const char *name, bool moments)
{
	struct et_st st;
	struct et_err err;

	ck_assert_int_eq(et_st_open(&st, scratch_path(name), &err), ET_OK);
	int status = moments ? et_net_read_moments(net, &st, &err)
			     : et_net_read(net, &st, ET_READ_STRICT, 0, NULL, &err);
	ck_assert_msg(status == ET_OK, "%s", err.text);
	et_st_close(&st);
}

static void check_resume(const struct trial *t)
{
	struct mode_result want = train(t, t->recipe, t->setup, 6);
	struct mode_net n;

	mode_open(&n, &t->ctx, t->shape, t->recipe, t->setup);
	mode_steps(&n, 0, 3);
	save(&n.t.net, "model", false);
	save(&n.t.net, "state", true);
	mode_close(&n);
	mode_open(&n, &t->ctx, t->shape, t->recipe, t->setup);
	net_randomize(&n.t.net, 2);
	load(&n.t.net, "model", false);
	load(&n.t.net, "state", true);
	struct mode_result got = mode_steps(&n, 3, 3);
	mode_same(&got, &want);
	mode_close(&n);
}

START_TEST(resume)
{
	each((size_t)_i, check_resume);
}
END_TEST

/* ---- NaN ------------------------------------------------------------------------------------- */

static bool any_nan(const float *v, size_t n)
{
	for (size_t i = 0; v && i < n; i++)
		if (isnan(v[i]))
			return true;
	return false;
}

static bool shows(const struct mode_result *r, const char *name)
{
	for (int i = 0; i < r->params; i++) {
		const struct et_param *p = &r->param[i];
		if (strcmp(p->name, name) == 0)
			return p->grad ? any_nan(p->grad, et_param_grads(p))
				       : any_nan(p->value, p->count);
	}
	return false;
}

static void check_nan(const struct trial *t)
{
	for (int where = 0; where < 2; where++) {
		struct mode_net n;
		mode_open(&n, &t->ctx, t->shape, t->recipe, t->setup);
		if (where)
			net_param(&n.t.net, "a.weight")->value[3] = NAN;
		else
			n.x[0] = NAN;
		ck_assert_msg(isnan(mode_step(&n, 0).loss), "%s: loss of NaN", num_label_text());
		mode_close(&n);
	}
	/* In the gradient alone: it comes up behind the loss, and reaches every layer. */
	struct mode_net n;
	mode_open(&n, &t->ctx, t->shape, t->recipe, t->setup);
	struct job j = {.n = &n, .rule = {0.05f, 0.9f, 1e-3f}};
	j.pass = (struct et_pass){.x = n.x,
				  .n = n.n,
				  .training = true,
				  .seed = 7,
				  .rule = t->setup.fuse_update ? &j.rule : NULL};
	struct et_param *fc = net_param(&n.t.net, "fc.weight");
	struct et_loss_sum sum = {0};
	et_net_zero_grad(&n.t.net);
	et_net_forward(&n.t.net, &j.pass);
	for (size_t i = 0; i < fc->count; i++)
		fc->value[i] = NAN;
	et_net_loss(&n.t.net, &j.pass, n.label, n.n, true, &sum);
	ck_assert(isfinite(sum.loss));
	struct mode_result r = {.params = n.t.net.n_params, .param = n.t.net.params};
	static const char *const layer[] = {"stem.weight", "a.weight", "b.weight"};
	for (size_t i = 0; i < ET_COUNT(layer); i++)
		ck_assert_msg(shows(&r, layer[i]), "%s: %s hides NaN", num_label_text(), layer[i]);
	mode_close(&n);
}

START_TEST(not_a_number)
{
	each((size_t)_i, check_nan);
}
END_TEST

/* ---- updates in backward --------------------------------------------------------------------- */

/* Each layer's update right behind its backward, in memory that the next one's gradient takes
 * over: the same weights and moments, and no gradient left. */
static void check_at_once(const struct trial *t)
{
	struct net_setup setup = t->setup;

	setup.fuse_update = false;
	struct mode_result want = train(t, t->recipe, setup, 3);
	setup.fuse_update = true;
	struct mode_result got = train(t, t->recipe, setup, 3);
	mode_same(&got, &want);
	for (int i = 0; i < got.params; i++)
		ck_assert_ptr_null(got.param[i].grad);
}

START_TEST(at_once)
{
	each((size_t)_i, check_at_once);
}
END_TEST

/* ---- micro-batches --------------------------------------------------------------------------- */

static int plan_micro(const char *recipe, const char *spec, struct et_err *err)
{
	struct et_env env = {0};
	struct et_plan plan;
	struct et_conf *conf = et_conf_new();
	struct et_plan_request request = {.spec = spec, .conf = conf};

	ck_assert_int_eq(et_conf_set(conf, "mode", recipe, err), ET_OK);
	ck_assert_int_eq(et_conf_set(conf, "bn", "frozen", err), ET_OK);
	ck_assert_int_eq(et_conf_set(conf, "batch_size", "4", err), ET_OK);
	ck_assert_int_eq(et_conf_set(conf, "micro_batch", "2", err), ET_OK);
	int status = et_plan(&env, &request, &plan, err);
	et_conf_free(conf);
	return status;
}

/* Half a batch and the other half: what they add up to. */
static void check_micro(const struct trial *t)
{
	char *text = net_text(3, MODE_H, MODE_W, 5, t->shape->layers);
	struct net_setup setup = {.batch = BATCH, .frozen_bn = true};
	struct mode_net n;
	struct et_err err = {0};

	int status = plan_micro(t->recipe, scratch_put("s.json", text, strlen(text)), &err);
	if (t->m->whole_batch) {
		ck_assert_msg(status == ET_EUSAGE && strstr(err.text, t->m->name) &&
				      strstr(err.text, "micro_batch 2 of batch_size 4"),
			      "%s: %s", num_label_text(), err.text);
		return;
	}
	ck_assert_msg(status == ET_OK, "%s: %s", num_label_text(), err.text);
	struct mode_result want = train(t, t->recipe, setup, 1);
	mode_open(&n, &t->ctx, t->shape, t->recipe, setup);
	et_net_zero_grad(&n.t.net);
	for (int at = 0; at < BATCH; at += 2) {
		struct et_pass pass = {.x = n.x + (size_t)at * et_shape_count(n.t.net.input),
				       .n = 2,
				       .training = true,
				       .seed = 7,
				       .first = (size_t)at};
		struct et_loss_sum sum = {0};
		net_dirty(&n.t.net);
		et_net_forward(&n.t.net, &pass);
		et_net_loss(&n.t.net, &pass, n.label + at, BATCH, true, &sum);
	}
	struct mode_result got = {.params = n.t.net.n_params, .param = n.t.net.params};
	mode_near(&got, &want, 1e-5);
	mode_close(&n);
}

START_TEST(micro_batches)
{
	each((size_t)_i, check_micro);
}
END_TEST

/* ---- whole batches --------------------------------------------------------------------------- */

/* What is skipped depends on seed and number alone; the extremes of P are what they say. */
START_TEST(skipped_batches)
{
	const struct et_mode *m = et_modes[_i];
	char *recipe[MODE_SETTINGS];
	size_t settings = mode_settings(m, recipe);

	ck_assert_msg(!m->skip_batch == (m->axis != ET_AXIS_STEPS), "%s: axis", m->name);
	for (size_t i = 0; m->skip_batch && i < settings; i++) {
		struct et_recipe r;
		struct et_err err;
		int skipped = 0, same = 0;
		ck_assert_int_eq(et_recipe_parse(recipe[i], &r, &err), ET_OK);
		const double *opt = r.on[ET_AXIS_STEPS].opt;
		for (uint64_t k = 0; k < 1000; k++) {
			bool skip = m->skip_batch(opt, 3, k);
			ck_assert(skip == m->skip_batch(opt, 3, k));
			skipped += skip;
			same += skip == m->skip_batch(opt, 4, k);
		}
		/* Binomial, within 5 standard deviations. */
		double sd = sqrt(1000 * opt[0] * (1 - opt[0]));
		ck_assert_msg(fabs(skipped - 1000 * opt[0]) <= 5 * sd, "%s: %d of 1000", recipe[i],
			      skipped);
		ck_assert(opt[0] == 0 || same < 1000);
	}
}
END_TEST

Suite *suite_mode(void);
Suite *suite_mode(void)
{
	Suite *s = suite_create("mode");
	TCase *tc = num_tcase("conformance");
	int modes = 0;
	while (et_modes[modes])
		modes++;
	tcase_add_checked_fixture(tc, scratch_open, scratch_close);
	tcase_add_loop_test(tc, accepted, 0, modes);
	tcase_add_loop_test(tc, identity, 0, modes);
	tcase_add_loop_test(tc, forward, 0, modes);
	tcase_add_loop_test(tc, threads, 0, modes);
	tcase_add_loop_test(tc, sharing, 0, modes);
	tcase_add_loop_test(tc, patterns, 0, modes);
	tcase_add_loop_test(tc, resume, 0, modes);
	tcase_add_loop_test(tc, not_a_number, 0, modes);
	tcase_add_loop_test(tc, at_once, 0, modes);
	tcase_add_loop_test(tc, micro_batches, 0, modes);
	tcase_add_loop_test(tc, skipped_batches, 0, modes);
	suite_add_tcase(s, tc);
	return s;
}

/* et_bench: checks, rounds, results. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run/bench.h"

#define ROUNDS 5

/* ---- one net at a time ----------------------------------------------------------------------- */

static int set_text(char **to, const char *text, struct et_err *err)
{
	char *copy = et_strdup(text);

	if (!copy)
		return et_fail(err, ET_ENOMEM, "out of memory");
	free(*to);
	*to = copy;
	return ET_OK;
}

int et_bench_net(struct et_bench_run *r, const char *recipe, const char *by_layer,
		 struct et_err *err)
{
	ET_TRY(set_text(&r->s.t.mode, recipe, err));
	ET_TRY(set_text(&r->s.t.modes, by_layer, err));
	int status = et_session_build(&r->s, err);
	r->s.env = &r->quiet;
	return status;
}

int et_bench_batch(struct et_bench_run *r, uint64_t i, const struct et_batch **b,
		   struct et_err *err)
{
	uint64_t at = r->drawn + i;

	if (i == 0 || at % r->full == 0)
		ET_TRY(et_loader_start(r->loader, at / r->full, (size_t)(at % r->full), err));
	int got = et_loader_next(r->loader, b, err);
	ET_TRY(got);
	if (got == 1 && !et_step_too_small(&r->s, *b))
		return ET_OK;
	return et_fail(err, ET_EDATA, "%s: batch %" PRIu64 " has too few pictures to take a step",
		       r->bench->data, at % r->full + 1);
}

int et_bench_diverged(struct et_bench_run *r, const char *recipe, const struct et_step *step,
		      struct et_err *err)
{
	char where[256];

	et_step_blame(&r->s, step, where, sizeof(where));
	return et_fail(err, ET_EDIVERGED,
		       "mode %s, step %" PRIu64 ": %s; first found in %s: try a lower --lr or "
		       "--clip-norm",
		       recipe, step->number + 1, step->lost, where);
}

/* ---- checks ---------------------------------------------------------------------------------- */

static int take_recipes(struct et_bench_run *r, struct et_err *err)
{
	char(*list)[ET_RECIPE_TEXT];
	struct et_bench_result *result = r->result;
	int n = et_recipe_list(r->bench->modes, &list, err), exact = 0, status = ET_OK;

	ET_TRY(n);
	while (exact < n && strcmp(list[exact], "exact") != 0)
		exact++;
	result->mode = et_calloc((size_t)n, sizeof(*result->mode));
	r->tally = et_calloc((size_t)n, sizeof(*r->tally));
	if (!result->mode || !r->tally)
		status = et_fail(err, ET_ENOMEM, "out of memory");
	for (int i = 0; i < n && !status; i++) {
		int from = i;
		if (exact < n && i <= exact)
			from = i ? i - 1 : exact;
		status = set_text(&result->mode[i].recipe, list[from], err);
		result->modes = r->n = i + 1;
	}
	free(list);
	return status;
}

/* Recipes that no layer takes, settings that exclude one. */
static int check_nets(struct et_bench_run *r, struct et_err *err)
{
	for (int i = 0; i < r->n; i++)
		if (et_bench_net(r, r->result->mode[i].recipe, r->by_layer, err) < 0)
			return et_err_prefix(err, "mode %s", r->result->mode[i].recipe);
	return ET_OK;
}

static int check_memory(struct et_bench_run *r, struct et_err *err)
{
	for (int i = 0; i < r->n; i++) {
		struct et_bench_mode *m = &r->result->mode[i];
		struct et_plan plan;
		ET_TRY(et_bench_net(r, m->recipe, r->by_layer, err));
		if (et_session_fits(&r->s, true, &plan, err) < 0)
			return et_err_prefix(err, "mode %s", m->recipe);
		if (!plan.trained_layers)
			return et_fail(err, ET_EUSAGE,
				       "no convolution or linear layer trains: "
				       "the modes would not differ");
		m->planned_peak = plan.peak;
		m->saved = plan.training.saved;
	}
	return ET_OK;
}

/* Comparing gradients is left out where there is no memory for it. */
static int check_fidelity(struct et_bench_run *r, struct et_err *err)
{
	uint64_t available = et_machine_memory(r->env), most;
	char need[32], have[32];

	ET_TRY(et_bench_fidelity_bytes(r, "exact", "", &most, err));
	for (int i = 0; i < r->n; i++) {
		uint64_t bytes;
		ET_TRY(et_bench_fidelity_bytes(r, r->result->mode[i].recipe, r->by_layer, &bytes,
					       err));
		most = et_max(most, bytes);
	}
	r->fidelity = !available || most <= available;
	if (!r->fidelity)
		et_log(r->env, ET_LOG_WARNING,
		       "gradients are not compared with exact's: that takes %s, available %s",
		       et_human_bytes(most, need), et_human_bytes(available, have));
	return ET_OK;
}

/* ---- opening --------------------------------------------------------------------------------- */

static int open_layers(struct et_bench_run *r, struct et_bench_mode *m, struct et_tally *t,
		       struct et_err *err)
{
	const struct et_net *net = &r->s.net;
	int n = 0;

	m->layer = et_calloc((size_t)net->n, sizeof(*m->layer));
	t->layer = et_calloc((size_t)net->n, sizeof(*t->layer));
	if (!m->layer || !t->layer)
		return et_fail(err, ET_ENOMEM, "out of memory");
	for (int i = 0; i < net->n_params; i++)
		if (et_bench_measures(&net->params[i])) {
			ET_TRY(set_text(&m->layer[n].name, net->nodes[net->params[i].node].name,
					err));
			m->layers = ++n;
		}
	return ET_OK;
}

static int open_tally(struct et_bench_run *r, int i, struct et_err *err)
{
	struct et_tally *t = &r->tally[i];

	for (int k = 0; k < ET_TIMES; k++) {
		t->ms[k] = et_calloc((size_t)r->bench->steps, sizeof(double));
		if (!t->ms[k])
			return et_fail(err, ET_ENOMEM, "out of memory");
	}
	return open_layers(r, &r->result->mode[i], t, err);
}

static int open_loader(struct et_bench_run *r, struct et_err *err)
{
	struct et_loader_conf conf = et_session_loader(&r->s, ET_SPLIT_TRAIN, true);
	size_t pictures = et_dataset_count(r->s.ds, ET_SPLIT_TRAIN);

	if (!pictures)
		return et_fail(err, ET_EDATA, "there are no pictures to train on");
	/* Only a dataset of less than one batch is measured on it. */
	r->full = et_max(1, pictures / (size_t)r->s.t.batch_size);
	return et_loader_open(&r->loader, &conf, err);
}

static int check_request(const struct et_bench *b, struct et_err *err)
{
	if (!b->spec || !b->data || !b->modes)
		return et_fail(err, ET_EUSAGE, "a bench needs a spec, a dataset and modes");
	if (b->init_partial && !b->init)
		return et_fail(err, ET_EUSAGE, "--init-partial: expected --init FILE beside it");
	if (b->steps < 1 || b->steps > 100000)
		return et_fail(err, ET_EUSAGE, "steps: expected 1 to 100000, found %d", b->steps);
	if (b->out && et_bench_is(b->out))
		return et_fail(err, ET_EUSAGE,
			       "--out %s: holds a bench already; name another directory", b->out);
	return ET_OK;
}

static int open_run(struct et_bench_run *r, struct et_err *err)
{
	const struct et_bench *b = r->bench;
	struct et_session *s = &r->s;

	ET_TRY(check_request(b, err));
	ET_TRY(take_recipes(r, err));
	ET_TRY(et_bench_name_runs(r, err));
	s->has_init = b->init != NULL;
	s->init_partial = b->init_partial;
	ET_TRY(et_spec_read(&s->spec, b->spec, err));
	ET_TRY(et_session_settings(s, s->spec.train, b->conf, err));
	ET_TRY(set_text(&r->by_layer, s->t.modes, err));
	ET_TRY(check_nets(r, err));
	s->env = r->env;
	ET_TRY(et_session_data(s, b->data, err));
	ET_TRY(check_memory(r, err));
	ET_TRY(check_fidelity(r, err));
	for (int i = 0; i < r->n; i++)
		ET_TRY(open_tally(r, i, err));
	r->rounds = et_min(ROUNDS, (size_t)b->steps);
	r->result->rounds = (int)r->rounds;
	r->result->batch_size = s->t.batch_size;
	r->result->val_split = et_session_val_name(s);
	if (b->out) {
		r->made_out = !et_path_exists(b->out);
		ET_TRY(et_dir_make(b->out, err));
	}
	return open_loader(r, err);
}

/* ---- rounds ---------------------------------------------------------------------------------- */

static int run_round(struct et_bench_run *r, uint64_t round, struct et_err *err)
{
	uint64_t all = (uint64_t)r->bench->steps;
	uint64_t steps = all / r->rounds + (round < all % r->rounds);
	uint32_t order[ET_RECIPES];

	et_rng_permutation((uint64_t)r->s.t.seed, ET_STREAM_BENCH, round, order, (uint32_t)r->n);
	for (int i = 0; i < r->n; i++)
		ET_TRY(et_bench_block(r, (int)order[i], steps, err));
	if (r->fidelity)
		ET_TRY(et_bench_fidelity(r, err));
	r->drawn += steps + 1;
	return ET_OK;
}

static int run_rounds(struct et_bench_run *r, struct et_err *err)
{
	for (uint64_t round = 0; round < r->rounds; round++) {
		int status = run_round(r, round, err);
		if (status == ET_ESTOP)
			return et_fail(err, ET_ESTOP, "stopped in round %" PRIu64 " of %" PRIu64,
				       round + 1, r->rounds);
		ET_TRY(status);
	}
	return ET_OK;
}

/* ---- results --------------------------------------------------------------------------------- */

static void sum_up(struct et_bench_run *r)
{
	for (int i = 0; i < r->n; i++) {
		struct et_bench_mode *m = &r->result->mode[i];
		struct et_tally *t = &r->tally[i];
		struct et_spread *spread[ET_TIMES] = {&m->data, &m->forward, &m->backward,
						      &m->update, &m->step};
		for (int k = 0; k < ET_TIMES; k++)
			*spread[k] = et_spread_of(t->ms[k], t->steps);
		m->steps = t->steps;
		m->speedup = r->result->mode[0].step.median / m->step.median;
		m->energy_j = t->joules / (double)t->steps;
		m->energy_net_j = m->energy_j - r->result->idle_w * t->block_s / (double)t->steps;
		m->cosine = et_mean_of(&t->cosine);
		m->ratio = et_mean_of(&t->ratio);
		m->val_accuracy = m->best_val_accuracy = m->seconds = m->train_j = NAN;
		m->val_miou = m->best_val_miou = NAN;
		for (int k = 0; k < m->layers; k++) {
			const struct et_layer_means *from = &t->layer[k];
			struct et_bench_layer *to = &m->layer[k];
			to->cosine = et_mean_of(&from->cosine);
			to->ratio = et_mean_of(&from->ratio);
			to->dx_cosine = et_mean_of(&from->dx_cosine);
			to->dx_ratio = et_mean_of(&from->dx_ratio);
			to->zeros = et_mean_of(&from->zeros);
		}
	}
}

static void close_run(struct et_bench_run *r)
{
	et_loader_close(r->loader);
	r->loader = NULL;
	et_meter_close(r->meter);
	r->meter = NULL;
	et_session_close(&r->s);
}

static void idling(void *arg)
{
	struct et_bench_run *r = arg;

	r->p.phase = ET_PHASE_IDLE;
	if (r->bench->progress)
		r->bench->progress(r->bench->arg, NULL, &r->p);
}

/* Its own thread; what it finds is said before anything is measured with it. */
static int open_meter(struct et_bench_run *r, struct et_err *err)
{
	ET_TRY(et_meter_open(&r->meter, &r->env->power, err));
	ET_TRY(et_meter_start(r->meter, err));
	const struct et_meter_source *source = et_meter_source(r->meter, NULL);
	snprintf(r->result->energy_source, sizeof(r->result->energy_source), "%s",
		 source ? source->name : "");
	r->result->idle_w = NAN;
	if (!(r->bench->idle_seconds > 0))
		return ET_OK;
	return et_idle_measure(r->meter, r->bench->idle_seconds, r->env, idling, r,
			       &r->result->idle_w, err);
}

static int run_all(struct et_bench_run *r, struct et_err *err)
{
	const struct et_bench *b = r->bench;

	ET_TRY(open_run(r, err));
	ET_TRY(open_meter(r, err));
	ET_TRY(run_rounds(r, err));
	sum_up(r);
	close_run(r); /* a training has the memory for itself */
	if (b->epochs)
		ET_TRY(et_bench_train(r, err));
	return b->out ? et_bench_write(r->result, b->out, b->epochs, err) : ET_OK;
}

int et_bench(const struct et_env *env, const struct et_bench *bench, struct et_bench_result *result,
	     struct et_err *err)
{
	struct et_bench_run r = {.bench = bench, .result = result, .env = env, .quiet = *env};

	memset(result, 0, sizeof(*result));
	r.quiet.log = NULL;
	r.s.env = env;
	int status = run_all(&r, err);
	close_run(&r);
	for (int i = 0; i < r.n; i++) {
		for (int k = 0; k < ET_TIMES; k++)
			free(r.tally[i].ms[k]);
		free(r.tally[i].layer);
		free(r.tally[i].dir);
	}
	free(r.tally);
	free(r.by_layer);
	if (status) {
		et_bench_free(result);
		if (r.made_out)
			rmdir(bench->out); /* unless there is something in it */
	}
	return status;
}

void et_bench_free(struct et_bench_result *result)
{
	for (int i = 0; result->mode && i < result->modes; i++) {
		struct et_bench_mode *m = &result->mode[i];
		for (int k = 0; k < m->layers; k++)
			free(m->layer[k].name);
		free(m->layer);
		free(m->recipe);
	}
	free(result->mode);
	memset(result, 0, sizeof(*result));
}

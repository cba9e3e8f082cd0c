/* How near the gradients of each mode come to exact's, at the same weights on the same batch. */
#include <stdlib.h>
#include <string.h>

#include "run/bench.h"

bool et_bench_measures(const struct et_param *p)
{
	return p->kind == ET_PARAM_WEIGHT && p->train;
}

static size_t count_weights(const struct et_net *net)
{
	size_t n = 0;

	for (int i = 0; i < net->n_params; i++)
		if (et_bench_measures(&net->params[i]))
			n += net->params[i].count;
	return n;
}

/* A net whose gradients can be looked at. */
static int open_net(struct et_bench_run *r, const char *recipe, const char *by_layer,
		    struct et_plan *plan, struct et_err *err)
{
	r->s.probing = true;
	int status = et_bench_net(r, recipe, by_layer, err);
	r->s.probing = false;
	return status ? status : et_session_plan(&r->s, true, plan, err);
}

int et_bench_fidelity_bytes(struct et_bench_run *r, const char *recipe, const char *by_layer,
			    uint64_t *bytes, struct et_err *err)
{
	struct et_plan plan;

	ET_TRY(open_net(r, recipe, by_layer, &plan, err));
	*bytes = plan.peak + count_weights(&r->s.net) * sizeof(float);
	return ET_OK;
}

/* ---- gradients ------------------------------------------------------------------------------- */

struct work {
	struct et_bench_run *r;
	const struct et_batch *batch;
	struct et_step step;
	bool fine;
};

static void run_gradients(void *arg)
{
	struct work *w = arg;
	w->fine = et_step_gradients(&w->r->s, w->batch, &w->step);
}

/* Leaves the net with its gradients; probe has room for all layers measured, or is NULL. */
static int find_gradients(struct et_bench_run *r, const char *recipe, const char *by_layer,
			  const struct et_batch *batch, struct et_probe *probe, struct et_err *err)
{
	struct work w = {.r = r, .batch = batch, .step = {.number = r->drawn}};
	struct et_net *net = &r->s.net;
	struct et_plan plan;

	ET_TRY(open_net(r, recipe, by_layer, &plan, err));
	ET_TRY(et_net_alloc(net, err));
	ET_TRY(et_session_start(&r->s, r->bench->init, err));
	for (int i = 0; i < net->n_params && probe; i++)
		if (et_bench_measures(&net->params[i]))
			net->nodes[net->params[i].node].probe = probe++;
	et_team_run(&net->ctx, run_gradients, &w);
	return w.fine ? ET_OK : et_bench_diverged(r, recipe, &w.step, err);
}

/* ---- comparison ------------------------------------------------------------------------------ */

void et_likeness_add(struct et_likeness *l, const struct et_param *p, const float *exact)
{
	for (size_t i = 0; i < p->count; i++) {
		size_t block = i / p->inner;
		double a = (double)p->grad[block / p->taps * p->inner + i % p->inner];
		double b = (double)exact[i];
		l->dot += a * b;
		l->a += a * a;
		l->b += b * b;
	}
}

static void compare_layer(const struct et_param *p, const float *exact,
			  const struct et_probe *probe, struct et_layer_means *m,
			  struct et_likeness *all)
{
	struct et_likeness w = {0};
	struct et_likeness dx = {.dot = probe->dot, .a = probe->mode, .b = probe->exact};

	et_likeness_add(&w, p, exact);
	all->dot += w.dot;
	all->a += w.a;
	all->b += w.b;
	et_mean_add(&m->cosine, et_likeness_cosine(&w));
	et_mean_add(&m->ratio, et_likeness_ratio(&w));
	et_mean_add(&m->dx_cosine, et_likeness_cosine(&dx));
	et_mean_add(&m->dx_ratio, et_likeness_ratio(&dx));
	if (probe->count)
		et_mean_add(&m->zeros, (double)probe->zeros / (double)probe->count);
}

static int compare_mode(struct et_bench_run *r, int mode, const struct et_batch *batch,
			const float *exact, struct et_err *err)
{
	const struct et_bench_mode *m = &r->result->mode[mode];
	struct et_tally *t = &r->tally[mode];
	struct et_probe *probe = et_calloc((size_t)m->layers, sizeof(*probe));
	struct et_likeness all = {0};

	if (!probe)
		return et_fail(err, ET_ENOMEM, "out of memory");
	int status = find_gradients(r, m->recipe, r->by_layer, batch, probe, err);
	for (int i = 0, k = 0; i < r->s.net.n_params && !status; i++) {
		const struct et_param *p = &r->s.net.params[i];
		if (!et_bench_measures(p))
			continue;
		compare_layer(p, exact, &probe[k], &t->layer[k], &all);
		exact += p->count;
		k++;
	}
	if (!status) {
		et_mean_add(&t->cosine, et_likeness_cosine(&all));
		et_mean_add(&t->ratio, et_likeness_ratio(&all));
	}
	free(probe);
	return status;
}

/* Not from the heap, which would keep its pages and spoil the peaks of later blocks. */
static int copy_exact(struct et_bench_run *r, const struct et_batch *batch, struct et_arena *exact,
		      struct et_err *err)
{
	const struct et_net *net = &r->s.net;
	struct et_arena size = et_arena_measure();

	ET_TRY(find_gradients(r, "exact", "", batch, NULL, err));
	et_arena_alloc(&size, count_weights(net), sizeof(float));
	ET_TRY(et_arena_open(exact, size.peak, err));
	float *to = et_arena_alloc(exact, count_weights(net), sizeof(float));
	for (int i = 0; i < net->n_params; i++) {
		const struct et_param *p = &net->params[i];
		if (!et_bench_measures(p))
			continue;
		memcpy(to, p->grad, p->count * sizeof(float));
		to += p->count;
	}
	return ET_OK;
}

int et_bench_fidelity(struct et_bench_run *r, struct et_err *err)
{
	const struct et_batch *batch;
	struct et_arena exact = {.base = NULL};

	et_net_free(&r->s.net);
	ET_TRY(et_bench_batch(r, 0, &batch, err));
	int status = copy_exact(r, batch, &exact, err);
	for (int i = 0; i < r->n && !status; i++)
		status = et_stopped(r->env)
				 ? et_fail(err, ET_ESTOP, "stopped")
				 : compare_mode(r, i, batch, (float *)(void *)exact.base, err);
	et_arena_close(&exact);
	et_net_free(&r->s.net);
	et_loader_done(r->loader, batch);
	return status;
}

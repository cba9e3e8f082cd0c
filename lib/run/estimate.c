/* A few steps and batches of evaluation, timed, and their joules. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "power/power.h"
#include "run/cache.h"
#include "run/estimate.h"

#define LONG_ENOUGH  0.5  /* seconds of steps, where they are short */
#define METERED	     1.2  /* with a source of power */
#define PICTURES     1000 /* of an epoch without data */
#define MOST_BATCHES 100000

/* Where batches come from: a loader, from batch `first` to before `end`, or one that is made up. */
struct feed {
	struct et_loader *loader;
	const struct et_batch *made;
	uint64_t epoch;
	size_t at, first, end;
	bool again; /* the same batches of the same epoch over and over */
	bool once;  /* no further than the end */
	bool begun;
};

struct job {
	struct et_session *s;
	const struct et_plan_request *request;
	const struct et_plan *plan;
	struct et_estimate *e;
	struct et_meter *meter;
	bool metered;
	struct et_cache train_cache, val_cache;
	struct et_err *err;
	int status;
	uint64_t number; /* of steps taken */
};

/* ---- batches --------------------------------------------------------------------------------- */

/* 1 and a batch, 0 at the end. */
static int next_batch(struct feed *f, const struct et_batch **b, struct et_err *err)
{
	if (f->made) {
		*b = f->made;
		return 1;
	}
	if (f->begun && f->at == f->end) {
		if (f->once)
			return 0;
		f->epoch += !f->again;
		f->at = f->again ? f->first : 0;
		f->begun = false;
	}
	if (!f->begun)
		ET_TRY(et_loader_start(f->loader, f->epoch, f->at, err));
	f->begun = true;
	f->at++;
	return et_loader_next(f->loader, b, err);
}

static int train_batch(struct job *j, const struct et_batch *b)
{
	/* Without a learning rate random weights stay as tame as they are; the work is the same. */
	struct et_step step = {.number = j->number++, .lr = 0};

	if (!et_step_too_small(j->s, b) && !et_step_run(j->s, b, &step))
		return et_fail(j->err, ET_EDIVERGED,
			       "no estimate: with random weights %s; --estimate 0 leaves it out",
			       step.lost);
	return ET_OK;
}

static int eval_batch(struct job *j, const struct et_batch *b)
{
	struct et_session *s = j->s;
	struct et_pass pass = {.x = b->x, .n = (int)b->n};
	struct et_loss_sum sum = {0};

	et_cache_begin(s->val_cache, b, 0, et_shape_count(s->spec.input), &pass);
	et_net_forward(&s->net, &pass);
	et_cache_end(s->val_cache, b, 0, &pass);
	double norm = et_loss_norm(&s->net.loss, b->n * b->rows, b->label);
	if (norm > 0)
		et_net_loss(&s->net, &pass, b->label, norm, false, &sum);
	return ET_OK;
}

/* At least so many batches and so long; of what cost a picture was. */
static int measure(struct job *j, struct feed *f,
		   int (*take)(struct job *j, const struct et_batch *b), int batches,
		   double seconds, struct et_cost *cost, int *taken)
{
	const struct et_batch *b;
	size_t pictures = 0;
	int n = 0, got = 1;

	if (j->metered)
		et_meter_sync(j->meter);
	double begun = et_now();
	while ((n < batches || et_now() - begun < seconds) && n < MOST_BATCHES) {
		got = next_batch(f, &b, j->err);
		if (got != 1)
			break;
		int status = b->n ? take(j, b) : ET_OK;
		pictures += b->n;
		if (f->loader)
			et_loader_done(f->loader, b);
		ET_TRY(status);
		if (et_stopped(j->s->env))
			return et_fail(j->err, ET_ESTOP, "stopped while it measured");
		n++;
	}
	ET_TRY(got);
	double ended = et_now(), joules = NAN;
	if (j->metered && et_meter_sync(j->meter))
		joules = et_meter_energy(j->meter, begun, ended);
	if (taken)
		*taken = n;
	if (cost && pictures)
		*cost = (struct et_cost){(ended - begun) / (double)pictures,
					 joules / (double)pictures};
	return ET_OK;
}

static struct et_cost times(struct et_cost c, double by)
{
	return (struct et_cost){c.seconds * by, c.joules * by};
}

/* ---- kept features --------------------------------------------------------------------------- */

/* Room for those of the batches to be measured, in memory; false: they are not kept here. */
static bool open_cache(struct job *j, struct et_cache *c, enum et_split split, size_t floats,
		       uint32_t entries, uint64_t variants, size_t batch)
{
	uint64_t spare =
		j->plan->available > j->plan->peak ? j->plan->available - j->plan->peak : 0;
	uint64_t want = ((uint64_t)j->request->steps + 1) * batch, bytes = floats * sizeof(float);
	struct et_err ignored;

	want = want < entries ? want : entries;
	/* In memory there is room for all of them by the plan; for a file it has to be found. */
	if (!want || (j->s->cache.file && want * bytes > spare / 2))
		return false;
	if (et_cache_open(c, floats, et_dataset_count(j->s->ds, split), variants, (uint32_t)want,
			  batch, NULL, &ignored) == ET_OK)
		return true;
	et_cache_close(c);
	return false;
}

static double share(uint32_t entries, uint64_t of)
{
	return of ? fmin((double)entries / (double)of, 1) : 0;
}

/* ---- training and evaluation ----------------------------------------------------------------- */

/*
 * One batch that does not count, then those that do; and, where features are kept, the same ones
 * again. Of what cost a picture was.
 */
static int measure_split(struct job *j, struct et_loader *loader, const struct et_cache *cache,
			 int (*take)(struct job *j, const struct et_batch *b), size_t batch,
			 struct et_cost *cold, struct et_cost *kept, int *taken)
{
	size_t batches = et_loader_batches(loader);
	double seconds = j->metered ? METERED : LONG_ENOUGH;
	int steps = j->request->steps;
	struct feed f = {.loader = loader, .end = batches, .again = take == eval_batch};

	/* Of a single batch the second time is one with features. */
	if (!cache || batches > 1)
		ET_TRY(measure(j, &f, take, 1, 0, NULL, NULL));
	f.once = cache;
	ET_TRY(measure(j, &f, take, steps, seconds, cold, taken));
	*kept = *cold;
	if (!cache)
		return ET_OK;
	size_t end = et_min(et_min((size_t)steps + 1, batches), et_max(cache->used / batch, 1));
	f = (struct feed){.loader = loader, .end = end, .again = true};
	return measure(j, &f, take, steps, seconds, kept, NULL);
}

static int measure_training(struct job *j, struct et_err *err)
{
	struct et_session *s = j->s;
	struct et_estimate *e = j->e;
	struct et_loader_conf conf = et_session_loader(s, ET_SPLIT_TRAIN, true);
	uint64_t variants = s->t.cache_variants ? (uint64_t)s->t.cache_variants : 1;
	struct et_loader *loader = NULL;

	e->pictures = et_dataset_count(s->ds, ET_SPLIT_TRAIN);
	if (!e->pictures)
		return et_fail(err, ET_EDATA, "there are no pictures to train on");
	if (open_cache(j, &j->train_cache, ET_SPLIT_TRAIN, s->cache.train_floats, s->cache.train,
		       variants, conf.batch_size)) {
		s->train_cache = &j->train_cache;
		et_cache_serve(s->train_cache, &conf);
		e->kept = share(s->cache.train, e->pictures * variants);
		e->filling = variants;
	}
	conf.variants = (uint64_t)s->t.cache_variants;
	ET_TRY(et_loader_open(&loader, &conf, err));
	int status = measure_split(j, loader, s->train_cache, train_batch, conf.batch_size,
				   &e->step, &e->kept_step, &e->steps);
	et_loader_close(loader);
	e->step = times(e->step, (double)s->t.batch_size);
	e->kept_step = times(e->kept_step, (double)s->t.batch_size);
	return status;
}

static int measure_evaluation(struct job *j, struct et_err *err)
{
	struct et_session *s = j->s;
	struct et_estimate *e = j->e;

	if (s->val == ET_SPLITS)
		return ET_OK;
	struct et_loader_conf conf = et_session_loader(s, s->val, false);
	struct et_loader *loader = NULL;
	e->val_pictures = et_dataset_count(s->ds, s->val);
	if (open_cache(j, &j->val_cache, s->val, s->cache.val_floats, s->cache.val, 1,
		       conf.batch_size)) {
		s->val_cache = &j->val_cache;
		et_cache_serve(s->val_cache, &conf);
		e->val_kept = share(s->cache.val, e->val_pictures);
	}
	ET_TRY(et_loader_open(&loader, &conf, err));
	int status = measure_split(j, loader, s->val_cache, eval_batch, conf.batch_size,
				   &e->evaluation, &e->kept_evaluation, NULL);
	et_loader_close(loader);
	e->evaluation = times(e->evaluation, (double)e->val_pictures);
	e->kept_evaluation = times(e->kept_evaluation, (double)e->val_pictures);
	return status;
}

/* Without data: pictures of noise, labels in turn. */
static int measure_made_up(struct job *j, struct et_err *err)
{
	struct et_session *s = j->s;
	size_t n = (size_t)s->t.batch_size, image = et_shape_count(s->spec.input);
	struct et_batch b = {.n = n, .rows = et_spec_rows(&s->spec)};
	struct feed f = {.made = &b};
	struct et_rng rng = et_rng_open((uint64_t)s->t.seed, ET_STREAM_BENCH, 0, 0);
	int status;

	j->e->pictures = j->request->pictures ? j->request->pictures : PICTURES;
	b.x = et_calloc(n * image, sizeof(*b.x));
	b.label = et_calloc(n * b.rows, sizeof(*b.label));
	b.sample = et_calloc(n, sizeof(*b.sample));
	b.known = et_calloc(n, sizeof(*b.known));
	if (b.x && b.label && b.sample && b.known) {
		for (size_t i = 0; i < n * image; i++)
			b.x[i] = 2 * et_rng_unit(&rng) - 1;
		for (size_t i = 0; i < n * b.rows; i++)
			b.label[i] = (int32_t)(i % (size_t)s->spec.classes);
		status = measure(j, &f, train_batch, 1, 0, NULL, NULL);
		if (!status)
			status = measure(j, &f, train_batch, j->request->steps,
					 j->metered ? METERED : LONG_ENOUGH, &j->e->step,
					 &j->e->steps);
	} else {
		status = et_fail(err, ET_ENOMEM, "out of memory");
	}
	j->e->step = times(j->e->step, (double)n);
	j->e->kept_step = j->e->step;
	free(b.x);
	free(b.label);
	free(b.sample);
	free(b.known);
	return status;
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* The share of a run's batches that its mode skips unseen. */
static double dropped(const struct et_session *s, const struct et_estimate *e)
{
	const struct et_technique *on = &s->recipe.on[ET_AXIS_STEPS];
	uint64_t n = e->epochs * et_ceil_div(e->pictures, (uint64_t)s->t.batch_size), skipped = 0;

	if (!on->mode || !on->mode->skip_batch || !n)
		return 0;
	n = n < MOST_BATCHES ? n : MOST_BATCHES;
	for (uint64_t i = 0; i < n; i++)
		skipped += on->mode->skip_batch(on->opt, (uint64_t)s->t.seed, i);
	return (double)skipped / (double)n;
}

static void work(void *arg)
{
	struct job *j = arg;

	if (!j->s->ds) {
		j->status = measure_made_up(j, j->err);
		return;
	}
	j->e->real = true;
	j->status = measure_training(j, j->err);
	if (!j->status)
		j->status = measure_evaluation(j, j->err);
}

static int open_meter(struct job *j, struct et_err *err)
{
	struct et_estimate *e = j->e;

	ET_TRY(et_meter_open(&j->meter, &j->s->env->power, err));
	const struct et_meter_source *source = et_meter_source(j->meter, NULL);
	j->metered = source;
	if (!source)
		return ET_OK;
	snprintf(e->source, sizeof(e->source), "%s", source->name);
	snprintf(e->scope, sizeof(e->scope), "%s", source->scope);
	e->modelled = strncmp(source->name, "model", 5) == 0;
	return et_meter_start(j->meter, err);
}

int et_estimate_session(struct et_session *s, const struct et_plan_request *request,
			const struct et_plan *plan, struct et_err *err)
{
	struct job j = {
		.s = s, .request = request, .plan = plan, .e = request->estimate, .err = err};

	j.e->epochs = (uint64_t)s->t.epochs;
	int status = open_meter(&j, err);
	if (!status)
		status = et_net_alloc(&s->net, err);
	if (!status)
		status = et_session_start(s, NULL, err);
	if (!status) {
		et_team_run(&s->net.ctx, work, &j);
		status = j.status;
	}
	et_meter_close(j.meter);
	s->train_cache = s->val_cache = NULL;
	et_cache_close(&j.train_cache);
	et_cache_close(&j.val_cache);
	if (status) {
		*j.e = et_estimate_none();
		return status;
	}
	j.e->dropped = dropped(s, j.e);
	et_estimate_sum(j.e, (double)s->t.batch_size);
	return ET_OK;
}

/* et_predict: what a trained network makes of pictures. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "run/masks.h"

#define BATCH 8

struct job {
	struct et_session s;
	struct et_model_files f;
	const struct et_predict *ask;
	struct et_predict_result *r;
	struct et_class *top;
	struct et_masks *masks; /* NULL: one class a picture */
	double *share;		/* [classes] */
	bool unread;		/* a file was there and could not be read */
	struct et_loader *loader;
	struct et_err *err;
	int status;
};

/* ---- pictures that fail ---------------------------------------------------------------------- */

static void failed(void *arg, const struct et_err *why)
{
	struct job *j = arg;

	j->r->failed++;
	j->unread |= why->code != ET_ENOINPUT;
	if (j->ask->failed)
		j->ask->failed(j->ask->arg, why);
}

/* The loader left out picture i: what was wrong with it? */
static int explain(struct job *j, size_t i)
{
	const struct et_session *s = &j->s;
	struct et_picture p = {.px = NULL};
	struct et_err why = {0};
	int status = et_dataset_load(s->ds, s->val, i, s->prep.channels, s->prep.height,
				     s->prep.width, &p, &why);

	et_picture_free(&p);
	if (status == ET_ENOMEM || status == ET_EIO || status == ET_EINTERNAL) {
		*j->err = why;
		return status;
	}
	if (!status) {
		char name[512];
		et_fail(&why, ET_EDATA, "%s: could not be read before, and now it can",
			et_dataset_item_name(s->ds, s->val, i, name, sizeof(name)));
	}
	failed(j, &why);
	return ET_OK;
}

/* ---- one picture ----------------------------------------------------------------------------- */

/* Puts the `n` largest shares in front, equals in the order of classes. */
static void rank(struct job *j, int n)
{
	struct et_class *top = j->top;
	int have = 0;

	for (int k = 0; k < j->s.spec.classes; k++) {
		int at = have;
		while (at > 0 && j->share[k] > top[at - 1].share)
			at--;
		if (at == n)
			continue;
		have += have < n;
		memmove(top + at + 1, top + at, (size_t)(have - 1 - at) * sizeof(*top));
		top[at] = (struct et_class){.index = k,
					    .name = j->f.names ? j->f.names[k] : NULL,
					    .share = j->share[k]};
	}
}

static bool all_finite(const float *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isfinite(v[i]))
			return false;
	return true;
}

/* Softmax. */
static void probabilities(struct job *j, const float *logits)
{
	int classes = j->s.spec.classes;
	double most = (double)logits[0], sum = 0;

	for (int k = 1; k < classes; k++)
		most = fmax(most, (double)logits[k]);
	for (int k = 0; k < classes; k++)
		sum += j->share[k] = exp((double)logits[k] - most);
	for (int k = 0; k < classes; k++)
		j->share[k] /= sum;
}

static int predict_one(struct job *j, const char *image, const float *logits)
{
	const struct et_predict *ask = j->ask;
	int n = ask->top < j->s.spec.classes ? ask->top : j->s.spec.classes;
	struct et_prediction p = {.image = image, .top = j->top};

	if (!all_finite(logits, et_shape_count(j->s.spec.layers[j->s.spec.n - 1].out)))
		return et_fail(j->err, ET_EDATA,
			       "%s: the network gives numbers that are not finite: its weights are "
			       "of no use",
			       image);
	if (j->masks)
		ET_TRY(et_masks_write(j->masks, image, logits, j->share, &p.mask, &p.overlay,
				      j->err));
	else
		probabilities(j, logits);
	rank(j, n);
	/* Classes without a pixel are not worth a line. */
	while (p.n < n && (!j->masks || j->top[p.n].share > 0))
		p.n++;
	j->r->images++;
	if (ask->found)
		ask->found(ask->arg, &p);
	return ET_OK;
}

/* ---- all of them ----------------------------------------------------------------------------- */

/* Pictures [first, end) were due: those in the batch, and those that it lacks. */
static int tell_batch(struct job *j, const struct et_batch *b, const float *logits, size_t first,
		      size_t end)
{
	size_t have = 0, floats = et_shape_count(j->s.spec.layers[j->s.spec.n - 1].out);
	char name[4096];

	for (size_t i = first; i < end; i++) {
		if (have == b->n || b->sample[have] != i) {
			ET_TRY(explain(j, i));
			continue;
		}
		et_dataset_item_name(j->s.ds, j->s.val, i, name, sizeof(name));
		ET_TRY(predict_one(j, name, logits + have * floats));
		have++;
	}
	return ET_OK;
}

static int run_batches(struct job *j)
{
	const struct et_batch *b;
	size_t size = (size_t)et_session_micro(&j->s), all = et_dataset_count(j->s.ds, j->s.val);
	struct et_progress p = {.phase = ET_PHASE_EVAL,
				.batches = et_loader_batches(j->loader),
				.loss = NAN,
				.accuracy = NAN,
				.eta_s = -1};
	double begun = et_now();
	int got;

	ET_TRY(et_loader_start(j->loader, 0, 0, j->err));
	while ((got = et_loader_next(j->loader, &b, j->err)) == 1) {
		struct et_pass pass = {.x = b->x, .n = (int)b->n};
		size_t first = b->number * size;
		const float *logits = b->n ? et_net_forward(&j->s.net, &pass) : NULL;
		int status = tell_batch(j, b, logits, first, et_min(first + size, all));
		p.batch = b->number + 1;
		et_loader_done(j->loader, b);
		ET_TRY(status);
		p.images_per_s = (double)j->r->images / fmax(et_now() - begun, 1e-9);
		if (j->ask->progress)
			j->ask->progress(j->ask->arg, &p);
	}
	j->r->seconds = et_now() - begun;
	return got;
}

/* With the threads of one team standing by. */
static void run_team(void *arg)
{
	struct job *j = arg;
	j->status = run_batches(j);
}

/* ---- et_predict ------------------------------------------------------------------------------ */

static int open_pictures(struct job *j, struct et_err *err)
{
	struct et_session *s = &j->s;
	size_t n;

	ET_TRY(et_dataset_list(&s->ds, j->ask->images, j->ask->n_images, s->env->stop, failed, j,
			       err));
	s->val = ET_SPLIT_TEST;
	n = et_dataset_count(s->ds, s->val);
	s->t.batch_size = (int)et_max(
		et_min(n, j->ask->batch_size > 0 ? (size_t)j->ask->batch_size : BATCH), 1);
	s->t.micro_batch = 0;
	s->t.on_bad_image = 1;
	return ET_OK;
}

/* Masks, for networks that say something about pixels, and for no others. */
static int plan_masks(struct job *j, struct et_err *err)
{
	const struct et_predict *ask = j->ask;
	struct et_session *s = &j->s;

	if (et_spec_rows(&s->spec) == 1)
		return ask->out || ask->overlay
			       ? et_fail(err, ET_EUSAGE,
					 "%s gives one class a picture: there are no masks for "
					 "--out or --overlay",
					 ask->model.model)
			       : ET_OK;
	if (!ask->out)
		return et_fail(err, ET_EUSAGE,
			       "%s gives a class for each pixel: expected --out DIR for the masks",
			       ask->model.model);
	s->besides = et_masks_bytes(s, ask->overlay);
	return ET_OK;
}

static int open_job(struct job *j, struct et_err *err)
{
	struct et_session *s = &j->s;
	struct et_plan plan;

	ET_TRY(et_model_open(s, &j->ask->model, &j->f, err));
	ET_TRY(et_session_net(s, s->is_run ? j->f.info.train : s->spec.train, NULL, err));
	ET_TRY(open_pictures(j, err));
	ET_TRY(plan_masks(j, err));
	j->top = et_calloc((size_t)s->spec.classes + 1, sizeof(*j->top));
	j->share = et_calloc((size_t)s->spec.classes, sizeof(*j->share));
	if (!j->top || !j->share)
		return et_fail(err, ET_ENOMEM, "out of memory");
	ET_TRY(et_session_fits(s, false, &plan, err));
	if (s->besides)
		ET_TRY(et_masks_open(&j->masks, s, j->ask->out, j->ask->overlay, err));
	ET_TRY(et_net_alloc(&s->net, err));
	return et_session_load(s, j->f.weights, err);
}

static int run_job(struct job *j, struct et_err *err)
{
	j->err = err;
	ET_TRY(open_job(j, err));
	if (et_dataset_count(j->s.ds, j->s.val)) {
		struct et_loader_conf conf = et_session_loader(&j->s, j->s.val, false);
		ET_TRY(et_loader_open(&j->loader, &conf, err));
		et_team_run(&j->s.net.ctx, run_team, j);
		et_loader_close(j->loader);
		ET_TRY(j->status);
	}
	if (!j->r->failed)
		return ET_OK;
	return et_fail(err, j->unread ? ET_EDATA : ET_ENOINPUT,
		       "%ju of %ju pictures could not be read", (uintmax_t)j->r->failed,
		       (uintmax_t)(j->r->failed + j->r->images));
}

int et_predict(const struct et_env *env, const struct et_predict *ask,
	       struct et_predict_result *result, struct et_err *err)
{
	struct job j = {.s.env = env, .ask = ask, .r = result};

	memset(result, 0, sizeof(*result));
	int status =
		ask->model.model && ask->n_images && ask->top > 0
			? run_job(&j, err)
			: et_fail(err, ET_EUSAGE,
				  "a prediction needs a model, pictures and at least one class");
	free(j.top);
	free(j.share);
	et_masks_close(j.masks);
	et_model_close(&j.f);
	et_session_close(&j.s);
	return status;
}

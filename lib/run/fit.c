/* et_fit: a new run, or the continuation of one. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/trainer.h"

/* Memory that was there when the run was planned may be gone: it is no reason to stop. */
static void open_cache(struct et_trainer *t, struct et_cache *c, struct et_cache **in_use,
		       enum et_split split, size_t floats, uint32_t entries)
{
	struct et_session *s = t->s;
	uint64_t variants =
		split == ET_SPLIT_TRAIN && s->t.cache_variants ? (uint64_t)s->t.cache_variants : 1;
	struct et_err err;

	if (!entries)
		return;
	if (et_cache_open(c, floats, et_dataset_count(s->ds, split), variants, entries,
			  (size_t)s->t.batch_size, s->cache.file ? t->dir : NULL, &err)) {
		et_cache_close(c);
		et_log(s->env, ET_LOG_WARNING, "no feature cache: %s", err.text);
		return;
	}
	*in_use = c;
}

static void open_caches(struct et_trainer *t)
{
	struct et_session *s = t->s;
	const struct et_cache_plan *p = &s->cache;
	char bytes[32], wanted[32];

	if (p->why)
		return;
	open_cache(t, &t->train_cache, &s->train_cache, ET_SPLIT_TRAIN, p->train_floats, p->train);
	open_cache(t, &t->val_cache, &s->val_cache, s->val, p->val_floats, p->val);
	if (s->train_cache || s->val_cache)
		et_log(s->env, ET_LOG_INFO,
		       "features of the frozen layers: %s of %s are kept in %s, %zu bytes a "
		       "picture",
		       et_human_bytes(p->bytes, bytes), et_human_bytes(p->wanted, wanted),
		       p->file ? "a file beside the run" : "memory",
		       (p->train ? p->train_floats : p->val_floats) * sizeof(float));
}

/*
 * The columns of epochs.csv, with masks also val_miou and an IoU a class. The caller frees it; NULL
 * when memory is refused.
 */
static char *epochs_header(const struct et_session *s, bool masks)
{
	char *text = NULL, *name = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	bool fine = out != NULL;

	if (!out)
		return NULL;
	fputs(ET_EPOCHS_HEADER, out);
	if (masks)
		fputs(",val_miou", out);
	for (int k = 0; masks && fine && k < s->spec.classes; k++) {
		name = et_asprintf("val_iou_%s", et_dataset_class_name(s->ds, k));
		fine = name != NULL;
		fputc(',', out);
		if (fine)
			et_csv_text(out, name);
		free(name);
	}
	fputs(ET_ENERGY_HEADER, out);
	fine &= !ferror(out);
	fine &= fclose(out) == 0;
	if (fine)
		return text;
	free(text);
	return NULL;
}

static int open_epochs(struct et_trainer *t, struct et_err *err)
{
	const struct et_session *s = t->s;
	size_t k = (size_t)s->spec.classes;
	bool masks = et_spec_rows(&s->spec) > 1;
	char *header = epochs_header(s, masks);
	bool fine = header != NULL;

	if (masks) {
		t->confusion = et_calloc(k * k, sizeof(*t->confusion));
		t->iou = et_calloc(k, sizeof(*t->iou));
		t->cells = et_calloc(k + 1, 32);
		fine &= t->confusion && t->iou && t->cells;
	}
	int status = fine ? et_csv_open(&t->epochs, t->dir, "epochs.csv", header,
					(double)t->state.epoch, err)
			  : et_fail(err, ET_ENOMEM, "out of memory");
	free(header);
	return status;
}

static int open_files(struct et_trainer *t, struct et_err *err)
{
	struct et_session *s = t->s;
	struct et_loader_conf train = et_session_loader(s, ET_SPLIT_TRAIN, true);

	train.drop = et_trainer_drops;
	train.drop_arg = t;
	ET_TRY(et_csv_open(&t->steps, t->dir, "steps.csv", ET_STEPS_HEADER, (double)t->state.step,
			   err));
	ET_TRY(open_epochs(t, err));
	ET_TRY(et_watch_begin(&t->watch, t->dir, err));
	open_caches(t);
	et_cache_serve(s->train_cache, &train);
	train.variants = (uint64_t)s->t.cache_variants;
	ET_TRY(et_loader_open(&t->train, &train, err));
	if (s->val != ET_SPLITS) {
		struct et_loader_conf val = et_session_loader(s, s->val, false);
		et_cache_serve(s->val_cache, &val);
		ET_TRY(et_loader_open(&t->val, &val, err));
	}
	t->per_epoch = et_loader_batches(t->train);
	if (!t->per_epoch)
		return et_fail(err, ET_EDATA, "there are no pictures to train on");
	return ET_OK;
}

static void fill_result(const struct et_trainer *t, struct et_fit_result *r)
{
	const struct et_state *st = &t->state;
	bool pixels = et_spec_rows(&t->s->spec) > 1;

	*r = (struct et_fit_result){.epochs = st->epoch,
				    .steps = t->steps_here,
				    .images = t->images_here,
				    .dropped = t->skipped_here,
				    .loss = st->last_loss,
				    .accuracy = st->last_accuracy,
				    .val_loss = st->last_val_loss,
				    .val_accuracy = st->last_val_accuracy,
				    .val_miou = st->last_val_miou,
				    .best_val_accuracy = pixels ? NAN : st->best_accuracy,
				    .best_val_miou = pixels && t->val ? st->best_accuracy : NAN,
				    .best_epoch = st->best_epoch,
				    .seconds = et_now() - t->begun,
				    .val_split = et_session_val_name(t->s),
				    .skipped = et_dataset_skipped(t->s->ds) + st->all_skipped,
				    .peak_memory = et_machine_peak_rss(),
				    .stopped_by = t->stopped_by,
				    .pauses = t->pauses_here,
				    .pause_s = t->paused_s};
	et_watch_result(&t->watch, r);
	r->images_per_s = r->seconds > 0 ? (double)r->images / r->seconds : NAN;
}

static int open_watch(struct et_trainer *t, struct et_err *err)
{
	const struct et_fit *fit = t->fit;

	ET_TRY(et_limits_open(&t->limits, &fit->budget, t->begun, err));
	return et_watch_open(&t->watch, t->s->env, &t->state,
			     fit->budget.joules > 0 ? "max-energy" : NULL,
			     fit->max_temp > 0 ? "max-temp" : NULL, err);
}

/* What there is decides whether a run begins or goes on; nobody else can change it now. */
static int open_run(struct et_trainer *t, struct et_fit *fit, struct et_lock *lock,
		    struct et_run_info *info, struct et_err *err)
{
	const char *dir = fit->resume ? fit->resume : fit->out;

	/* What is no run to resume is left untouched. */
	if (dir && (!fit->resume || et_run_is(dir))) {
		ET_TRY(et_lock_take(lock, t->s->env, dir, err));
		et_run_sweep(dir);
	}
	ET_TRY(open_watch(t, err));
	if (fit->resume_auto && dir && et_run_is(dir))
		fit->resume = dir;
	return fit->resume ? et_trainer_open_resumed(t, fit, info, err)
			   : et_trainer_open_new(t, fit, err);
}

int et_fit(const struct et_env *env, const struct et_fit *given, struct et_fit_result *result,
	   struct et_err *err)
{
	struct et_fit own = *given, *fit = &own;
	struct et_lock lock = {.fd = -1};
	struct et_session s = {.env = env, .caches = true};
	struct et_run_info info = {0};
	struct et_trainer t = {.s = &s,
			       .fit = fit,
			       .begun = et_now(),
			       .steps = {.fd = -1},
			       .epochs = {.fd = -1},
			       .watch = {.series = {.fd = -1}}};

	memset(result, 0, sizeof(*result));
	t.state = et_state_new();
	t.p = (struct et_progress){.phase = ET_PHASE_LOAD, .eta_s = -1};
	if (fit->progress)
		fit->progress(fit->arg, &t.p);
	int status = open_run(&t, fit, &lock, &info, err);
	if (!status)
		status = open_files(&t, err);
	if (!status)
		status = et_trainer_run(&t, err);
	if (!status)
		fill_result(&t, result);
	et_watch_close(&t.watch);
	et_csv_close(&t.steps);
	et_csv_close(&t.epochs);
	et_loader_close(t.train);
	et_loader_close(t.val);
	et_cache_close(&t.train_cache);
	et_cache_close(&t.val_cache);
	et_run_info_free(&info);
	et_session_close(&s);
	et_lock_release(&lock);
	free(t.confusion);
	free(t.iou);
	free(t.cells);
	return status;
}

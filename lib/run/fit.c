/* et_fit: a new run, or the continuation of one. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "run/trainer.h"

/* Settings that a resumed run may be given anew: they do not change what a step computes. */
static bool may_change(const char *key)
{
	return strcmp(key, "epochs") == 0 || strcmp(key, "save_steps") == 0 ||
	       strcmp(key, "on_bad_image") == 0 || strcmp(key, "cache") == 0;
}

/* Do both name one file, by whatever path? */
static bool same_file(const char *a, const char *b)
{
	char *full_a = realpath(a, NULL), *full_b = realpath(b, NULL);
	bool same = full_a && full_b && strcmp(full_a, full_b) == 0;

	free(full_a);
	free(full_b);
	return same;
}

static int check_conf(const struct et_session *s, const struct et_fit *fit, struct et_err *err)
{
	size_t n;
	const struct et_setting *table = et_settings(&n);

	for (size_t i = 0; i < n; i++) {
		const char *given = et_conf_value(fit->conf, i);
		char now[8192];
		if (!given || may_change(table[i].key))
			continue;
		et_train_text(&s->t, i, now, sizeof(now));
		double a, b;
		bool same = strcmp(given, now) == 0 ||
			    (et_parse_f64(given, &a) && et_parse_f64(now, &b) && a == b) ||
			    (strcmp(table[i].key, "subset") == 0 && same_file(given, now));
		if (!same)
			return et_fail(err, ET_EUSAGE,
				       "%s: the run goes on with %s, not %s; to train its weights "
				       "differently start a new run with "
				       "--init %s/model.safetensors",
				       table[i].key, *now ? now : "none", given, fit->resume);
	}
	return ET_OK;
}

static int check_spec(const struct et_spec *run, const struct et_fit *fit, struct et_err *err)
{
	struct et_spec given;

	if (!fit->spec)
		return ET_OK;
	ET_TRY(et_spec_read(&given, fit->spec, err));
	if (given.follows)
		ET_TRY(et_spec_set_classes(&given, run->classes, err));
	bool same = cJSON_Compare(given.json, run->json, true);
	et_spec_free(&given);
	return same ? ET_OK
		    : et_fail(err, ET_EUSAGE,
			      "%s is not the spec that %s was started with; leave SPEC and DATA "
			      "out to continue the run, or start "
			      "a new one with --init %s/model.safetensors",
			      fit->spec, fit->resume, fit->resume);
}

/* ---- opening --------------------------------------------------------------------------------- */

static void describe(const struct et_session *s, const char *data, const struct et_plan *plan)
{
	char need[32], have[32], modes[512];
	const char *val = et_session_val_name(s);

	et_log(s->env, ET_LOG_INFO,
	       "%s: %s, %zu pictures to train on, %zu to validate on (%s), %d classes", data,
	       et_dataset_format(s->ds), et_dataset_count(s->ds, ET_SPLIT_TRAIN),
	       s->val == ET_SPLITS ? 0 : et_dataset_count(s->ds, s->val), val ? val : "none",
	       s->spec.classes);
	et_log(s->env, ET_LOG_INFO,
	       "%s: %" PRIu64 " parameters, %" PRIu64
	       " of them train in %d layers: %s; batch norm %s",
	       s->spec.name, plan->parameters, plan->trainable, plan->trained_layers,
	       et_net_modes_text(&s->net, modes, sizeof(modes)),
	       s->net.frozen_bn ? "frozen" : "by batch");
	et_log(s->env, ET_LOG_INFO, "memory: %s of %s; kernels %s, %d threads",
	       et_human_bytes(plan->peak, need), et_human_bytes(plan->available, have),
	       s->ctx.k->name, s->ctx.threads);
}

static int open_new(struct et_trainer *t, const struct et_fit *fit, struct et_err *err)
{
	struct et_session *s = t->s;
	struct et_plan plan;

	if (!fit->spec || !fit->data || !fit->out)
		return et_fail(err, ET_EUSAGE, "a new run needs a spec, a dataset and --out");
	if (fit->init_partial && !fit->init)
		return et_fail(err, ET_EUSAGE, "--init-partial: expected --init FILE beside it");
	if (et_run_is(fit->out))
		return et_fail(err, ET_EUSAGE,
			       "--out %s: holds a run already; continue it with --resume %s, or "
			       "name another directory",
			       fit->out, fit->out);
	s->has_init = fit->init != NULL;
	s->init_partial = fit->init_partial;
	ET_TRY(et_spec_read(&s->spec, fit->spec, err));
	ET_TRY(et_session_net(s, s->spec.train, fit->conf, err));
	ET_TRY(et_session_data(s, fit->data, err));
	ET_TRY(et_session_fits(s, true, &plan, err));
	describe(s, fit->data, &plan);
	ET_TRY(et_net_alloc(&s->net, err));
	et_session_tell(s, s->env);
	ET_TRY(et_session_start(s, fit->init, err));
	ET_TRY(et_dir_make(fit->out, err));
	t->dir = fit->out;
	ET_TRY(et_run_describe(s, fit->out, fit->data, fit->init, err));
	return et_checkpoint_write(&s->net, &t->state, t->dir, err);
}

static int open_resumed(struct et_trainer *t, const struct et_fit *fit, struct et_run_info *info,
			struct et_err *err)
{
	struct et_session *s = t->s;
	struct et_plan plan;
	const char *data = fit->data;

	if (fit->init || fit->init_partial)
		return et_fail(err, ET_EUSAGE,
			       "--init and --resume exclude each other: --resume goes on with the "
			       "weights of the run, --init "
			       "starts a new run from a file of weights");
	if (!et_path_is_dir(fit->resume) && et_path_exists(fit->resume))
		return et_fail(err, ET_EUSAGE,
			       "--resume %s: expected a run directory, found a file; weights to "
			       "start from go to --init",
			       fit->resume);
	ET_TRY(et_run_read(fit->resume, info, err));
	t->dir = fit->resume;
	s->is_run = true;
	s->has_init = info->init != NULL;
	s->init_partial = info->init_partial;
	ET_TRY(et_spec_parse(&s->spec, info->spec_text, strlen(info->spec_text), fit->resume, err));
	ET_TRY(check_spec(&s->spec, fit, err));
	ET_TRY(et_session_net(s, info->train, NULL, err));
	ET_TRY(check_conf(s, fit, err));
	if (info->class_weight && info->n_class_weight == s->spec.classes) {
		s->class_weight = info->class_weight;
		info->class_weight = NULL;
	}
	if (!data)
		data = info->data;
	ET_TRY(et_session_data(s, data, err));
	if (et_dataset_fingerprint(s->ds) != info->fingerprint)
		return et_fail(err, ET_EDATA,
			       "%s is not the dataset that %s was started on: classes, files, "
			       "labels or the subset have changed",
			       data, fit->resume);
	ET_TRY(et_train_adopt(&s->t, fit->conf, err));
	ET_TRY(et_session_fits(s, true, &plan, err));
	describe(s, data, &plan);
	ET_TRY(et_net_alloc(&s->net, err));
	et_session_tell(s, s->env);
	int found = et_checkpoint_read(&s->net, &t->state, t->dir, err);
	ET_TRY(found);
	if (found)
		return ET_OK;
	ET_TRY(et_session_start(s, info->init, err));
	return et_checkpoint_write(&s->net, &t->state, t->dir, err);
}

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

/* What is known of a picture need not be decoded. */
static void use_cache(struct et_loader_conf *conf, struct et_cache *cache)
{
	if (!cache)
		return;
	conf->known = et_cache_known;
	conf->known_arg = cache;
}

/*
 * The columns of epochs.csv: val_miou and an IoU a class for masks. The caller frees it; NULL when
 * memory is refused.
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
	int status =
		fine ? et_csv_open(&t->epochs, t->dir, "epochs.csv", header, t->state.epoch, err)
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
	ET_TRY(et_csv_open(&t->steps, t->dir, "steps.csv", ET_STEPS_HEADER, t->state.step, err));
	ET_TRY(open_epochs(t, err));
	open_caches(t);
	use_cache(&train, s->train_cache);
	train.variants = (uint64_t)s->t.cache_variants;
	ET_TRY(et_loader_open(&t->train, &train, err));
	if (s->val != ET_SPLITS) {
		struct et_loader_conf val = et_session_loader(s, s->val, false);
		use_cache(&val, s->val_cache);
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
				    .peak_memory = et_machine_peak_rss()};
	r->images_per_s = r->seconds > 0 ? (double)r->images / r->seconds : NAN;
}

int et_fit(const struct et_env *env, const struct et_fit *fit, struct et_fit_result *result,
	   struct et_err *err)
{
	struct et_session s = {.env = env, .caches = true};
	struct et_run_info info = {0};
	struct et_trainer t = {
		.s = &s, .fit = fit, .begun = et_now(), .steps = {.fd = -1}, .epochs = {.fd = -1}};

	memset(result, 0, sizeof(*result));
	t.state.best_accuracy = t.state.last_loss = t.state.last_accuracy = NAN;
	t.state.last_val_loss = t.state.last_val_accuracy = t.state.last_val_miou = NAN;
	et_board_open(&t.board, "");
	t.p = (struct et_progress){.phase = ET_PHASE_LOAD, .eta_s = -1};
	if (fit->progress)
		fit->progress(fit->arg, &t.p);
	int status = fit->resume ? open_resumed(&t, fit, &info, err) : open_new(&t, fit, err);
	if (!status)
		status = open_files(&t, err);
	if (!status)
		status = et_trainer_run(&t, err);
	if (!status)
		fill_result(&t, result);
	et_board_close(&t.board);
	et_csv_close(&t.steps);
	et_csv_close(&t.epochs);
	et_loader_close(t.train);
	et_loader_close(t.val);
	et_cache_close(&t.train_cache);
	et_cache_close(&t.val_cache);
	et_run_info_free(&info);
	et_session_close(&s);
	free(t.confusion);
	free(t.iou);
	free(t.cells);
	return status;
}

/* How a run is opened: a new one, or one that goes on. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "run/trainer.h"

static int check_conf(const struct et_session *s, const struct et_fit *fit, struct et_err *err)
{
	size_t n;
	const struct et_setting *table = et_settings(&n);

	for (size_t i = 0; i < n; i++) {
		const char *given = et_conf_value(fit->conf, i);
		char now[8192];
		if (!given || et_train_may_change(i))
			continue;
		et_train_text(&s->t, i, now, sizeof(now));
		double a, b;
		bool same = strcmp(given, now) == 0 ||
			    (et_parse_f64(given, &a) && et_parse_f64(now, &b) && a == b) ||
			    (strcmp(table[i].key, "subset") == 0 && et_path_same(given, now));
		if (!same)
			return et_fail(err, ET_EUSAGE,
				       "%s: the run goes on with %s, not %s; to train its weights "
				       "differently start a new run with "
				       "--init %s/model.safetensors",
				       table[i].key, *now ? now : "none", given, fit->resume);
	}
	return ET_OK;
}

/* run.json has the whole path; the file may be gone by now, nobody needs it any more. */
static bool same_init(const char *run, const char *given)
{
	char *here = getcwd(NULL, 0), *whole = here ? et_path_join(here, given) : NULL;
	bool same = strcmp(run, given) == 0 || (whole && strcmp(run, whole) == 0) ||
		    et_path_same(run, given);

	free(here);
	free(whole);
	return same;
}

static int check_init(const struct et_run_info *info, const struct et_fit *fit, struct et_err *err)
{
	if (fit->init && (!info->init || !same_init(info->init, fit->init)))
		return et_fail(err, ET_EUSAGE,
			       "--init %s: the run %s was started from %s; name that, or another "
			       "directory for a new run",
			       fit->init, fit->resume, info->init ? info->init : "random weights");
	if (fit->init_partial && !info->init_partial)
		return et_fail(err, ET_EUSAGE, "--init-partial: the run %s was started without it",
			       fit->resume);
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
	if (!same && fit->resume_auto)
		return et_fail(err, ET_EUSAGE,
			       "%s is not the spec that %s was started with; continue the run with "
			       "--resume %s alone, or name another directory for a new one",
			       fit->spec, fit->resume, fit->resume);
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

static void open_saved(struct et_trainer *t)
{
	t->saved = (struct et_checkpoints){.env = t->s->env, .dir = t->dir, .keep = t->s->t.keep};
}

int et_trainer_open_new(struct et_trainer *t, const struct et_fit *fit, struct et_err *err)
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
	ET_TRY(et_trainer_room(t, err));
	ET_TRY(et_trainer_idle(t, err));
	const struct et_run_power power = {t->watch.source, t->watch.idle_w, fit->max_temp};
	ET_TRY(et_run_describe(s, fit->out, fit->data, fit->init, &power, err));
	open_saved(t);
	return et_checkpoint_write(&t->saved, &s->net, &t->state, err);
}

int et_trainer_open_resumed(struct et_trainer *t, const struct et_fit *fit,
			    struct et_run_info *info, struct et_err *err)
{
	struct et_session *s = t->s;
	struct et_plan plan;
	const char *data = fit->data;

	if (!fit->resume_auto && (fit->init || fit->init_partial))
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
	ET_TRY(check_init(info, fit, err));
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
	if (info->power_source && t->watch.source &&
	    strcmp(info->power_source, t->watch.source->name) == 0)
		t->watch.idle_w = info->idle_w;
	open_saved(t);
	int found = et_checkpoint_read(&t->saved, &s->net, &t->state, err);
	ET_TRY(found);
	if (!found)
		ET_TRY(et_session_start(s, info->init, err));
	if (t->state.epoch >= (uint64_t)s->t.epochs)
		return ET_OK;
	ET_TRY(et_trainer_room(t, err));
	ET_TRY(et_run_settle(t->dir, info, &s->t, err));
	ET_TRY(et_trainer_idle(t, err));
	return found ? ET_OK : et_checkpoint_write(&t->saved, &s->net, &t->state, err);
}

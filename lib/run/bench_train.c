/* A whole training in each mode of a bench. */
#include <ctype.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run/bench.h"

/* ---- directories ----------------------------------------------------------------------------- */

/* A recipe as a file name. */
static void file_name(const char *recipe, char *name)
{
	for (; *recipe; recipe++) {
		unsigned char c = (unsigned char)*recipe;
		*name++ = isalnum(c) || c == '.' || c == '_' ? (char)c : '-';
	}
	*name = 0;
}

static bool taken(const struct et_bench_run *r, int n, const char *dir)
{
	for (int i = 0; i < n; i++)
		if (strcmp(r->tally[i].dir, dir) == 0)
			return true;
	return false;
}

/* The name of mode i in the directory of the trainings; the same recipe again is numbered. */
static int name_run(struct et_bench_run *r, int i, struct et_err *err)
{
	char name[ET_RECIPE_TEXT], numbered[ET_RECIPE_TEXT + 16];

	file_name(r->result->mode[i].recipe, name);
	snprintf(numbered, sizeof(numbered), "%s", name);
	for (int k = 2; taken(r, i, numbered); k++)
		snprintf(numbered, sizeof(numbered), "%s-%d", name, k);
	r->tally[i].dir = et_strdup(numbered);
	return r->tally[i].dir ? ET_OK : et_fail(err, ET_ENOMEM, "out of memory");
}

int et_bench_name_runs(struct et_bench_run *r, struct et_err *err)
{
	const struct et_bench *b = r->bench;

	for (int i = 0; i < r->n; i++) {
		ET_TRY(name_run(r, i, err));
		char *path = b->out ? et_path_join(b->out, r->tally[i].dir) : NULL;
		bool is = b->epochs && path && et_run_is(path);
		free(path);
		if (is)
			return et_fail(err, ET_EUSAGE,
				       "--out %s: holds a run in %s already; name another "
				       "directory",
				       b->out, r->tally[i].dir);
	}
	return ET_OK;
}

/* A run directory holds files alone. */
static void remove_run(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *e;

	while (d && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
	rmdir(dir);
}

/* ---- training -------------------------------------------------------------------------------- */

/* What of a training is told, with the mode's name. */
struct teller {
	const struct et_bench *bench;
	const char *recipe;
};

static void tell_progress(void *arg, const struct et_progress *p)
{
	const struct teller *t = arg;
	if (t->bench->progress)
		t->bench->progress(t->bench->arg, t->recipe, p);
}

static void tell_epoch(void *arg, const struct et_epoch *e)
{
	const struct teller *t = arg;
	if (t->bench->epoch)
		t->bench->epoch(t->bench->arg, t->recipe, e);
}

/* The settings given, with this mode and so many epochs. */
static int make_conf(const struct et_bench *b, const char *recipe, struct et_conf *conf,
		     struct et_err *err)
{
	size_t n;
	char epochs[16];
	const struct et_setting *table = et_settings(&n);

	for (size_t i = 0; i < n; i++) {
		const char *given = b->conf ? et_conf_value(b->conf, i) : NULL;
		if (given)
			ET_TRY(et_conf_set(conf, table[i].key, given, err));
	}
	/* What nobody will see needs no second checkpoint. */
	if (!b->out)
		ET_TRY(et_conf_set(conf, "keep", "1", err));
	snprintf(epochs, sizeof(epochs), "%d", b->epochs);
	ET_TRY(et_conf_set(conf, "epochs", epochs, err));
	return et_conf_set(conf, "mode", recipe, err);
}

static int train(struct et_bench_run *r, int i, const char *dir, struct et_err *err)
{
	struct et_bench_mode *m = &r->result->mode[i];
	struct teller teller = {.bench = r->bench, .recipe = m->recipe};
	struct et_fit_result result;
	struct et_conf *conf = et_conf_new();
	struct et_fit fit = {.spec = r->bench->spec,
			     .data = r->bench->data,
			     .init = r->bench->init,
			     .init_partial = r->bench->init_partial,
			     .out = dir,
			     .conf = conf,
			     .progress = tell_progress,
			     .epoch = tell_epoch,
			     .arg = &teller};

	if (!conf)
		return et_fail(err, ET_ENOMEM, "out of memory");
	int status = make_conf(r->bench, m->recipe, conf, err);
	if (!status)
		status = et_fit(&r->quiet, &fit, &result, err);
	et_conf_free(conf);
	if (status == ET_ESTOP)
		return et_fail(err, ET_ESTOP, "stopped in the training in mode %s", m->recipe);
	if (status)
		return et_err_prefix(err, "mode %s", m->recipe);
	m->val_accuracy = result.val_accuracy;
	m->best_val_accuracy = result.val_split ? result.best_val_accuracy : NAN;
	m->val_miou = result.val_miou;
	m->best_val_miou = result.best_val_miou;
	m->seconds = result.seconds;
	m->train_j = result.energy_j;
	return ET_OK;
}

static int train_in(struct et_bench_run *r, const char *place, struct et_err *err)
{
	int status = ET_OK;

	for (int i = 0; i < r->n && !status; i++) {
		char *dir = et_path_join(place, r->tally[i].dir);
		if (!dir)
			return et_fail(err, ET_ENOMEM, "out of memory");
		status = train(r, i, dir, err);
		if (!r->bench->out)
			remove_run(dir);
		free(dir);
	}
	return status;
}

int et_bench_train(struct et_bench_run *r, struct et_err *err)
{
	const char *tmp = getenv("TMPDIR");

	if (r->bench->out)
		return train_in(r, r->bench->out, err);
	char *place = et_path_join(tmp && *tmp ? tmp : "/tmp", "edgetrain-bench.XXXXXX");
	if (!place)
		return et_fail(err, ET_ENOMEM, "out of memory");
	int status = mkdtemp(place) ? train_in(r, place, err)
				    : et_fail(err, ET_ECREATE,
					      "%s: cannot be made; TMPDIR names "
					      "a directory for it",
					      place);
	rmdir(place);
	free(place);
	return status;
}

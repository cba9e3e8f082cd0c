/* The one table of training settings: the spec's "train" keys and the command's options. */
#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "net/settings.h"

#define AT(member) offsetof(struct et_train, member)

static const struct et_setting table[] = {
	{"epochs", ET_SET_INT, "N", 1, 1000000, "10", "passes over the training set"},
	{"batch_size", ET_SET_INT, "N", 1, 65536, "32", "images an optimizer step"},
	{"micro_batch", ET_SET_INT, "N", 0, 65536, "0",
	 "images processed at once, gradients added up to a batch; 0: all"},
	{"optimizer", ET_SET_CHOICE, "sgd|adam|adamw", 0, 0, "sgd", "update rule"},
	{"lr", ET_SET_FLOAT, "X", 0, FLT_MAX, "0.05", "peak learning rate"},
	{"momentum", ET_SET_FLOAT, "X", 0, 0.9999, "0.9", "momentum of SGD"},
	{"weight_decay", ET_SET_FLOAT, "X", 0, 1000, "0.0001",
	 "L2 penalty (sgd, adam) or decoupled decay (adamw)"},
	{"beta1", ET_SET_FLOAT, "X", 0, 0.9999999, "0.9", "decay of Adam's first moment"},
	{"beta2", ET_SET_FLOAT, "X", 0, 0.9999999, "0.999", "decay of Adam's second moment"},
	{"eps", ET_SET_FLOAT, "X", 1e-30, 1, "1e-8", "Adam's epsilon"},
	{"schedule", ET_SET_CHOICE, "constant|step|cosine", 0, 0, "cosine",
	 "course of the learning rate"},
	{"lr_min", ET_SET_FLOAT, "X", 0, FLT_MAX, "0", "learning rate at the end of a cosine"},
	{"warmup", ET_SET_FLOAT, "EPOCHS", 0, 100000, "0", "epochs of linear warm-up"},
	{"step_size", ET_SET_FLOAT, "EPOCHS", 1e-6, 1000000, "10",
	 "epochs between drops of the step schedule"},
	{"gamma", ET_SET_FLOAT, "X", 0, 1, "0.1", "factor of each drop of the step schedule"},
	{"clip_norm", ET_SET_FLOAT, "X", 0, FLT_MAX, "0",
	 "largest norm of the whole gradient; 0: no clipping"},
	{"label_smoothing", ET_SET_FLOAT, "X", 0, 1, "0",
	 "share of the target spread over all classes"},
	{"class_weights", ET_SET_TEXT, "none|auto|FILE", 0, 0, "none",
	 "weight of each class in the loss; auto: inverse frequency; FILE: one number a line"},
	{"trainable", ET_SET_LIST, "GLOB,...", 0, 0, "",
	 "train only the parameters or layers whose names match; all when empty"},
	{"last", ET_SET_INT, "K", 0, 100000, "0",
	 "train only the last K convolutions and what follows them; 0: all"},
	{"bn", ET_SET_CHOICE, "auto|batch|frozen", 0, 0, "auto",
	 "batch norm: batch statistics, or the stored ones; auto: stored where weights are given"},
	{"mode", ET_SET_TEXT, "RECIPE", 0, 0, "exact",
	 "gradient mode; 'edgetrain modes' lists them"},
	{"modes", ET_SET_MAP, "GLOB=RECIPE;...", 0, 0, "",
	 "gradient modes of single layers: the last glob that matches counts, else mode"},
	{"augment", ET_SET_LIST, "WORD,...", 0, 0, "none",
	 "flip, crop:PIXELS, rrc:MIN-MAX, scale:MIN-MAX, jitter:X, cutout:PIXELS, or none"},
	{"seed", ET_SET_INT, "N", 0, 9007199254740992.0, "0",
	 "seed of initial weights, order and augmentation"},
	{"subset", ET_SET_TEXT, "FILE", 0, 0, "",
	 "train on the pictures listed in FILE: a number from 0 or, in folders, a path a line"},
	{"val_fraction", ET_SET_FLOAT, "X", -1, 0.9, "-1",
	 "share of the training set held out for validation; negative: 0.1 where the data has no "
	 "other"},
	{"on_bad_image", ET_SET_CHOICE, "fail|skip", 0, 0, "fail",
	 "what to do about a picture that cannot be read"},
	{"cache", ET_SET_TEXT, "SIZE|auto|off", 0, 0, "auto",
	 "room for what frozen layers make of the pictures; auto: half of the memory to spare"},
	{"cache_variants", ET_SET_INT, "K", 0, 1000, "0",
	 "augment each picture in K ways only, so that their features can be kept; 0: no limit"},
	{"winograd", ET_SET_CHOICE, "auto|off", 0, 0, "auto",
	 "3x3 convolutions with fewer products and a little more rounding where that is faster"},
	{"save_steps", ET_SET_INT, "N", 0, 1000000000, "0",
	 "steps between checkpoints within an epoch; 0: only at its end"},
	{"keep", ET_SET_INT, "N", 1, 1000, "2",
	 "checkpoints that stay: the latest, and those before it to fall back on"},
};

/* Where each key lives in struct et_train; the same order as above. */
static const size_t place[] = {
	AT(epochs),
	AT(batch_size),
	AT(micro_batch),
	AT(optimizer),
	AT(lr),
	AT(momentum),
	AT(weight_decay),
	AT(beta1),
	AT(beta2),
	AT(eps),
	AT(schedule),
	AT(lr_min),
	AT(warmup),
	AT(step_size),
	AT(gamma),
	AT(clip_norm),
	AT(label_smoothing),
	AT(class_weights),
	AT(trainable),
	AT(last),
	AT(bn),
	AT(mode),
	AT(modes),
	AT(augment),
	AT(seed),
	AT(subset),
	AT(val_fraction),
	AT(on_bad_image),
	AT(cache),
	AT(cache_variants),
	AT(winograd),
	AT(save_steps),
	AT(keep),
};
_Static_assert(ET_COUNT(table) == ET_COUNT(place), "a setting without a place");

const struct et_setting *et_settings(size_t *n)
{
	*n = ET_COUNT(table);
	return table;
}

static const struct et_setting *find(const char *key, size_t *index)
{
	for (size_t i = 0; i < ET_COUNT(table); i++)
		if (strcmp(table[i].key, key) == 0) {
			*index = i;
			return &table[i];
		}
	return NULL;
}

static size_t index_of(const char *key)
{
	size_t i = 0;
	find(key, &i);
	return i;
}

/* ---- explicit choices ------------------------------------------------------------------------ */

struct et_conf {
	char *value[ET_COUNT(table)];
};

struct et_conf *et_conf_new(void)
{
	return et_calloc(1, sizeof(struct et_conf));
}

void et_conf_free(struct et_conf *conf)
{
	for (size_t i = 0; conf && i < ET_COUNT(table); i++)
		free(conf->value[i]);
	free(conf);
}

/* Puts text into t (or only checks it, with t NULL). code: ET_EUSAGE or ET_EDATA. */
static int assign(struct et_train *t, size_t i, const char *text, int code, struct et_err *err)
{
	const struct et_setting *s = &table[i];
	char *at = t ? (char *)t + place[i] : NULL;

	switch (s->kind) {
	case ET_SET_INT: {
		int64_t v;
		if (!et_parse_i64(text, &v) || (double)v < s->min || (double)v > s->max)
			return et_fail(err, code,
				       "%s: expected an integer from %.0f to %.0f, found '%.100s'",
				       s->key, s->min, s->max, text);
		if (t && place[i] == AT(seed))
			*(int64_t *)(void *)at = v;
		else if (t)
			*(int *)(void *)at = (int)v;
		return ET_OK;
	}
	case ET_SET_FLOAT: {
		double v;
		if (!et_parse_f64(text, &v) || !(v >= s->min && v <= s->max))
			return et_fail(err, code,
				       "%s: expected a number from %g to %g, found '%.100s'",
				       s->key, s->min, s->max, text);
		if (t)
			*(double *)(void *)at = v;
		return ET_OK;
	}
	case ET_SET_CHOICE: {
		int v = et_choice_index(s->arg, text);
		if (v < 0)
			return et_fail(err, code, "%s: expected one of %s, found '%.100s'", s->key,
				       s->arg, text);
		if (t)
			*(int *)(void *)at = v;
		return ET_OK;
	}
	case ET_SET_TEXT:
	case ET_SET_LIST:
	case ET_SET_MAP:
		if (t) {
			char *copy = et_strdup(text);
			if (!copy)
				return et_fail(err, ET_ENOMEM, "out of memory");
			free(*(char **)(void *)at);
			*(char **)(void *)at = copy;
		}
		return ET_OK;
	}
	return et_fail(err, ET_EINTERNAL, "setting %s has no kind", s->key);
}

static int unknown(const char *key, int code, struct et_err *err)
{
	const char *names[ET_COUNT(table)];
	for (size_t i = 0; i < ET_COUNT(table); i++)
		names[i] = table[i].key;
	const char *near = et_nearest(key, names, ET_COUNT(table));
	return et_fail(err, code, "train: unknown key '%.100s'%s%s%s", key,
		       near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

int et_conf_set(struct et_conf *conf, const char *key, const char *value, struct et_err *err)
{
	size_t i;
	if (!find(key, &i))
		return unknown(key, ET_EUSAGE, err);
	ET_TRY(assign(NULL, i, value, ET_EUSAGE, err));
	char *copy = et_strdup(value);
	if (!copy)
		return et_fail(err, ET_ENOMEM, "out of memory");
	free(conf->value[i]);
	conf->value[i] = copy;
	return ET_OK;
}

const char *et_conf_value(const struct et_conf *conf, size_t i)
{
	return conf ? conf->value[i] : NULL;
}

/* ---- reading --------------------------------------------------------------------------------- */

static int read_all(struct et_train *t, const cJSON *train, const struct et_conf *conf,
		    struct et_err *err)
{
	for (size_t i = 0; i < ET_COUNT(table); i++)
		ET_TRY(assign(t, i, table[i].initial, ET_EINTERNAL, err));
	for (const cJSON *v = train ? train->child : NULL; v; v = v->next) {
		size_t i;
		char *text = NULL;
		if (!find(v->string, &i))
			return unknown(v->string, ET_EDATA, err);
		ET_TRY(et_setting_json(v, &table[i], &text, err));
		int status = assign(t, i, text, ET_EDATA, err);
		free(text);
		if (status)
			return et_err_prefix(err, "train");
	}
	for (size_t i = 0; conf && i < ET_COUNT(table); i++)
		if (conf->value[i])
			ET_TRY(assign(t, i, conf->value[i], ET_EUSAGE, err));
	return ET_OK;
}

/* code: what a wrong combination is, a wrong use or wrong data. */
static int check(struct et_train *t, int code, struct et_err *err)
{
	if (t->last && *t->trainable)
		return et_fail(err, code,
			       "last and trainable exclude each other: found last %d and trainable "
			       "'%.100s'",
			       t->last, t->trainable);
	if (t->micro_batch > t->batch_size)
		return et_fail(err, code, "micro_batch must not exceed batch_size: found %d and %d",
			       t->micro_batch, t->batch_size);
	if (t->schedule == ET_COSINE && t->lr_min > t->lr)
		return et_fail(err, code, "lr_min must not exceed lr: found %g and %g", t->lr_min,
			       t->lr);
	uint64_t size;
	if (strcmp(t->cache, "auto") != 0 && strcmp(t->cache, "off") != 0 &&
	    !et_parse_size(t->cache, &size))
		return et_fail(err, code,
			       "cache: expected auto, off or a size such as 500M, found '%.100s'",
			       t->cache);
	struct et_recipe recipe;
	if (et_recipe_parse(t->mode, &recipe, err)) {
		err->code = code;
		return code;
	}
	if (!*t->augment)
		return assign(t, index_of("augment"), "none", ET_EINTERNAL, err);
	return ET_OK;
}

int et_train_read(struct et_train *t, const cJSON *train, const struct et_conf *conf,
		  struct et_err *err)
{
	memset(t, 0, sizeof(*t));
	if (train && !cJSON_IsObject(train))
		return et_fail(err, ET_EDATA, "train: expected an object");
	int status = read_all(t, train, conf, err);
	/* An explicit choice of layers replaces the spec's, whichever of the two ways it was made.
	 */
	size_t globs = index_of("trainable"), last = index_of("last");
	if (!status && conf && conf->value[globs] && !conf->value[last])
		t->last = 0;
	if (!status && conf && conf->value[last] && !conf->value[globs])
		status = assign(t, globs, "", ET_EINTERNAL, err);
	if (!status)
		status = check(t, conf ? ET_EUSAGE : ET_EDATA, err);
	if (status)
		et_train_free(t);
	return status;
}

bool et_train_may_change(size_t i)
{
	static const char *const keys[] = {"epochs", "save_steps", "keep", "on_bad_image", "cache"};

	for (size_t k = 0; k < ET_COUNT(keys); k++)
		if (strcmp(table[i].key, keys[k]) == 0)
			return true;
	return false;
}

int et_train_adopt(struct et_train *t, const struct et_conf *conf, struct et_err *err)
{
	for (size_t i = 0; conf && i < ET_COUNT(table); i++)
		if (conf->value[i] && et_train_may_change(i))
			ET_TRY(assign(t, i, conf->value[i], ET_EUSAGE, err));
	return ET_OK;
}

void et_train_free(struct et_train *t)
{
	free(t->class_weights);
	free(t->trainable);
	free(t->mode);
	free(t->modes);
	free(t->augment);
	free(t->subset);
	free(t->cache);
	t->class_weights = t->trainable = t->mode = t->modes = t->augment = t->subset = t->cache =
		NULL;
}

void et_train_text(const struct et_train *t, size_t i, char *buf, size_t n)
{
	const struct et_setting *s = &table[i];
	const char *at = (const char *)t + place[i], *word;
	char name[32];
	int len;

	switch (s->kind) {
	case ET_SET_INT:
		if (place[i] == AT(seed))
			snprintf(buf, n, "%lld", (long long)*(const int64_t *)(const void *)at);
		else
			snprintf(buf, n, "%d", *(const int *)(const void *)at);
		return;
	case ET_SET_FLOAT:
		et_setting_spell(*(const double *)(const void *)at, name);
		snprintf(buf, n, "%s", name);
		return;
	case ET_SET_CHOICE:
		len = et_choice_word(s->arg, *(const int *)(const void *)at, &word);
		snprintf(buf, n, "%.*s", len, word);
		return;
	case ET_SET_TEXT:
	case ET_SET_LIST:
	case ET_SET_MAP:
		snprintf(buf, n, "%s", *(char *const *)(const void *)at);
		return;
	}
}

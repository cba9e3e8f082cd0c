/* The option table: building and parsing. */
#include <stdlib.h>
#include <string.h>

#include "options.h"

/* ---- building -------------------------------------------------------------------------------- */

int options_add(struct options *o, const struct option *add, size_t n, struct et_err *err)
{
	if (o->room - o->n < n) {
		size_t room = o->room + n + 32;
		struct option *all = realloc(o->all, room * sizeof(*all));
		if (!all)
			return et_fail(err, ET_ENOMEM, "no memory for the table of options");
		o->all = all;
		o->room = room;
	}
	memcpy(o->all + o->n, add, n * sizeof(*add));
	o->n += n;
	return ET_OK;
}

/* One setting, its key with dashes for a name. */
static int add_setting(struct options *o, struct et_conf *conf, const struct et_setting *s,
		       struct et_err *err)
{
	char **names = realloc(o->names, (o->n_names + 1) * sizeof(*names));
	if (names)
		o->names = names;
	char *name = names ? strdup(s->key) : NULL;
	if (!name)
		return et_fail(err, ET_ENOMEM, "no memory for the table of options");
	o->names[o->n_names++] = name;
	for (char *c = name; *c; c++)
		if (*c == '_')
			*c = '-';
	const struct option option = {.kind = OPTION_SETTING,
				      .name = name,
				      .arg = s->arg,
				      .value = conf,
				      .initial = s->initial,
				      .help = s->help,
				      .key = s->key};
	return options_add(o, &option, 1, err);
}

static bool listed(const char *key, const char *const *keys)
{
	for (; *keys; keys++)
		if (strcmp(key, *keys) == 0)
			return true;
	return false;
}

int options_add_settings(struct options *o, struct et_conf *conf, const char *const *keys,
			 struct et_err *err)
{
	size_t n;
	const struct et_setting *settings = et_settings(&n);
	const struct option heading = {
		OPTION_HEADING, .help = "Training (also in SPEC: \"train\": {\"batch_size\": 8})"};
	ET_TRY(options_add(o, &heading, 1, err));
	for (size_t i = 0; i < n; i++)
		if (!keys || listed(settings[i].key, keys))
			ET_TRY(add_setting(o, conf, &settings[i], err));
	return ET_OK;
}

void options_drop_settings(struct options *o, const char *const *names)
{
	for (; *names; names++)
		for (size_t i = 0; i < o->n; i++)
			if (o->all[i].kind == OPTION_SETTING &&
			    strcmp(o->all[i].name, *names) == 0) {
				o->n--;
				memmove(&o->all[i], &o->all[i + 1], (o->n - i) * sizeof(*o->all));
				break;
			}
}

void options_free(struct options *o)
{
	for (size_t i = 0; i < o->n_names; i++)
		free(o->names[i]);
	free(o->names);
	free(o->all);
	*o = (struct options){0};
}

/* ---- values ---------------------------------------------------------------------------------- */

static int store_int(const struct option *opt, const char *text, struct et_err *err)
{
	int64_t v;
	if (!et_parse_i64(text, &v) || (double)v < opt->min || (double)v > opt->max)
		return et_fail(err, ET_EUSAGE,
			       "--%s: expected a whole number from %.0f to %.0f, found '%s'",
			       opt->name, opt->min, opt->max, text);
	*(int *)opt->value = (int)v;
	return ET_OK;
}

static int store_size(const struct option *opt, const char *text, struct et_err *err)
{
	uint64_t v;
	if (!et_parse_size(text, &v) || v == 0)
		return et_fail(err, ET_EUSAGE,
			       "--%s: expected a size above 0 such as 400M or 1.5G, found '%s'",
			       opt->name, text);
	*(uint64_t *)opt->value = v;
	return ET_OK;
}

static int store_float(const struct option *opt, const char *text, struct et_err *err)
{
	double v;
	if (!et_parse_f64(text, &v) || !(v >= opt->min && v <= opt->max))
		return et_fail(err, ET_EUSAGE, "--%s: expected a number from %g to %g, found '%s'",
			       opt->name, opt->min, opt->max, text);
	*(double *)opt->value = v;
	return ET_OK;
}

static int store_time(const struct option *opt, const char *text, struct et_err *err)
{
	double v;
	if (!et_parse_duration(text, &v) || !(v > 0))
		return et_fail(err, ET_EUSAGE,
			       "--%s: expected a time such as 90s, 45m, 8h or 1h30m, found '%s'",
			       opt->name, text);
	*(double *)opt->value = v;
	return ET_OK;
}

static int store_energy(const struct option *opt, const char *text, struct et_err *err)
{
	double v;
	if (!et_parse_energy(text, &v) || !(v > 0))
		return et_fail(err, ET_EUSAGE,
			       "--%s: expected an energy such as 500J, 20kJ or 50Wh, found '%s'",
			       opt->name, text);
	*(double *)opt->value = v;
	return ET_OK;
}

static int store_clock(const struct option *opt, const char *text, struct et_err *err)
{
	int minutes;
	if (!et_parse_clock(text, &minutes))
		return et_fail(err, ET_EUSAGE,
			       "--%s: expected a time of the day from 0:00 to 23:59, found '%s'",
			       opt->name, text);
	*(const char **)opt->value = text;
	return ET_OK;
}

static int store_text(const struct option *opt, const char *text, struct et_err *err)
{
	if (!*text)
		return et_fail(err, ET_EUSAGE, "--%s: expected %s, found an empty text", opt->name,
			       opt->arg);
	*(const char **)opt->value = text;
	return ET_OK;
}

static int store_choice(const struct option *opt, const char *text, struct et_err *err)
{
	if (et_choice_index(opt->arg, text) < 0)
		return et_fail(err, ET_EUSAGE, "--%s: expected %s, found '%s'", opt->name, opt->arg,
			       text);
	*(const char **)opt->value = text;
	return ET_OK;
}

/* The library names the setting by its key; here it was typed with dashes. */
static int store_setting(const struct option *opt, const char *text, struct et_err *err)
{
	int status = et_conf_set(opt->value, opt->key, text, err);
	size_t n = strlen(opt->key);
	if (status < 0 && strncmp(err->text, opt->key, n) == 0 && err->text[n] == ':') {
		struct et_err said = *err;
		return et_fail(err, status, "--%s%s", opt->name, said.text + n);
	}
	return status;
}

static int store(const struct option *opt, const char *text, struct et_err *err)
{
	switch (opt->kind) {
	case OPTION_FLAG:
		*(bool *)opt->value = true;
		return ET_OK;
	case OPTION_INT:
		return store_int(opt, text, err);
	case OPTION_SIZE:
		return store_size(opt, text, err);
	case OPTION_FLOAT:
		return store_float(opt, text, err);
	case OPTION_TIME:
		return store_time(opt, text, err);
	case OPTION_ENERGY:
		return store_energy(opt, text, err);
	case OPTION_CLOCK:
		return store_clock(opt, text, err);
	case OPTION_TEXT:
		return store_text(opt, text, err);
	case OPTION_CHOICE:
		return store_choice(opt, text, err);
	case OPTION_SETTING:
		return store_setting(opt, text, err);
	case OPTION_HEADING:
		break;
	}
	return et_fail(err, ET_EINTERNAL, "--%s: an option of no kind", opt->name);
}

/* ---- parsing --------------------------------------------------------------------------------- */

static int unknown(const struct options *o, const char *name, struct et_err *err)
{
	const char **names = calloc(o->n ? o->n : 1, sizeof(*names));
	if (!names)
		return et_fail(err, ET_ENOMEM, "no memory for the table of options");
	size_t n = 0;
	for (size_t i = 0; i < o->n; i++)
		if (o->all[i].name)
			names[n++] = o->all[i].name;
	const char *near = et_nearest(name, names, n);
	if (near)
		et_fail(err, ET_EUSAGE, "unknown option --%s; the nearest is --%s", name, near);
	else
		et_fail(err, ET_EUSAGE, "unknown option --%s; --help lists those there are", name);
	free(names);
	return ET_EUSAGE;
}

/* One --name, --name=value, or --name and the next argument, which *i then moves to. */
static int parse_long(const struct options *o, int argc, char **argv, int *i, struct et_err *err)
{
	const char *name = argv[*i] + 2, *equals = strchr(name, '=');
	size_t len = equals ? (size_t)(equals - name) : strlen(name);
	for (size_t k = 0; k < o->n; k++) {
		const struct option *opt = &o->all[k];
		if (!opt->name || strlen(opt->name) != len || memcmp(opt->name, name, len) != 0)
			continue;
		if (!opt->arg) {
			if (equals)
				return et_fail(err, ET_EUSAGE, "--%s: takes no value, found '%s'",
					       opt->name, equals + 1);
			return store(opt, NULL, err);
		}
		if (equals)
			return store(opt, equals + 1, err);
		if (*i + 1 >= argc)
			return et_fail(err, ET_EUSAGE, "--%s: expected %s, found nothing",
				       opt->name, opt->arg);
		return store(opt, argv[++*i], err);
	}
	char *bare = strndup(name, len);
	if (!bare)
		return et_fail(err, ET_ENOMEM, "no memory for the table of options");
	int status = unknown(o, bare, err);
	free(bare);
	return status;
}

/* A bundle of letters; the first that takes a value takes the rest, or the next argument. */
static int parse_short(const struct options *o, int argc, char **argv, int *i, struct et_err *err)
{
	for (const char *c = argv[*i] + 1; *c; c++) {
		const struct option *opt = NULL;
		for (size_t k = 0; k < o->n && !opt; k++)
			if (o->all[k].letter == *c)
				opt = &o->all[k];
		if (!opt)
			return et_fail(err, ET_EUSAGE,
				       "unknown option -%c in '%s'; --help lists those there are",
				       *c, argv[*i]);
		if (!opt->arg) {
			ET_TRY(store(opt, NULL, err));
			continue;
		}
		if (c[1])
			return store(opt, c + 1, err);
		if (*i + 1 >= argc)
			return et_fail(err, ET_EUSAGE, "-%c: expected %s, found nothing", *c,
				       opt->arg);
		return store(opt, argv[++*i], err);
	}
	return ET_OK;
}

int options_parse(const struct options *o, int argc, char **argv, struct et_err *err)
{
	/* Operands move forward only, so they never overtake what is still to be read. */
	int operands = 0;
	bool ended = false;
	for (int i = 1; i < argc; i++) {
		char *word = argv[i];
		if (ended || word[0] != '-' || !word[1]) {
			argv[operands++] = word;
			ended |= o->first_operand_ends;
		} else if (strcmp(word, "--") == 0) {
			ended = true;
		} else if (word[1] == '-') {
			ET_TRY(parse_long(o, argc, argv, &i, err));
		} else {
			ET_TRY(parse_short(o, argc, argv, &i, err));
		}
	}
	return operands;
}

/* Reading of recipes: "filter:4,scale=paper+smd:0.5". */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "mode/mode.h"

#define WORD_MAX 64

/* Cuts the next word off *text, up to one of `ends`, which stays. */
static int next_word(const char **text, const char *ends, char word[WORD_MAX], const char *whole,
		     struct et_err *err)
{
	size_t n = strcspn(*text, ends);

	if (!n || n >= WORD_MAX)
		return et_fail(err, ET_EUSAGE,
			       "mode: expected a word of 1 to %d characters at '%.60s' in '%.100s'",
			       WORD_MAX - 1, *text, whole);
	memcpy(word, *text, n);
	word[n] = 0;
	*text += n;
	return ET_OK;
}

static const struct et_mode *find(const char *name, struct et_err *err)
{
	const char *names[64];
	size_t n = 0;

	for (; et_modes[n]; n++) {
		names[n] = et_modes[n]->name;
		if (strcmp(name, names[n]) == 0)
			return et_modes[n];
	}
	const char *near = et_nearest(name, names, n);
	et_fail(err, ET_EUSAGE, "mode: unknown technique '%s'%s%s%s", name,
		near ? " (did you mean '" : "; 'edgetrain modes' lists them", near ? near : "",
		near ? "'?)" : "");
	return NULL;
}

/* Reads value into key i of t. */
static int put(struct et_technique *t, size_t i, const char *value, struct et_err *err)
{
	const struct et_mode_key *k = &t->mode->key[i];
	double v;

	if (k->choices) {
		int at = et_choice_index(k->choices, value);
		if (at < 0)
			return et_fail(err, ET_EUSAGE,
				       "mode: %s: %s: expected one of %s, found '%s'",
				       t->mode->name, k->name, k->choices, value);
		t->opt[i] = at;
		return ET_OK;
	}
	if (!et_parse_f64(value, &v) || !(v >= k->min && v <= k->max) ||
	    (k->integer && v != floor(v)))
		return et_fail(err, ET_EUSAGE,
			       "mode: %s: %s: expected %s from %g to %g, found '%s'", t->mode->name,
			       k->name, k->integer ? "an integer" : "a number", k->min, k->max,
			       value);
	t->opt[i] = v;
	return ET_OK;
}

static size_t count_keys(const struct et_mode *m)
{
	size_t n = 0;
	while (n < ET_MODE_KEYS && m->key[n].name)
		n++;
	return n;
}

static int unknown_key(const struct et_mode *m, const char *word, struct et_err *err)
{
	char known[200] = "no options";
	size_t used = 0;

	for (size_t i = 0; i < count_keys(m) && used < sizeof(known); i++)
		used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", i ? ", " : "",
					 m->key[i].name);
	return et_fail(err, ET_EUSAGE, "mode: %s: expected %s, found '%s'", m->name, known, word);
}

/* One option: name=value, a choice by its word alone, or the next number. */
static int read_option(struct et_technique *t, char *word, size_t *numbers, struct et_err *err)
{
	const struct et_mode *m = t->mode;
	size_t n = count_keys(m);
	char *value = strchr(word, '=');

	if (value) {
		*value++ = 0;
		for (size_t i = 0; i < n; i++)
			if (strcmp(m->key[i].name, word) == 0)
				return put(t, i, value, err);
		return unknown_key(m, word, err);
	}
	for (size_t i = 0; i < n; i++)
		if (et_choice_index(m->key[i].choices, word) >= 0)
			return put(t, i, word, err);
	while (*numbers < n && m->key[*numbers].choices)
		++*numbers;
	if (*numbers >= n)
		return unknown_key(m, word, err);
	return put(t, (*numbers)++, word, err);
}

static int read_technique(const char **text, struct et_technique *t, const char *whole,
			  struct et_err *err)
{
	char word[WORD_MAX];
	size_t numbers = 0;

	ET_TRY(next_word(text, ":+", word, whole, err));
	t->mode = find(word, err);
	if (!t->mode)
		return err->code;
	for (size_t i = 0; i < ET_MODE_KEYS; i++)
		t->opt[i] = t->mode->key[i].initial;
	while (**text == ':' || **text == ',') {
		++*text;
		ET_TRY(next_word(text, ",+", word, whole, err));
		ET_TRY(read_option(t, word, &numbers, err));
	}
	for (size_t i = 0; i < count_keys(t->mode); i++)
		if (isnan(t->opt[i]))
			return et_fail(err, ET_EUSAGE, "mode: %s needs %s (%s): %s:%g",
				       t->mode->name, t->mode->key[i].name, t->mode->key[i].help,
				       t->mode->name, t->mode->key[i].min);
	return ET_OK;
}

int et_recipe_parse(const char *text, struct et_recipe *recipe, struct et_err *err)
{
	const struct et_mode *taken[ET_AXES] = {0};
	const char *at = text;

	memset(recipe, 0, sizeof(*recipe));
	do {
		struct et_technique t;
		at += at != text;
		ET_TRY(read_technique(&at, &t, text, err));
		if (taken[t.mode->axis])
			return et_fail(err, ET_EUSAGE,
				       "mode: %s and %s exclude each other, in '%.100s'",
				       taken[t.mode->axis]->name, t.mode->name, text);
		taken[t.mode->axis] = t.mode;
		bool off = t.mode->standing && t.opt[0] == ET_MODE_OFF;
		if (t.mode != et_modes[0] && !off)
			recipe->on[t.mode->axis] = t;
	} while (*at == '+');
	for (size_t i = 0; et_modes[i]; i++)
		if (et_modes[i]->standing && !taken[et_modes[i]->axis])
			recipe->on[et_modes[i]->axis].mode = et_modes[i];
	return ET_OK;
}

/* ---- and writing ----------------------------------------------------------------------------- */

static void add(char *buf, size_t n, const char *text)
{
	size_t used = strlen(buf);
	snprintf(buf + used, n - used, "%s", text);
}

static void add_technique(const struct et_technique *t, char *buf, size_t n)
{
	const char *sep = ":";

	add(buf, n, *buf ? "+" : "");
	add(buf, n, t->mode->name);
	for (size_t i = 0; i < count_keys(t->mode); i++) {
		const struct et_mode_key *k = &t->mode->key[i];
		char word[WORD_MAX];
		if (t->opt[i] == k->initial)
			continue;
		const char *c;
		int len = k->choices ? et_choice_word(k->choices, (int)t->opt[i], &c) : 0;
		if (len)
			snprintf(word, sizeof(word), "%s%s=%.*s", sep, k->name, len, c);
		else if (i == 0)
			snprintf(word, sizeof(word), "%s%.15g", sep, t->opt[i]);
		else
			snprintf(word, sizeof(word), "%s%s=%.15g", sep, k->name, t->opt[i]);
		add(buf, n, word);
		sep = ",";
	}
}

const char *et_recipe_text(const struct et_recipe *recipe, char *buf, size_t n)
{
	buf[0] = 0;
	for (int axis = 0; axis < ET_AXES; axis++) {
		const struct et_technique *t = &recipe->on[axis];
		if (t->mode && !t->mode->standing)
			add_technique(t, buf, n);
	}
	if (!*buf)
		add(buf, n, "exact");
	for (size_t i = 0; et_modes[i]; i++)
		if (et_modes[i]->standing && !recipe->on[et_modes[i]->axis].mode) {
			add(buf, n, "+");
			add(buf, n, et_modes[i]->name);
			add(buf, n, ":off");
		}
	return buf;
}

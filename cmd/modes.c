/* edgetrain modes: the techniques that recipes of gradient modes are made of. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"

static int options(struct call *c, struct options *o, struct et_err *err)
{
	(void)c;
	return add_heading(o, "Modes", err);
}

static size_t longest_name(void)
{
	struct et_mode_info m;
	size_t most = 0;

	for (size_t i = 0; et_mode_get(i, &m); i++)
		most = strlen(m.name) > most ? strlen(m.name) : most;
	return most;
}

static void print_all(void)
{
	struct et_mode_info m;
	int width = (int)longest_name();

	for (size_t i = 0; et_mode_get(i, &m); i++)
		printf("%-*s  %-13s  %s\n", width, m.name, m.axis, m.help);
}

static void print_option(const struct et_mode_option *o)
{
	const char *word;

	printf("  %s=", o->name);
	if (o->choices)
		printf("%s", o->choices);
	else
		printf("%s from %g to %g", o->integer ? "an integer" : "a number", o->min, o->max);
	if (isnan(o->initial)) {
		printf("; must be given\n");
	} else if (o->choices) {
		int n = et_choice_word(o->choices, (int)o->initial, &word);
		printf("; default %.*s\n", n, word);
	} else {
		printf("; default %g\n", o->initial);
	}
	printf("    %s\n", o->help);
}

static void print_one(const struct et_mode_info *m)
{
	printf("%s: %s\n", m->name, m->help);
	printf("axis       %s\n", m->axis);
	if (m->reference)
		printf("reference  %s\n", m->reference);
	if (m->standing)
		printf("standing   in every recipe that does not say %s:off\n", m->name);
	if (m->whole_batch)
		printf("batches    whole: refused with micro-batches\n");
	printf(m->options ? "options\n" : "options    none\n");
	for (int i = 0; i < m->options; i++)
		print_option(&m->option[i]);
	printf("'man edgetrain-modes' says more.\n");
}

static int unknown(const char *name, struct et_err *err)
{
	const char *names[64];
	struct et_mode_info m;
	size_t n = 0;

	for (; n < sizeof(names) / sizeof(names[0]) && et_mode_get(n, &m); n++)
		names[n] = m.name;
	const char *near = et_nearest(name, names, n);
	if (near)
		return et_fail(err, ET_EUSAGE, "unknown technique '%s'; the nearest is '%s'", name,
			       near);
	return et_fail(err, ET_EUSAGE, "unknown technique '%s'; 'edgetrain modes' lists them",
		       name);
}

static int run(struct call *c, struct et_err *err)
{
	struct et_mode_info m;

	if (c->operands > 1)
		return et_fail(err, ET_EUSAGE, "unexpected operand '%s' after NAME", c->operand[1]);
	if (c->operands == 0) {
		print_all();
		return ET_OK;
	}
	for (size_t i = 0; et_mode_get(i, &m); i++)
		if (strcmp(m.name, c->operand[0]) == 0) {
			print_one(&m);
			return ET_OK;
		}
	return unknown(c->operand[0], err);
}

const struct command command_modes = {
	"modes",
	"techniques of gradient modes, or all about one",
	"Usage: edgetrain modes [OPTION]... [NAME]\n"
	"List the techniques that --mode and --modes join to recipes, or print all about NAME.\n",
	1, /* nothing of its own */
	options,
	run,
};

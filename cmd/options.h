/*
 * Command-line options from one table a command: it parses, checks, and prints the help. GNU
 * habits: --name=value or --name value, -n value or -nvalue, short flags bundled, options after
 * operands, "--" ends the options, the last of several wins.
 */
#ifndef CMD_OPTIONS_H
#define CMD_OPTIONS_H

#include <stdio.h>

#include "edgetrain.h"

enum option_kind {
	OPTION_FLAG,	/* bool *value */
	OPTION_INT,	/* int *value in [min,max] */
	OPTION_SIZE,	/* uint64_t *value, at least 1; suffixes K, M, G */
	OPTION_FLOAT,	/* double *value in [min,max] */
	OPTION_TIME,	/* double *value, seconds above 0: "90", "45m", "8h", "1h30m" */
	OPTION_ENERGY,	/* double *value, joules above 0; suffixes J, kJ, MJ, Wh, kWh */
	OPTION_CLOCK,	/* const char **value, "HH:MM" */
	OPTION_TEXT,	/* const char **value, not empty */
	OPTION_CHOICE,	/* const char **value, one of the words of arg */
	OPTION_SETTING, /* struct et_conf *value: the training setting `key` */
	OPTION_HEADING	/* no option: help is the title of those that follow */
};

struct option {
	enum option_kind kind;
	char letter;	  /* 0: none */
	const char *name; /* without the dashes */
	const char *arg;  /* the value's name in the help; for a choice "this|that"; NULL: a flag */
	void *value;
	double min, max;
	const char *initial; /* default as text, shown in the help; NULL or "": none */
	const char *help;    /* one sentence without full stop */
	const char *key;
};

struct options {
	struct option *all;
	size_t n, room;
	char **names; /* those made here, from the keys of settings */
	size_t n_names;
	bool first_operand_ends; /* options stand before the first operand only */
};

/* Adds n options; their texts must outlive o. ET_ENOMEM. */
int options_add(struct options *o, const struct option *add, size_t n,
		struct et_err *err) ET_MUST_CHECK;
/*
 * Adds the training settings, key_with_underscores as --key-with-dashes, which go into conf: those
 * of the keys up to NULL, or all where keys is NULL.
 */
int options_add_settings(struct options *o, struct et_conf *conf, const char *const *keys,
			 struct et_err *err) ET_MUST_CHECK;
/* Takes settings out again that a command has no use for: their names, with dashes, up to NULL. */
void options_drop_settings(struct options *o, const char *const *names);
void options_free(struct options *o);

/*
 * Parses argv[1..argc). Returns the number of operands, which are moved to the front of argv, or
 * ET_EUSAGE with err naming the option, what was expected and found.
 */
int options_parse(const struct options *o, int argc, char **argv, struct et_err *err) ET_MUST_CHECK;

/* The list of options with their defaults, wrapped to 80 columns. */
void options_help(const struct options *o, FILE *out);

#endif

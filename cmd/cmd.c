/* What the subcommands have in common: exit codes, messages, shared options. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"

/* sysexits.h has no names for the last two. */
int exit_code(int status)
{
	switch (status) {
	case ET_OK:
		return 0;
	case ET_EUSAGE:
		return 64;
	case ET_EDATA:
		return 65;
	case ET_ENOINPUT:
		return 66;
	case ET_ENOMEM:
		return 71;
	case ET_ECREATE:
		return 73;
	case ET_EIO:
		return 74;
	case ET_EBUSY:
		return 75;
	case ET_EFIT:
		return 80;
	case ET_EDIVERGED:
		return 81;
	default: /* ET_EINTERNAL; ET_ESTOP without a signal */
		return 70;
	}
}

int fail(const char *command, const struct et_err *err)
{
	fprintf(stderr, "edgetrain%s%s: %s\n", command ? " " : "", command ? command : "",
		err->text);
	return exit_code(err->code);
}

int close_stdout(int code)
{
	bool failed = ferror(stdout);
	errno = 0;
	if (fclose(stdout) == 0 && !failed)
		return code;
	if (errno == EPIPE) {
		/* The reader has seen enough. */
		signal(SIGPIPE, SIG_DFL);
		raise(SIGPIPE);
	}
	fprintf(stderr, "edgetrain: standard output: %s\n",
		errno ? strerror(errno) : "could not be written");
	return code ? code : exit_code(ET_EIO);
}

int add_heading(struct options *o, const char *title, struct et_err *err)
{
	const struct option heading = {OPTION_HEADING, .help = title};
	return options_add(o, &heading, 1, err);
}

int add_model_options(struct options *o, struct et_model *model, struct et_err *err)
{
	const struct option add[] = {
		{OPTION_TEXT, 0, "weights", "FILE", &model->weights,
		 .help = "weights to use (safetensors)", .initial = "the run's model.safetensors"},
		{OPTION_FLAG, 0, "best", .value = &model->best,
		 .help = "use those of the run's best epoch"},
		{OPTION_TEXT, 0, "labels", "FILE", &model->labels,
		 .help = "names of the classes, one a line",
		 .initial = "the run's; of a spec none"},
	};
	ET_TRY(add_heading(o, "Network", err));
	return options_add(o, add, sizeof(add) / sizeof(add[0]), err);
}

int add_machine_options(struct options *o, struct call *c, struct et_err *err)
{
	const struct option add[] = {
		{OPTION_INT, 0, "threads", "N", &c->env.threads, 1, 1024,
		 .help = "threads that compute; the result is the same for any number",
		 .initial = "all processors"},
		{OPTION_INT, 0, "workers", "N", &c->env.workers, 1, 64,
		 .help = "threads that decode pictures",
		 .initial = "2, or 1 on one or two processors"},
		{OPTION_TEXT, 0, "isa", "NAME", &c->env.isa,
		 .help = "use this instruction set; edgetrain --version lists them",
		 .initial = "the best here"},
		{OPTION_SIZE, 0, "max-memory", "SIZE", &c->env.max_memory,
		 .help = "refuse to need more than this (suffixes K, M, G)",
		 .initial = "what is free"},
	};
	ET_TRY(add_heading(o, "Machine", err));
	return options_add(o, add, sizeof(add) / sizeof(add[0]), err);
}

int add_power_options(struct options *o, struct call *c, struct et_err *err)
{
	const struct option add[] = {
		{OPTION_TEXT, 0, "power", "SOURCE", &c->env.power.source,
		 .help = "use this source of 'edgetrain sensors' alone, or none",
		 .initial = "the first there is"},
		{OPTION_TEXT, 0, "power-from", "CMD", &c->env.power.from,
		 .help = "read watts, one number a line, from a file, a FIFO or a command"},
		{OPTION_TEXT, 0, "power-model", "IDLE,FULL", &c->env.power.model,
		 .help = "without a sensor guess from the board's idle and full-load watts"},
		{OPTION_TEXT, 0, "sysroot", "DIR", &c->env.power.sysroot,
		 .help = "look for sensors below DIR instead of /, for tests"},
	};
	ET_TRY(add_heading(o, "Power", err));
	return options_add(o, add, sizeof(add) / sizeof(add[0]), err);
}

int add_verbosity_options(struct options *o, struct call *c, struct et_err *err)
{
	const struct option add[] = {
		{OPTION_FLAG, 'q', "quiet", .value = &c->quiet,
		 .help = "print nothing but errors, not even results"},
		{OPTION_FLAG, 'v', "verbose", .value = &c->verbose,
		 .help = "say first which version runs, and on what"},
	};
	ET_TRY(add_heading(o, "Messages", err));
	return options_add(o, add, sizeof(add) / sizeof(add[0]), err);
}

static int parse(const struct command *command, struct call *c, struct options *o, int argc,
		 char **argv, struct et_err *err)
{
	const struct option help = {OPTION_FLAG, 'h', "help", .value = &c->help,
				    .help = "print this help"};
	c->conf = et_conf_new();
	c->own = calloc(1, command->size);
	if (!c->conf || !c->own)
		return et_fail(err, ET_ENOMEM, "no memory for the options");
	ET_TRY(command->options(c, o, err));
	ET_TRY(options_add(o, &help, 1, err));
	c->operand = argv;
	c->operands = options_parse(o, argc, argv, err);
	return c->operands;
}

int command_run(const struct command *command, const struct et_env *env, int argc, char **argv)
{
	struct et_err err = {0};
	struct options o = {0};
	struct call c = {.env = *env};
	int status = parse(command, &c, &o, argc, argv, &err);
	if (status >= 0 && c.help) {
		fputs(command->usage, stdout);
		options_help(&o, stdout);
	} else if (status >= 0) {
		status = command->run(&c, &err);
	}
	options_free(&o);
	et_conf_free(c.conf);
	free(c.own);
	if (status >= 0)
		return 0;
	int code = fail(command->name, &err);
	if (status == ET_ESTOP)
		signals_die();
	return code;
}

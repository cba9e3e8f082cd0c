/*
 * The edgetrain command: one file a subcommand, and what they share. Of the library it sees only
 * edgetrain.h. Names that begin with et_ are the library's; the program's have no prefix.
 *
 * Results go to standard output, progress and messages to standard error.
 */
#ifndef CMD_H
#define CMD_H

#include <stdio.h>

#include "edgetrain.h"
#include "options.h"

/* ---- subcommands ----------------------------------------------------------------------------- */

/* One call of a subcommand: what the command line said. */
struct call {
	struct et_env env;
	struct et_conf *conf; /* the training settings given */
	bool help, quiet, verbose;
	int operands;
	char **operand;
	void *own; /* the subcommand's, `size` bytes that were zero */
};
struct command {
	const char *name;
	const char *help;  /* one line */
	const char *usage; /* what --help prints before the options */
	size_t size;
	/* Adds the options; they are parsed between this and run. */
	int (*options)(struct call *c, struct options *o, struct et_err *err);
	int (*run)(struct call *c, struct et_err *err);
};
extern const struct command command_fit, command_eval, command_bench, command_plan, command_grad,
	command_modes, command_import, command_info, command_export, command_predict,
	command_report, command_sensors;

/*
 * Parses argv[1..argc), runs, and says what went wrong. env holds what stood before the command's
 * name. Returns the exit code; does not return when a signal stopped the work.
 */
int command_run(const struct command *command, const struct et_env *env, int argc, char **argv);

/* Prints what --version says; returns the exit code. */
int print_version(const struct et_env *env, bool verbose);
/* The same in one line on standard error, for -v; what is wrong is left to the command to say. */
void print_machine(const struct et_env *env);

/* ---- exit codes and messages ----------------------------------------------------------------- */

/* The exit code of an enum et_status: sysexits.h where it has one, 80 and 81 beyond. */
int exit_code(int status);
/* Prints "edgetrain NAME: err->text" (name may be NULL); returns exit_code(err->code). */
int fail(const char *name, const struct et_err *err);
/* Closes standard output; what could not be written turns exit code 0 into 74, with a message. */
int close_stdout(int code);

/* ---- options that several commands have ------------------------------------------------------ */

int add_heading(struct options *o, const char *title, struct et_err *err) ET_MUST_CHECK;
/* --weights, --best, --labels. */
int add_model_options(struct options *o, struct et_model *model, struct et_err *err) ET_MUST_CHECK;
/* --threads, --workers, --isa, --max-memory. */
int add_machine_options(struct options *o, struct call *c, struct et_err *err) ET_MUST_CHECK;
/* --power, --power-from, --power-model, --sysroot. */
int add_power_options(struct options *o, struct call *c, struct et_err *err) ET_MUST_CHECK;
/* -q and -v, for commands that show progress. */
int add_verbosity_options(struct options *o, struct call *c, struct et_err *err) ET_MUST_CHECK;

/* ---- the plan as a table --------------------------------------------------------------------- */

void print_plan(FILE *out, const struct et_plan *plan);

/* ---- signals --------------------------------------------------------------------------------- */

/*
 * From now on SIGINT, SIGTERM and SIGHUP only set the flag returned, and the second of them ends
 * the process at once; a signal that was ignored stays so. A reader of our output that goes away
 * does not end the work either.
 */
const volatile sig_atomic_t *signals_catch(void);
/* Dies by the signal that was caught, so that the shell and systemd see what happened. */
void signals_die(void);

/* ---- progress -------------------------------------------------------------------------------- */

/* On a terminal one line redrawn in place, otherwise plain lines now and then. */
struct progress {
	const char *command;
	const char *what; /* said in front of every line; NULL: nothing */
	bool quiet, live, colour;
	bool shown;		 /* the live line is on the screen */
	double last;		 /* when a line was last written, et_now() */
	enum et_phase phase;	 /* of that line */
	double data_ms, step_ms; /* sliding means */
};
/* Makes p what env's log goes to; signals set env's stop flag from here on. */
void progress_open(struct progress *p, const char *command, struct call *c);
/* Callbacks of the library; arg is the struct progress. */
void progress_step(void *arg, const struct et_progress *now);
void progress_epoch(void *arg, const struct et_epoch *epoch);
void progress_log(void *arg, enum et_log_level level, const char *line);
/* What the line says of now, without rates of the past. */
void progress_text(const struct et_progress *now, char *buf, size_t n);
/* Wipes the live line. To be called before anything else is printed. */
void progress_close(struct progress *p);

/* ---- systemd --------------------------------------------------------------------------------- */

/* Who is told how a service of Type=notify is getting on; nobody, outside systemd. */
struct notify {
	int fd; /* -1: nobody */
	const char *socket;
	const volatile sig_atomic_t *stop;
	bool ready, stopping;	    /* it was said */
	double watchdog_s;	    /* a sign of life is expected so often; 0: not at all */
	double told, fed, extended; /* when a status, a sign, a request for time was last sent */
};
/* stop: the flag that a signal sets. */
void notify_open(struct notify *n, const volatile sig_atomic_t *stop);
/* To be called with all progress: it sends what is due. */
void notify_step(struct notify *n, const struct et_progress *now);
void notify_close(struct notify *n, bool done);

#endif

/* The edgetrain command: picks the subcommand, and answers help and --version. */
#include <fcntl.h>
#include <string.h>

#include "cmd.h"

static const struct command *const commands[] = {&command_fit,	  &command_eval,  &command_predict,
						 &command_bench,  &command_plan,  &command_grad,
						 &command_import, &command_info,  &command_export,
						 &command_report, &command_modes, &command_sensors};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct command *find(const char *name, struct et_err *err)
{
	const char *names[COMMANDS + 1] = {[COMMANDS] = "help"};
	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
		names[i] = commands[i]->name;
	}
	const char *near = et_nearest(name, names, COMMANDS + 1);
	if (near)
		et_fail(err, ET_EUSAGE, "unknown command '%s'; the nearest is '%s'", name, near);
	else
		et_fail(err, ET_EUSAGE, "unknown command '%s'; 'edgetrain help' lists the commands",
			name);
	return NULL;
}

static void print_help(const struct options *o, FILE *out)
{
	fputs("Usage: edgetrain COMMAND [OPTION]... [OPERAND]...\n"
	      "Fine-tune convolutional networks on small machines.\n"
	      "\n"
	      "Commands:\n",
	      out);
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(out, "  %-7s %s\n", commands[i]->name, commands[i]->help);
	fputs("  help    this help, or with the name of a command that command's\n"
	      "\n"
	      "Options:\n",
	      out);
	options_help(o, out);
	fputs("\n'edgetrain COMMAND --help' lists a command's options, 'man edgetrain' says "
	      "more.\n",
	      out);
}

static int help(const struct options *o, const struct et_env *env, int operands, char **operand)
{
	struct et_err err = {0};
	if (operands > 1) {
		et_fail(&err, ET_EUSAGE, "unexpected operand '%s' after '%s'", operand[1],
			operand[0]);
		return fail("help", &err);
	}
	if (operands == 0 || strcmp(operand[0], "help") == 0) {
		print_help(o, stdout);
		return 0;
	}
	const struct command *command = find(operand[0], &err);
	if (!command)
		return fail("help", &err);
	char option[] = "--help", *argv[] = {operand[0], option, NULL};
	return command_run(command, env, 2, argv);
}

static int run(int argc, char **argv, struct options *o)
{
	struct et_err err = {0};
	struct et_env env = {0};
	bool show_help = false, show_version = false, verbose = false;
	const struct option own[] = {
		{OPTION_FLAG, 'h', "help", .value = &show_help, .help = "print this help"},
		{OPTION_FLAG, 'V', "version", .value = &show_version,
		 .help = "print version, compiler, instruction set and libraries"},
		{OPTION_FLAG, 'v', "verbose", .value = &verbose,
		 .help = "with --version: also block sizes and the caches they were chosen by"},
		{OPTION_TEXT, 0, "isa", "NAME", .value = &env.isa,
		 .help = "use this instruction set; --version lists them"},
	};
	if (options_add(o, own, sizeof(own) / sizeof(own[0]), &err) < 0)
		return fail(NULL, &err);
	o->first_operand_ends = true;
	int operands = options_parse(o, argc, argv, &err);
	if (operands < 0)
		return fail(NULL, &err);
	if (show_version)
		return print_version(&env, verbose);
	if (show_help) {
		print_help(o, stdout);
		return 0;
	}
	if (verbose) {
		et_fail(&err, ET_EUSAGE,
			"--verbose: expected --version beside it, or to stand behind a command");
		return fail(NULL, &err);
	}
	if (operands == 0) {
		et_fail(&err, ET_EUSAGE, "expected a command; 'edgetrain help' lists them");
		return fail(NULL, &err);
	}
	if (strcmp(argv[0], "help") == 0)
		return help(o, &env, operands - 1, argv + 1);
	const struct command *command = find(argv[0], &err);
	return command ? command_run(command, &env, operands, argv) : fail(NULL, &err);
}

/*
 * A standard stream that was closed by the caller must not become the next file opened: results
 * would be written into a checkpoint.
 */
static void open_standard_streams(void)
{
	static const int mode[] = {O_WRONLY, O_RDONLY, O_WRONLY};
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", mode[fd]) < 0)
			return;
}

int main(int argc, char **argv)
{
	open_standard_streams();
	struct options o = {0};
	int code = run(argc, argv, &o);
	options_free(&o);
	return close_stdout(code);
}

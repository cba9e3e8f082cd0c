/* edgetrain bench: gradient modes side by side. */
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "cmd.h"

struct bench {
	struct et_bench run;
	const char *plot;
	struct gnuplot gnuplot;
	struct progress progress;
};

static int options(struct call *c, struct options *o, struct et_err *err)
{
	static const char *const not_here[] = {"mode", "modes", "epochs", "save-steps", NULL};
	struct bench *b = c->own;
	b->run.steps = 20;
	ET_TRY(add_heading(o, "Bench", err));
	const struct option own[] = {
		{OPTION_TEXT, 0, "modes", "RECIPE,...", &b->run.modes,
		 .help = "what to compare: exact,filter:2,filter:4; semicolons separate too"},
		{OPTION_INT, 0, "steps", "N", &b->run.steps, 1, 100000,
		 .help = "steps to measure in each mode", .initial = "20"},
		{OPTION_INT, 0, "epochs", "E", &b->run.epochs, 1, 1000000,
		 .help = "train so many epochs in each mode too, and compare accuracies",
		 .initial = "no training"},
		{OPTION_TEXT, 0, "init", "FILE", &b->run.init,
		 .help = "start from these weights (safetensors, PyTorch's names)"},
		{OPTION_FLAG, 0, "init-partial", .value = &b->run.init_partial,
		 .help = "take of them what fits, and draw the rest anew"},
		{OPTION_TIME, 0, "idle-seconds", "TIME", &b->run.idle_seconds,
		 .help = "first measure so long what the idle board draws, for net energy"},
		{OPTION_TEXT, 'o', "out", "DIR", &b->run.out,
		 .help = "write bench.csv, layers.csv and the trainings' runs into DIR"},
		{OPTION_TEXT, 0, "plot", "FILE.png", &b->plot,
		 .help = "draw accuracy, or likeness to exact, against time and memory; needs "
			 "gnuplot"},
	};
	ET_TRY(options_add(o, own, sizeof(own) / sizeof(own[0]), err));
	ET_TRY(options_add_settings(o, c->conf, NULL, err));
	options_drop_settings(o, not_here);
	ET_TRY(add_machine_options(o, c, err));
	ET_TRY(add_power_options(o, c, err));
	return add_verbosity_options(o, c, err);
}

static int take_operands(const struct call *c, struct et_bench *run, struct et_err *err)
{
	if (c->operands > 2)
		return et_fail(err, ET_EUSAGE, "unexpected operand '%s' after SPEC and DATA",
			       c->operand[2]);
	if (c->operands < 2)
		return et_fail(err, ET_EUSAGE, "expected SPEC and DATA, found %s%s%s",
			       c->operands ? "only '" : "nothing", c->operands ? c->operand[0] : "",
			       c->operands ? "'" : "");
	if (!run->modes)
		return et_fail(err, ET_EUSAGE,
			       "expected --modes with what to compare, such as "
			       "--modes exact,filter:2,filter:4");
	run->spec = c->operand[0];
	run->data = c->operand[1];
	return ET_OK;
}

static void on_progress(void *arg, const char *mode, const struct et_progress *p)
{
	struct bench *b = arg;
	b->progress.what = mode;
	progress_step(&b->progress, p);
}

static void on_epoch(void *arg, const char *mode, const struct et_epoch *e)
{
	struct bench *b = arg;
	b->progress.what = mode;
	progress_epoch(&b->progress, e);
}

static int run(struct call *c, struct et_err *err)
{
	struct bench *b = c->own;
	struct et_bench_result result;
	ET_TRY(take_operands(c, &b->run, err));
	if (b->plot)
		ET_TRY(gnuplot_find(&b->gnuplot, b->plot, err));
	if (c->verbose && !c->quiet)
		print_machine(&c->env);
	progress_open(&b->progress, "bench", c);
	b->run.conf = c->conf;
	b->run.progress = on_progress;
	b->run.epoch = on_epoch;
	b->run.arg = b;
	int status = et_bench(&c->env, &b->run, &result, err);
	progress_close(&b->progress);
	ET_TRY(status);
	if (!c->quiet)
		print_bench(stdout, &result);
	fflush(stdout);
	if (b->plot)
		status = plot_bench(&b->gnuplot, &result, err);
	et_bench_free(&result);
	return status;
}

const struct command command_bench = {
	"bench",
	"compare gradient modes: time, memory, fidelity, accuracy",
	"Usage: edgetrain bench [OPTION]... --modes=RECIPE,... SPEC DATA\n"
	"Train the network described by SPEC on the pictures in DATA in each mode for some steps,\n"
	"from the same weights on the same batches, and print what each takes and loses.\n",
	sizeof(struct bench),
	options,
	run,
};

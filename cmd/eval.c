/* edgetrain eval: how good a trained network is. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "evaluation.h"

struct eval {
	struct et_eval run;
	const char *confusion, *out, *on_bad_image;
	bool per_class;
};

static int options(struct call *c, struct options *o, struct et_err *err)
{
	struct eval *e = c->own;
	e->on_bad_image = "fail";
	const struct option own[] = {
		{OPTION_TEXT, 0, "weights", "FILE", &e->run.weights,
		 .help = "weights to evaluate (safetensors)",
		 .initial = "the run's model.safetensors"},
		{OPTION_FLAG, 0, "best", .value = &e->run.best,
		 .help = "evaluate those of the run's best epoch"},
		{OPTION_CHOICE, 0, "split", "train|val|test", &e->run.split,
		 .help = "part of DATA to evaluate on",
		 .initial = "test if there is one, else val, else what the run held out"},
		{OPTION_INT, 0, "batch-size", "N", &e->run.batch_size, 1, 65536,
		 .help = "pictures at a time", .initial = "the run's"},
		{OPTION_CHOICE, 0, "on-bad-image", "fail|skip", &e->on_bad_image, .initial = "fail",
		 .help = "what to do with a picture that cannot be read"},
		{OPTION_FLAG, 0, "per-class", .value = &e->per_class,
		 .help = "print a table of the classes too"},
		{OPTION_TEXT, 0, "confusion", "FILE", &e->confusion,
		 .help = "write the confusion matrix as CSV: a row a true class, a column a "
			 "predicted one"},
		{OPTION_TEXT, 'o', "out", "DIR", &e->out,
		 .help = "write confusion.csv and classes.csv, the table of classes, into DIR"},
	};
	ET_TRY(add_heading(o, "Evaluation", err));
	ET_TRY(options_add(o, own, sizeof(own) / sizeof(own[0]), err));
	ET_TRY(add_machine_options(o, c, err));
	return add_verbosity_options(o, c, err);
}

static int take_operands(const struct call *c, struct et_eval *run, struct et_err *err)
{
	if (c->operands > 2)
		return et_fail(err, ET_EUSAGE, "unexpected operand '%s' after RUN|SPEC and DATA",
			       c->operand[2]);
	if (c->operands == 0)
		return et_fail(err, ET_EUSAGE, "expected RUN|SPEC and DATA, found nothing");
	if (c->operands == 1)
		return et_fail(err, ET_EUSAGE, "expected RUN|SPEC and DATA, found only '%s'",
			       c->operand[0]);
	run->model = c->operand[0];
	run->data = c->operand[1];
	return ET_OK;
}

static int write_into(const char *dir, const char *name, const struct et_eval_result *r,
		      int (*write)(const char *path, const struct et_eval_result *r,
				   struct et_err *err),
		      struct et_err *err)
{
	char *path = et_path_join(dir, name);
	if (!path)
		return et_fail(err, ET_ENOMEM, "out of memory");
	int status = write(path, r, err);
	free(path);
	return status;
}

static int report(const struct call *c, const struct eval *e, const struct et_eval_result *r,
		  struct et_err *err)
{
	if (e->confusion)
		ET_TRY(write_confusion(e->confusion, r, err));
	if (e->out) {
		ET_TRY(write_into(e->out, "confusion.csv", r, write_confusion, err));
		ET_TRY(write_into(e->out, "classes.csv", r, write_classes, err));
	}
	if (c->quiet)
		return ET_OK;
	print_evaluation(stdout, r);
	if (e->per_class)
		print_classes(stdout, r);
	return ET_OK;
}

static int run(struct call *c, struct et_err *err)
{
	struct eval *e = c->own;
	struct et_eval_result result = {0};
	struct progress progress;
	ET_TRY(take_operands(c, &e->run, err));
	if (e->out) /* not after an hour of work */
		ET_TRY(et_dir_make(e->out, err));
	if (c->verbose && !c->quiet)
		print_machine(&c->env);
	progress_open(&progress, "eval", c);
	e->run.skip_bad = strcmp(e->on_bad_image, "skip") == 0;
	e->run.progress = progress_step;
	e->run.arg = &progress;
	int status = et_eval(&c->env, &e->run, &result, err);
	progress_close(&progress);
	ET_TRY(status);
	status = report(c, e, &result, err);
	et_eval_free(&result);
	return status;
}

const struct command command_eval = {
	"eval",
	"accuracy of a trained network on pictures",
	"Usage: edgetrain eval [OPTION]... RUN|SPEC DATA\n"
	"Print the accuracy of a run's network, or of SPEC with --weights, on the pictures in "
	"DATA.\n",
	sizeof(struct eval),
	options,
	run,
};

/* edgetrain grad: loss and gradients of one batch, file to file. */
#include <stdio.h>

#include "cmd.h"

/* The settings that a loss or a gradient depends on. */
static const char *const keys[] = {
	"label_smoothing", "class_weights", "trainable", "last", "bn", "mode",
	"modes",	   "seed",	    "winograd",	 NULL};

static int options(struct call *c, struct options *o, struct et_err *err)
{
	struct et_grad *g = c->own;
	const struct option own[] = {
		{OPTION_TEXT, 0, "out", "FILE", &g->out,
		 .help = "file to write (safetensors); needed"},
		{OPTION_TEXT, 0, "weights", "FILE", &g->weights,
		 .help = "weights to start from (safetensors), all of the network",
		 .initial = "initial ones, by the seed"},
		{OPTION_INT, 0, "classes", "N", &g->classes, .min = 1, .max = 1 << 20,
		 .initial = "as SPEC says", .help = "so many classes"},
		{OPTION_FLAG, 0, "input-grad", .value = &g->input_grad,
		 .help = "write the gradient of the input as well"},
	};
	ET_TRY(add_heading(o, "Gradients", err));
	ET_TRY(options_add(o, own, sizeof(own) / sizeof(own[0]), err));
	ET_TRY(options_add_settings(o, c->conf, keys, err));
	ET_TRY(add_machine_options(o, c, err));
	return add_verbosity_options(o, c, err);
}

static int take_operands(const struct call *c, struct et_grad *g, struct et_err *err)
{
	if (c->operands > 2)
		return et_fail(err, ET_EUSAGE, "unexpected operand '%s' after SPEC and BATCH",
			       c->operand[2]);
	if (c->operands == 0)
		return et_fail(err, ET_EUSAGE, "expected SPEC and BATCH, found nothing");
	if (c->operands == 1)
		return et_fail(err, ET_EUSAGE, "expected SPEC and BATCH, found only '%s'",
			       c->operand[0]);
	if (!g->out)
		return et_fail(err, ET_EUSAGE, "expected --out FILE for the gradients");
	g->spec = c->operand[0];
	g->batch = c->operand[1];
	g->conf = c->conf;
	return ET_OK;
}

static int run(struct call *c, struct et_err *err)
{
	struct et_grad *g = c->own;
	struct et_grad_result r;
	struct progress progress;
	ET_TRY(take_operands(c, g, err));
	if (c->verbose && !c->quiet)
		print_machine(&c->env);
	progress_open(&progress, "grad", c);
	int status = et_grad(&c->env, g, &r, err);
	progress_close(&progress);
	ET_TRY(status);
	if (!c->quiet)
		printf("loss %.7g  accuracy %.4f  gradient_norm %.7g  parameters %llu  images %d  "
		       "bn %s  file %s\n",
		       r.loss, r.accuracy, r.norm, (unsigned long long)r.trainable, r.images,
		       r.frozen_batch_norm ? "frozen" : "batch", g->out);
	return ET_OK;
}

const struct command command_grad = {
	"grad",
	"loss and gradients of one batch, file to file",
	"Usage: edgetrain grad [OPTION]... SPEC BATCH --out FILE\n"
	"Write the loss and the gradients of the pictures in BATCH (safetensors) to FILE.\n",
	sizeof(struct et_grad),
	options,
	run,
};

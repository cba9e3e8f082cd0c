/* edgetrain export: a trained network for other programs. */
#include <stdio.h>

#include "cmd.h"

static int options(struct call *c, struct options *o, struct et_err *err)
{
	struct et_export *e = c->own;
	const struct option own[] = {
		{OPTION_FLAG, 0, "no-fold", .value = &e->keep_batchnorm,
		 .help = "keep batch norm behind convolutions as nodes of its own"},
		{OPTION_FLAG, 0, "clip", .value = &e->clip,
		 .help = "write ReLU6 as Clip: faster in some runtimes, but OpenCV 4.6 cannot "
			 "read it"},
		{OPTION_FLAG, 0, "softmax", .value = &e->softmax,
		 .help = "give probabilities instead of logits"},
		{OPTION_FLAG, 0, "normalize", .value = &e->normalize,
		 .help = "take pixels from 0 to 255 and normalise them in the graph"},
	};
	ET_TRY(add_model_options(o, &e->model, err));
	ET_TRY(add_heading(o, "Export", err));
	ET_TRY(options_add(o, own, sizeof(own) / sizeof(own[0]), err));
	ET_TRY(add_machine_options(o, c, err));
	return add_verbosity_options(o, c, err);
}

static int take_operands(const struct call *c, struct et_export *e, struct et_err *err)
{
	if (c->operands > 2)
		return et_fail(err, ET_EUSAGE, "unexpected operand '%s' after RUN|SPEC and FILE",
			       c->operand[2]);
	if (c->operands == 0)
		return et_fail(err, ET_EUSAGE, "expected RUN|SPEC and FILE, found nothing");
	if (c->operands == 1)
		return et_fail(err, ET_EUSAGE, "expected RUN|SPEC and FILE, found only '%s'",
			       c->operand[0]);
	e->model.model = c->operand[0];
	e->out = c->operand[1];
	return ET_OK;
}

static int run(struct call *c, struct et_err *err)
{
	struct et_export *e = c->own;
	struct et_export_result r;
	struct progress progress;
	ET_TRY(take_operands(c, e, err));
	if (c->verbose && !c->quiet)
		print_machine(&c->env);
	progress_open(&progress, "export", c);
	int status = et_export(&c->env, e, &r, err);
	progress_close(&progress);
	ET_TRY(status);
	if (!c->quiet)
		printf("file %s  bytes %llu  parameters %llu  opset %d\n", e->out,
		       (unsigned long long)r.bytes, (unsigned long long)r.parameters, r.opset);
	return ET_OK;
}

const struct command command_export = {
	"export",
	"a trained network as an ONNX file",
	"Usage: edgetrain export [OPTION]... RUN|SPEC FILE\n"
	"Write a run's network, or SPEC with --weights, to FILE in ONNX, for other programs.\n",
	sizeof(struct et_export),
	options,
	run,
};

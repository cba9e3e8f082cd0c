/* edgetrain import: weights of other programs under a network's own names. */
#include <stdio.h>

#include "cmd.h"

static int options(struct call *c, struct options *o, struct et_err *err)
{
	struct et_import *i = c->own;
	const struct option own[] = {
		{OPTION_TEXT, 0, "spec", "SPEC", &i->spec, .help = "network to import for; needed"},
		{OPTION_TEXT, 'o', "out", "OUT", &i->out,
		 .help = "file to write (safetensors); needed"},
		{OPTION_INT, 0, "classes", "N", &i->classes, .min = 1, .max = 1 << 20,
		 .initial = "as SPEC says", .help = "so many classes"},
		{OPTION_FLAG, 0, "partial", .value = &i->partial,
		 .help = "take what fits, and draw the rest anew"},
	};
	ET_TRY(add_heading(o, "Import", err));
	ET_TRY(options_add(o, own, sizeof(own) / sizeof(own[0]), err));
	ET_TRY(add_machine_options(o, c, err));
	return add_verbosity_options(o, c, err);
}

static int take_operands(const struct call *c, struct et_import *i, struct et_err *err)
{
	if (c->operands > 1)
		return et_fail(err, ET_EUSAGE, "unexpected operand '%s' after IN", c->operand[1]);
	if (c->operands == 0)
		return et_fail(err, ET_EUSAGE,
			       "expected IN, a file of weights (safetensors), found nothing");
	if (!i->spec)
		return et_fail(err, ET_EUSAGE, "expected --spec SPEC, the network to import for");
	if (!i->out)
		return et_fail(err, ET_EUSAGE, "expected --out OUT, the file to write");
	i->in = c->operand[0];
	return ET_OK;
}

static int run(struct call *c, struct et_err *err)
{
	struct et_import *job = c->own;
	struct et_import_result r;
	struct progress progress;

	ET_TRY(take_operands(c, job, err));
	progress_open(&progress, "import", c);
	int status = et_import(&c->env, job, &r, err);
	progress_close(&progress);
	ET_TRY(status);
	if (!c->quiet)
		printf("tensors %llu  parameters %llu  file %s\n", (unsigned long long)r.tensors,
		       (unsigned long long)r.parameters, job->out);
	return ET_OK;
}

const struct command command_import = {
	"import",
	"weights of other programs, renamed or folded for a network",
	"Usage: edgetrain import [OPTION]... IN --spec SPEC --out OUT\n"
	"Write the weights in IN (safetensors) to OUT as the network in SPEC names them.\n",
	sizeof(struct et_import),
	options,
	run,
};

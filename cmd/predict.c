/* edgetrain predict: what a trained network makes of pictures. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "predict.h"

struct predict {
	struct et_predict run;
	const char *format;
	struct progress progress;
	void (*print)(FILE *out, const struct et_prediction *p, bool one);
	bool begun; /* something was printed */
};

static int options(struct call *c, struct options *o, struct et_err *err)
{
	struct predict *p = c->own;
	p->format = "text";
	p->run.top = 5;
	const struct option own[] = {
		{OPTION_INT, 0, "top", "K", &p->run.top, 1, 1000000,
		 .help = "the likeliest classes, so many of each picture", .initial = "5"},
		{OPTION_CHOICE, 0, "format", "text|csv|json", &p->format,
		 .help = "how results are printed; json: an object a line", .initial = "text"},
		{OPTION_TEXT, 0, "out", "DIR", &p->run.out,
		 .help = "directory for the masks of a network for segmentation"},
		{OPTION_FLAG, 0, "overlay", .value = &p->run.overlay,
		 .help = "write each picture under its mask's colours as well"},
		{OPTION_INT, 0, "batch-size", "N", &p->run.batch_size, 1, 65536,
		 .help = "pictures at a time", .initial = "8"},
	};
	ET_TRY(add_model_options(o, &p->run.model, err));
	ET_TRY(add_heading(o, "Prediction", err));
	ET_TRY(options_add(o, own, sizeof(own) / sizeof(own[0]), err));
	ET_TRY(add_machine_options(o, c, err));
	return add_verbosity_options(o, c, err);
}

static void found(void *arg, const struct et_prediction *prediction)
{
	struct predict *p = arg;
	progress_close(&p->progress);
	if (p->print == predict_csv && !p->begun)
		predict_csv_header(stdout, prediction->mask != NULL);
	p->begun = true;
	p->print(stdout, prediction, p->run.top == 1);
	/* Whoever reads along gets each picture when it is known; without a reader it is over. */
	if (fflush(stdout) != 0 && errno == EPIPE) {
		signal(SIGPIPE, SIG_DFL);
		raise(SIGPIPE);
	}
}

static void failed(void *arg, const struct et_err *why)
{
	struct predict *p = arg;
	progress_close(&p->progress);
	fail(p->progress.command, why);
}

static void progress(void *arg, const struct et_progress *now)
{
	struct predict *p = arg;
	progress_step(&p->progress, now);
}

static int take_operands(const struct call *c, struct et_predict *run, struct et_err *err)
{
	if (c->operands == 0)
		return et_fail(err, ET_EUSAGE, "expected RUN|SPEC and pictures, found nothing");
	if (c->operands == 1)
		return et_fail(err, ET_EUSAGE, "expected RUN|SPEC and pictures, found only '%s'",
			       c->operand[0]);
	run->model.model = c->operand[0];
	run->images = (const char *const *)c->operand + 1;
	run->n_images = (size_t)c->operands - 1;
	return ET_OK;
}

static int run(struct call *c, struct et_err *err)
{
	struct predict *p = c->own;
	struct et_predict_result r;
	ET_TRY(take_operands(c, &p->run, err));
	if (c->verbose && !c->quiet)
		print_machine(&c->env);
	progress_open(&p->progress, "predict", c);
	p->print = strcmp(p->format, "csv") == 0    ? predict_csv
		   : strcmp(p->format, "json") == 0 ? predict_json
						    : predict_text;
	p->run.found = c->quiet ? NULL : found;
	p->run.failed = failed;
	p->run.progress = progress;
	p->run.arg = p;
	int status = et_predict(&c->env, &p->run, &r, err);
	progress_close(&p->progress);
	return status;
}

const struct command command_predict = {
	"predict",
	"classes or masks of pictures by a trained network",
	"Usage: edgetrain predict [OPTION]... RUN|SPEC IMAGE...\n"
	"Print the likeliest classes of each IMAGE, or of all pictures below a directory, by a\n"
	"run's network, or by SPEC with --weights; write masks if it is one for segmentation.\n",
	sizeof(struct predict),
	options,
	run,
};

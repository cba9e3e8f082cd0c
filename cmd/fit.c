/* edgetrain fit: train or fine-tune. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"

struct fit {
	struct et_fit run;
	char out[512]; /* the run directory, where it is chosen here */
	struct progress progress;
	struct notify notify;
};

static void tell_step(void *arg, const struct et_progress *now)
{
	struct fit *f = arg;
	notify_step(&f->notify, now);
	progress_step(&f->progress, now);
}

static void tell_epoch(void *arg, const struct et_epoch *epoch)
{
	progress_epoch(&((struct fit *)arg)->progress, epoch);
}

static int options(struct call *c, struct options *o, struct et_err *err)
{
	struct et_fit *run = &((struct fit *)c->own)->run;
	const struct option own[] = {
		{OPTION_TEXT, 0, "init", "FILE", &run->init,
		 .help = "start from these weights (safetensors, PyTorch's names)"},
		{OPTION_FLAG, 0, "init-partial", .value = &run->init_partial,
		 .help = "take of them what fits, and draw the rest anew"},
		{OPTION_TEXT, 0, "resume", "RUN|auto", &run->resume,
		 .help = "continue a stopped run as if it had not been stopped; auto: begin or "
			 "continue --out"},
		{OPTION_TEXT, 'o', "out", "RUN", &run->out, .help = "directory of the new run",
		 .initial = "run-SPEC-1, or the next number that is free"},
	};
	const struct option night[] = {
		{OPTION_TIME, 0, "max-time", "TIME", &run->budget.seconds,
		 .help = "stop in time, after a checkpoint: 90s, 45m, 8h, 1h30m"},
		{OPTION_ENERGY, 0, "max-energy", "ENERGY", &run->budget.joules,
		 .help = "stop before more is used: 500J, 20kJ, 50Wh"},
		{OPTION_CLOCK, 0, "until", "HH:MM", &run->budget.until,
		 .help = "stop before the clock next shows this"},
		{OPTION_FLOAT, 0, "max-temp", "C", &run->max_temp, .min = 30, .max = 120,
		 .help = "pause at this temperature, until it is 5 degrees less"},
		{OPTION_TIME, 0, "idle-seconds", "TIME", &run->idle_seconds,
		 .help = "first measure so long what the idle board draws"},
	};
	ET_TRY(add_heading(o, "Run", err));
	ET_TRY(options_add(o, own, sizeof(own) / sizeof(own[0]), err));
	ET_TRY(add_heading(o, "Limits", err));
	ET_TRY(options_add(o, night, sizeof(night) / sizeof(night[0]), err));
	ET_TRY(options_add_settings(o, c->conf, NULL, err));
	ET_TRY(add_machine_options(o, c, err));
	ET_TRY(add_power_options(o, c, err));
	return add_verbosity_options(o, c, err);
}

static int take_operands(const struct call *c, struct et_fit *run, struct et_err *err)
{
	int n = c->operands;
	char **operand = c->operand;
	if (n > 2)
		return et_fail(err, ET_EUSAGE, "unexpected operand '%s' after SPEC and DATA",
			       operand[2]);
	if (n == 1)
		return et_fail(err, ET_EUSAGE, "expected SPEC and DATA, found only '%s'",
			       operand[0]);
	if (run->resume && strcmp(run->resume, "auto") == 0) {
		run->resume = NULL;
		run->resume_auto = true;
	}
	if (run->resume_auto && !run->out)
		return et_fail(err, ET_EUSAGE,
			       "--resume auto: expected --out RUN beside it, the run to begin or "
			       "to continue (a run directory of that name is ./auto)");
	if (n == 0 && run->resume_auto)
		return et_fail(err, ET_EUSAGE,
			       "--resume auto: expected SPEC and DATA, with which to begin where "
			       "there is nothing to continue");
	if (n == 0 && !run->resume)
		return et_fail(err, ET_EUSAGE, "expected SPEC and DATA, or --resume RUN");
	if (run->resume && run->out)
		return et_fail(err, ET_EUSAGE,
			       "--out and --resume exclude each other: a resumed run goes on in "
			       "its own directory");
	if (n == 2) {
		run->spec = operand[0];
		run->data = operand[1];
	}
	return ET_OK;
}

/* run-NAME-1, or the next that is free in the current directory; NAME is the spec file's. */
static int choose_out(struct fit *f, struct et_err *err)
{
	const char *slash = strrchr(f->run.spec, '/');
	const char *base = slash ? slash + 1 : f->run.spec;
	size_t len = strlen(base);
	if (len > 5 && strcmp(base + len - 5, ".json") == 0)
		len -= 5;
	char name[200];
	size_t n = 0;
	for (size_t i = 0; i < len && n + 1 < sizeof(name); i++) {
		unsigned char c = (unsigned char)base[i];
		name[n++] = isalnum(c) || strchr("._-", c) ? (char)c : '-';
	}
	name[n] = '\0';
	for (int i = 1; i < 100000; i++) {
		snprintf(f->out, sizeof(f->out), "run-%s-%d", name, i);
		if (access(f->out, F_OK) < 0) {
			f->run.out = f->out;
			return ET_OK;
		}
	}
	return et_fail(err, ET_ECREATE, "%s is the last of too many runs; name one with --out",
		       f->out);
}

static void print_result(const struct fit *f, const struct et_fit_result *r)
{
	bool held_out = r->val_split != NULL;
	/* Stopped before the first epoch's end there is none yet. */
	if (r->epochs)
		printf("accuracy %.4f  loss %.4f  split %s  ",
		       held_out ? r->val_accuracy : r->accuracy, held_out ? r->val_loss : r->loss,
		       held_out ? r->val_split : "train");
	if (!isnan(r->val_miou))
		printf("miou %.4f  ", r->val_miou);
	double best = isnan(r->best_val_miou) ? r->best_val_accuracy : r->best_val_miou;
	if (held_out && !isnan(best))
		printf("best %.4f  best_epoch %llu  ", best, (unsigned long long)r->best_epoch);
	if (r->stopped_by)
		printf("stopped %s  ", r->stopped_by);
	if (!isnan(r->energy_j))
		printf("energy_j %.4g  energy_source %s  ", r->energy_j, r->energy_source);
	if (r->pauses)
		printf("pauses %llu  pause_s %.0f  ", (unsigned long long)r->pauses, r->pause_s);
	if (r->dropped)
		printf("steps %llu of %llu drawn  ", (unsigned long long)r->steps,
		       (unsigned long long)(r->steps + r->dropped));
	if (r->skipped)
		printf("skipped %llu  ", (unsigned long long)r->skipped);
	printf("epochs %llu  seconds %.1f  images_per_s %.0f  memory_mb %.0f  run %s\n",
	       (unsigned long long)r->epochs, r->seconds, r->images_per_s,
	       (double)r->peak_memory / 1e6, f->run.resume ? f->run.resume : f->run.out);
}

/* What runs and in how much memory; what is wrong with it is left to et_fit() to say. */
static void describe(const struct call *c, const struct et_fit *run)
{
	struct et_err err;
	struct et_plan plan;
	const struct et_plan_request request = {
		.spec = run->spec, .data = run->data, .init = run->init, .conf = c->conf};
	print_machine(&c->env);
	if (run->spec && et_plan(&c->env, &request, &plan, &err) == ET_OK)
		print_plan(stderr, &plan);
}

static int run(struct call *c, struct et_err *err)
{
	struct fit *f = c->own;
	struct et_fit_result result;
	ET_TRY(take_operands(c, &f->run, err));
	if (!f->run.resume && !f->run.out) {
		ET_TRY(choose_out(f, err));
		if (!c->quiet)
			fprintf(stderr, "edgetrain fit: the run is %s\n", f->run.out);
	}
	if (c->verbose && !c->quiet)
		describe(c, &f->run);
	progress_open(&f->progress, "fit", c);
	notify_open(&f->notify, c->env.stop);
	f->run.conf = c->conf;
	f->run.progress = tell_step;
	f->run.epoch = tell_epoch;
	f->run.arg = f;
	int status = et_fit(&c->env, &f->run, &result, err);
	progress_close(&f->progress);
	notify_close(&f->notify, status == ET_OK);
	ET_TRY(status);
	if (!c->quiet)
		print_result(f, &result);
	return ET_OK;
}

const struct command command_fit = {
	"fit",
	"train or fine-tune a network on pictures",
	"Usage: edgetrain fit [OPTION]... SPEC DATA\n"
	"       edgetrain fit --resume RUN [OPTION]...\n"
	"       edgetrain fit --resume auto --out RUN [OPTION]... SPEC DATA\n"
	"Train or fine-tune the network described by SPEC on the pictures in DATA.\n",
	sizeof(struct fit),
	options,
	run,
};

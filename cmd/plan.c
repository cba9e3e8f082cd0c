/* edgetrain plan: memory by kind and phase, time and energy, before anything runs. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "plan.h"

struct plan {
	const char *init, *format;
	int classes, steps, pictures;
};

static int options(struct call *c, struct options *o, struct et_err *err)
{
	struct plan *p = c->own;
	p->format = "text";
	p->steps = 3;
	const struct option own[] = {
		{OPTION_CHOICE, 0, "format", "text|json", &p->format, .initial = "text",
		 .help = "print a table, or JSON with bytes"},
		{OPTION_INT, 0, "classes", "N", &p->classes, .min = 1, .max = 1 << 20,
		 .initial = "as SPEC says; with DATA as many as it has", .help = "so many classes"},
		{OPTION_TEXT, 0, "init", "FILE", &p->init,
		 .help = "plan for starting from weights, which freezes batch norm; FILE is not "
			 "read"},
		{OPTION_INT, 0, "estimate", "N", &p->steps, .min = 0, .max = 10000, .initial = "3",
		 .help = "take so many steps, for about a second at least, and estimate time and "
			 "energy of the run; 0: memory alone"},
		{OPTION_INT, 0, "pictures", "N", &p->pictures, .min = 1, .max = 1 << 30,
		 .initial = "DATA's, or 1000", .help = "estimate for so many pictures an epoch"},
	};
	ET_TRY(add_heading(o, "Plan", err));
	ET_TRY(options_add(o, own, sizeof(own) / sizeof(own[0]), err));
	ET_TRY(options_add_settings(o, c->conf, NULL, err));
	ET_TRY(add_machine_options(o, c, err));
	return add_power_options(o, c, err);
}

/* ---- output ---------------------------------------------------------------------------------- */

static const struct row {
	const char *name;
	size_t offset;
} rows[] = {
	{"weights", offsetof(struct et_memory, weights)},
	{"gradients", offsetof(struct et_memory, gradients)},
	{"optimizer", offsetof(struct et_memory, optimizer)},
	{"saved", offsetof(struct et_memory, saved)},
	{"activations", offsetof(struct et_memory, activations)},
	{"work", offsetof(struct et_memory, work)},
	{"data", offsetof(struct et_memory, data)},
	{"checkpoint", offsetof(struct et_memory, checkpoint)},
	{"cache", offsetof(struct et_memory, cache)},
	{"total", offsetof(struct et_memory, total)},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static uint64_t bytes_of(const struct et_memory *m, size_t row)
{
	uint64_t v;
	memcpy(&v, (const char *)m + rows[row].offset, sizeof(v));
	return v;
}

static void print_bytes(FILE *out, uint64_t v)
{
	char buf[32];
	fprintf(out, " %12s", v ? et_human_bytes(v, buf) : "-");
}

void print_plan(FILE *out, const struct et_plan *p)
{
	char buf[2][32];
	fprintf(out, "%-12s %12s %12s %12s\n", "", "training", "evaluation", "loading");
	for (size_t i = 0; i < ROWS; i++) {
		fprintf(out, "%-12s", rows[i].name);
		print_bytes(out, bytes_of(&p->training, i));
		print_bytes(out, bytes_of(&p->evaluation, i));
		print_bytes(out, bytes_of(&p->loading, i));
		fputc('\n', out);
	}
	fprintf(out, "\nparameters     %llu, %llu of them trained; %d layers, %d of them trained\n",
		(unsigned long long)p->parameters, (unsigned long long)p->trainable, p->layers,
		p->trained_layers);
	fprintf(out, "multiply-adds  %.4g million forward, %.4g million backward, an image\n",
		p->forward_mac / 1e6, p->backward_mac / 1e6);
	fprintf(out, "batch size     %d, in micro-batches of %d\n", p->batch_size, p->micro_batch);
	fprintf(out, "memory         %s at most, %s available: %s\n",
		et_human_bytes(p->peak, buf[0]), et_human_bytes(p->available, buf[1]),
		p->fits ? "fits" : "does not fit");
}

static void print_json(const struct et_plan *p, const struct et_estimate *e)
{
	const struct et_memory *phase[] = {&p->training, &p->evaluation, &p->loading};
	static const char *const name[] = {"training", "evaluation", "loading"};
	printf("{\n");
	for (size_t k = 0; k < 3; k++) {
		printf("  \"%s\": {", name[k]);
		for (size_t i = 0; i < ROWS; i++)
			printf("%s\"%s\": %llu", i ? ", " : "", rows[i].name,
			       (unsigned long long)bytes_of(phase[k], i));
		printf("},\n");
	}
	printf("  \"peak\": %llu, \"available\": %llu, \"fits\": %s,\n",
	       (unsigned long long)p->peak, (unsigned long long)p->available,
	       p->fits ? "true" : "false");
	printf("  \"batch_size\": %d, \"micro_batch\": %d, \"largest_batch\": %d,\n", p->batch_size,
	       p->micro_batch, p->largest_batch);
	printf("  \"parameters\": %llu, \"trainable\": %llu, \"layers\": %d, "
	       "\"trained_layers\": %d,\n",
	       (unsigned long long)p->parameters, (unsigned long long)p->trainable, p->layers,
	       p->trained_layers);
	printf("  \"forward_mac\": %.0f, \"backward_mac\": %.0f", p->forward_mac, p->backward_mac);
	if (e->steps) {
		printf(",\n  \"estimate\": ");
		estimate_json(stdout, e);
	}
	printf("\n}\n");
}

/* ---- the command ----------------------------------------------------------------------------- */

static int refuse(const struct et_plan *p, struct et_err *err)
{
	char need[32], have[32];
	et_human_bytes(p->peak, need);
	et_human_bytes(p->available, have);
	if (p->largest_batch > 0)
		return et_fail(err, ET_EFIT,
			       "needs %s of memory, has %s: the largest batch that fits is %d",
			       need, have, p->largest_batch);
	return et_fail(err, ET_EFIT, "needs %s of memory, has %s: not even a batch of 1 fits", need,
		       have);
}

/* Memory is known at once; the rest takes a while. */
static void planned(void *arg, const struct et_plan *plan)
{
	const struct call *c = arg;
	const struct plan *p = c->own;
	if (strcmp(p->format, "json") == 0)
		return;
	print_plan(stdout, plan);
	fflush(stdout);
	if (p->steps && plan->fits && isatty(STDERR_FILENO))
		fprintf(stderr, "edgetrain plan: measuring %d steps\n", p->steps);
}

static int check(const struct call *c, struct et_err *err)
{
	const struct plan *p = c->own;
	if (c->operands > 2)
		return et_fail(err, ET_EUSAGE, "unexpected operand '%s' after SPEC and DATA",
			       c->operand[2]);
	if (c->operands == 0)
		return et_fail(err, ET_EUSAGE, "expected SPEC, found nothing");
	if (c->operands > 1 && p->classes)
		return et_fail(err, ET_EUSAGE,
			       "--classes and DATA exclude each other: DATA says how many there "
			       "are");
	if (c->operands > 1 && p->pictures)
		return et_fail(err, ET_EUSAGE,
			       "--pictures and DATA exclude each other: DATA says how many there "
			       "are");
	return ET_OK;
}

static int run(struct call *c, struct et_err *err)
{
	const struct plan *p = c->own;
	struct et_estimate estimate;
	struct et_plan plan;
	ET_TRY(check(c, err));
	c->env.stop = signals_catch();
	const struct et_plan_request request = {.spec = c->operand[0],
						.data = c->operands > 1 ? c->operand[1] : NULL,
						.init = p->init,
						.classes = p->classes,
						.conf = c->conf,
						.steps = p->steps,
						.estimate = &estimate,
						.pictures = (uint64_t)p->pictures,
						.planned = planned,
						.arg = c};
	ET_TRY(et_plan(&c->env, &request, &plan, err));
	if (strcmp(p->format, "json") == 0)
		print_json(&plan, &estimate);
	else if (estimate.steps)
		print_estimate(stdout, &estimate, plan.batch_size);
	return plan.fits ? ET_OK : refuse(&plan, err);
}

const struct command command_plan = {
	"plan",
	"memory, time and energy a training needs, before it runs",
	"Usage: edgetrain plan [OPTION]... SPEC [DATA]\n"
	"Print the memory that 'edgetrain fit' with the same options would need, and, from a few "
	"steps\nthat are taken here, time and energy.\n",
	sizeof(struct plan),
	options,
	run,
};

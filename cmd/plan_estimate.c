/* What a run will take, as a table and as JSON. */
#include <inttypes.h>
#include <math.h>

#include "cells.h"
#include "names.h"
#include "plan.h"

static const char *duration(double seconds, char buf[CELL])
{
	return seconds < 1 ? cell_short(buf, seconds * 1e3, "ms") : cell_time(buf, seconds);
}

static void print_row(FILE *out, const char *name, struct et_cost c, bool modelled)
{
	char time[CELL], joules[CELL], hours[CELL];
	fprintf(out, "%-15s %12s %12s", name, duration(c.seconds, time),
		cell_joules(joules, c.joules, modelled));
	if (c.joules >= 360)
		fprintf(out, "  %s", cell_watt_hours(hours, c.joules, modelled));
	fputc('\n', out);
}

static void print_basis(FILE *out, const struct et_estimate *e, int batch)
{
	if (e->real)
		fprintf(out,
			"%d steps of %d pictures were measured; an epoch has %" PRIu64 " pictures",
			e->steps, batch, e->pictures);
	else
		fprintf(out,
			"%d steps of %d made-up pictures were measured, without decoding; for "
			"%" PRIu64 " pictures an epoch",
			e->steps, batch, e->pictures);
	if (e->val_pictures)
		fprintf(out, ", its evaluation %" PRIu64, e->val_pictures);
	fputc('\n', out);
	if (e->kept > 0)
		fprintf(out,
			"features of %.0f %% of the pictures are kept after the first %" PRIu64
			" epoch%s\n",
			100 * e->kept, e->filling, e->filling > 1 ? "s" : "");
	if (e->dropped > 0)
		fprintf(out, "%.0f %% of the steps are skipped\n", 100 * e->dropped);
}

static void print_power(FILE *out, const struct et_estimate *e)
{
	if (!*e->source) {
		fputs("no energy: nothing tells the power; 'edgetrain sensors' lists what was "
		      "tried\n",
		      out);
		return;
	}
	fputs("power by ", out);
	name_put(out, e->source);
	fprintf(out, " (%s)%s\n", e->scope,
		e->modelled ? ": ~ is not measured and may be off by a third" : "");
}

void print_estimate(FILE *out, const struct et_estimate *e, int batch)
{
	char name[40];
	fprintf(out, "\n%-15s %12s %12s\n", "", "time", "energy");
	print_row(out, "step", e->step, e->modelled);
	if (e->kept > 0)
		print_row(out, "  features kept", e->kept_step, e->modelled);
	if (e->val_pictures)
		print_row(out, "evaluation", e->evaluation, e->modelled);
	if (e->val_kept > 0)
		print_row(out, "  features kept", e->kept_evaluation, e->modelled);
	print_row(out, e->kept > 0 || e->val_kept > 0 ? "first epoch" : "epoch", e->first_epoch,
		  e->modelled);
	if ((e->kept > 0 || e->val_kept > 0) && e->epochs > 1)
		print_row(out, "last epoch", e->epoch, e->modelled);
	snprintf(name, sizeof(name), "%" PRIu64 " epoch%s", e->epochs, e->epochs > 1 ? "s" : "");
	print_row(out, name, e->run, e->modelled);
	fputc('\n', out);
	print_basis(out, e, batch);
	print_power(out, e);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void put_cost(FILE *out, const char *name, struct et_cost c)
{
	if (!isnan(c.seconds))
		fprintf(out, ", \"%s_s\": %.6g", name, c.seconds);
	if (!isnan(c.joules))
		fprintf(out, ", \"%s_j\": %.6g", name, c.joules);
}

void estimate_json(FILE *out, const struct et_estimate *e)
{
	fprintf(out,
		"{\"steps\": %d, \"real_pictures\": %s, \"pictures\": %" PRIu64
		", \"val_pictures\": %" PRIu64 ", \"epochs\": %" PRIu64,
		e->steps, e->real ? "true" : "false", e->pictures, e->val_pictures, e->epochs);
	fprintf(out,
		", \"kept\": %.6g, \"val_kept\": %.6g, \"filling_epochs\": %" PRIu64
		", \"dropped\": %.6g",
		e->kept, e->val_kept, e->filling, e->dropped);
	put_cost(out, "step", e->step);
	if (e->kept > 0)
		put_cost(out, "kept_step", e->kept_step);
	if (e->val_pictures)
		put_cost(out, "evaluation", e->evaluation);
	if (e->val_kept > 0)
		put_cost(out, "kept_evaluation", e->kept_evaluation);
	put_cost(out, "first_epoch", e->first_epoch);
	put_cost(out, "epoch", e->epoch);
	put_cost(out, "run", e->run);
	if (*e->source) {
		fputs(", \"energy_source\": ", out);
		name_put_json(out, e->source);
		fputs(", \"energy_scope\": ", out);
		name_put_json(out, e->scope);
		fprintf(out, ", \"energy_estimated\": %s", e->modelled ? "true" : "false");
	}
	fputc('}', out);
}

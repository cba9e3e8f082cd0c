/* A bench as tables. */
#include <math.h>
#include <string.h>

#include "bench.h"

#define NAME_MIN 10
#define NAME_MAX 22

/* About four digits. */
static const char *number(double v, char buf[32])
{
	double a = fabs(v);
	if (isnan(v))
		snprintf(buf, 32, "-");
	else
		snprintf(buf, 32, "%.*f", a >= 999.5 ? 0 : a >= 99.95 ? 1 : a >= 9.995 ? 2 : 3, v);
	return buf;
}

static int name_width(const struct et_bench_result *r)
{
	size_t width = NAME_MIN;
	for (int i = 0; i < r->modes; i++) {
		size_t n = strlen(r->mode[i].recipe);
		if (n > width && n <= NAME_MAX)
			width = n;
	}
	return (int)width;
}

/* A name too long for the column has a line of its own. */
static void print_name(FILE *out, const char *name, int width)
{
	if (strlen(name) > (size_t)width)
		fprintf(out, "%s\n%*s", name, width, "");
	else
		fprintf(out, "%-*s", width, name);
}

/* ---- times ----------------------------------------------------------------------------------- */

static void print_spread(FILE *out, struct et_spread s)
{
	char median[32], iqr[32], both[70];
	snprintf(both, sizeof(both), "%s (%s)", number(s.median, median), number(s.iqr, iqr));
	fprintf(out, " %13s", both);
}

static void print_times(FILE *out, const struct et_bench_result *r, int width)
{
	char buf[32];
	fprintf(out, "%-*s %13s %13s %13s %13s %13s %7s\n", width, "mode", "step", "forward",
		"backward", "update", "data", "speedup");
	for (int i = 0; i < r->modes; i++) {
		const struct et_bench_mode *m = &r->mode[i];
		print_name(out, m->recipe, width);
		print_spread(out, m->step);
		print_spread(out, m->forward);
		print_spread(out, m->backward);
		print_spread(out, m->update);
		print_spread(out, m->data);
		fprintf(out, " %6sx\n", number(m->speedup, buf));
	}
}

/* ---- the rest: columns ----------------------------------------------------------------------- */

static double peak_mb(const struct et_bench_mode *m)
{
	return m->peak_memory ? (double)m->peak_memory / 1e6 : NAN;
}
static double planned_mb(const struct et_bench_mode *m)
{
	return (double)m->planned_peak / 1e6;
}
static double saved_mb(const struct et_bench_mode *m)
{
	return (double)m->saved / 1e6;
}
static double energy(const struct et_bench_mode *m)
{
	return m->energy_j;
}
static double net_energy(const struct et_bench_mode *m)
{
	return m->energy_net_j;
}
static double train_energy(const struct et_bench_mode *m)
{
	return m->train_j;
}
static double cosine(const struct et_bench_mode *m)
{
	return m->cosine;
}
static double ratio(const struct et_bench_mode *m)
{
	return m->ratio;
}
static double accuracy(const struct et_bench_mode *m)
{
	return m->val_accuracy;
}
static double best(const struct et_bench_mode *m)
{
	return isnan(m->best_val_miou) ? m->best_val_accuracy : m->best_val_miou;
}
static double miou(const struct et_bench_mode *m)
{
	return m->val_miou;
}
static double seconds(const struct et_bench_mode *m)
{
	return m->seconds;
}

static const struct column {
	const char *title;
	double (*of)(const struct et_bench_mode *m);
	const char *format; /* NULL: as number() does */
} columns[] = {
	{"peak MB", peak_mb, "%.1f"}, {"plan MB", planned_mb, "%.1f"},
	{"saved MB", saved_mb, NULL}, {"J/step", energy, NULL},
	{"net J", net_energy, NULL},  {"cosine", cosine, "%.4f"},
	{"norm", ratio, "%.4f"},      {"accuracy", accuracy, "%.4f"},
	{"mIoU", miou, "%.4f"},	      {"best", best, "%.4f"},
	{"seconds", seconds, "%.1f"}, {"train J", train_energy, "%.0f"},
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static bool known(const struct et_bench_result *r, const struct column *c)
{
	for (int i = 0; i < r->modes; i++)
		if (!isnan(c->of(&r->mode[i])))
			return true;
	return false;
}

static void print_columns(FILE *out, const struct et_bench_result *r, int width)
{
	fprintf(out, "%-*s", width, "mode");
	for (size_t k = 0; k < COLUMNS; k++)
		if (known(r, &columns[k]))
			fprintf(out, " %8s", columns[k].title);
	fputc('\n', out);
	for (int i = 0; i < r->modes; i++) {
		print_name(out, r->mode[i].recipe, width);
		for (size_t k = 0; k < COLUMNS; k++) {
			const struct column *c = &columns[k];
			double v = c->of(&r->mode[i]);
			char buf[32];
			if (!known(r, c))
				continue;
			if (c->format && !isnan(v))
				snprintf(buf, sizeof(buf), c->format, v);
			else
				number(v, buf);
			fprintf(out, " %8s", buf);
		}
		fputc('\n', out);
	}
}

void print_bench(FILE *out, const struct et_bench_result *r)
{
	int width = name_width(r);
	fprintf(out,
		"milliseconds a step: median (interquartile range) of %llu steps in %d rounds, "
		"batch of %d\n",
		(unsigned long long)r->mode[0].steps, r->rounds, r->batch_size);
	print_times(out, r, width);
	fprintf(out, "\nmemory; gradient of the weights against exact's: cosine, ratio of norms");
	if (r->val_split && !isnan(r->mode[0].seconds))
		fprintf(out, "; accuracy on %s", r->val_split);
	fputc('\n', out);
	if (!isnan(r->mode[0].energy_j))
		fprintf(out, "joules by %s%s\n", r->energy_source,
			isnan(r->idle_w) ? "" : "; net: without what the idle board draws");
	print_columns(out, r, width);
}

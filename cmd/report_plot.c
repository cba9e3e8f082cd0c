/* A picture of runs: its panels. */
#include <math.h>

#include "report_draw.h"
#include "report_plot.h"

#define BARS 7 /* above each other, of several runs; the next lie over the first */

/* ---- panels ---------------------------------------------------------------------------------- */

/* A panel at d->y, the i-th of `of` beside each other, so many pixels high. */
static void put_place(FILE *f, const struct drawing *d, int i, int of, double height)
{
	double cell = (double)WIDTH / of;
	fprintf(f,
		"set lmargin at screen %.5f\nset rmargin at screen %.5f\n"
		"set tmargin at screen %.5f\nset bmargin at screen %.5f\n",
		(i * cell + LEFT) / WIDTH, ((i + 1) * cell - RIGHT) / WIDTH, 1 - d->y / d->height,
		1 - (d->y + height) / d->height);
}

static void put_x_label(FILE *f, const struct drawing *d, int x)
{
	if (x == BY_EPOCH)
		fputs("set xlabel 'epoch'\n", f);
	else if (x == BY_TIME)
		fprintf(f, "set xlabel '%s, %s'\n", d->whole ? "time" : "time of training",
			d->time.name);
	else
		fprintf(f, "set xlabel 'energy, %s%s'\n", d->joules.name,
			d->estimated ? " (by a model, not measured)" : "");
}

/* A few marks on a curve of many epochs. */
static size_t interval(const struct et_report *r)
{
	return r->n_epoch / 25 + 1;
}

static bool has(const struct drawing *d, size_t k, int x, int y)
{
	const struct et_report *r = &d->r[k];
	for (size_t i = 0; i < r->n_epoch; i++) {
		double v[MIOU + 1];
		values_of(d, &r->epoch[i], v);
		if (!isnan(v[x]) && !isnan(v[y]))
			return true;
	}
	return false;
}

static const char *comma(bool *first)
{
	const char *text = *first ? "plot " : ", \\\n  ";
	*first = false;
	return text;
}

/* The best epoch is that of mIoU where there is one, else of accuracy. */
static bool judges(const struct et_report *r, int train, int val)
{
	int by = !isnan(r->val_miou) ? MIOU : !isnan(r->val_accuracy) ? VAL_ACCURACY : ACCURACY;
	return r->best_epoch && (by == val || by == train);
}

static void put_curves(FILE *f, const struct drawing *d, int x, int train, int val)
{
	bool first = true;
	if (x == BY_EPOCH && train == LOSS && d->by_steps)
		fprintf(f, "%s$s0 using 1:2 with lines linewidth 1 linecolor rgb " STEPS,
			comma(&first));
	for (size_t k = 0; k < d->n; k++) {
		const struct et_report *r = &d->r[k];
		if (train && has(d, k, x, train))
			fprintf(f,
				"%s$e%zu using %d:%d with linespoints pointtype %d pointsize 0.5 "
				"pointinterval %zu linewidth 1.5 dashtype 2 linecolor rgb '%s'",
				comma(&first), k, x, train, point(k), interval(r), colour(k));
		if (has(d, k, x, val))
			fprintf(f,
				"%s$e%zu using %d:%d with linespoints pointtype %d pointsize 1 "
				"pointinterval %zu linewidth 2 linecolor rgb '%s'",
				comma(&first), k, x, val, point(k), interval(r), colour(k));
		if (judges(r, train, val))
			fprintf(f,
				"%s$e%zu using ($1 == %llu ? $%d : NaN):%d with points pointtype "
				"6 pointsize 2.4 linewidth 2 linecolor rgb '%s'",
				comma(&first), k, (unsigned long long)r->best_epoch, x,
				has(d, k, x, val) ? val : train, colour(k));
	}
	fputs(first ? "" : "\n", f);
}

static const struct row {
	int train, val;
	const char *name;
} rows[] = {{LOSS, VAL_LOSS, "loss"}, {ACCURACY, VAL_ACCURACY, "accuracy"}, {0, MIOU, "mIoU"}};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static bool row_known(const struct drawing *d, const struct row *row)
{
	return d->has[row->val] || (row->train && d->has[row->train]) ||
	       (row->train == LOSS && d->by_steps);
}

static size_t rows_known(const struct drawing *d)
{
	size_t n = 0;
	for (size_t i = 0; i < ROWS; i++)
		n += row_known(d, &rows[i]);
	return n;
}

/* Something in this row, by epochs, time or energy? */
static bool panel_known(const struct drawing *d, int x, const struct row *row)
{
	if (x == BY_EPOCH && row->train == LOSS && d->by_steps)
		return true;
	for (size_t k = 0; k < d->n; k++)
		if (has(d, k, x, row->val) || (row->train && has(d, k, x, row->train)))
			return true;
	return false;
}

static void put_learning(FILE *f, struct drawing *d)
{
	int of = d->has[BY_EPOCH] ? 1 + d->has[BY_TIME] + d->has[BY_ENERGY] : 1;
	size_t left = rows_known(d);
	fputs("set xrange [0:*] noextend\nset offsets 0, graph 0.02, graph 0.06, graph 0.06\n", f);
	for (size_t i = 0; i < ROWS; i++) {
		if (!row_known(d, &rows[i]))
			continue;
		left--;
		for (int x = BY_EPOCH, place = 0; x <= BY_ENERGY; x++) {
			if (x > BY_EPOCH && !d->has[x])
				continue;
			fputs("unset xlabel\n", f);
			put_place(f, d, place++, of, CURVE);
			if (!panel_known(d, x, &rows[i]))
				continue;
			if (!left)
				put_x_label(f, d, x);
			fprintf(f, "set ylabel '%s'\n", rows[i].name);
			put_curves(f, d, x, rows[i].train, rows[i].val);
			fputs("unset label\nunset arrow\nunset object\n", f); /* the legend */
		}
		d->y += CURVE + TICS + (left ? 0 : LABEL);
	}
}

/* ---- power and heat -------------------------------------------------------------------------- */

/* The whole height of the panel for one run; for several a bar of the run's colour at its edge. */
static void put_spans(FILE *f, const struct drawing *d, size_t k, bool pauses)
{
	const struct et_report *r = &d->r[k];
	const struct et_report_span *s = pauses ? r->pause : r->throttle;
	size_t n = pauses ? r->n_pause : r->n_throttle;
	double low = 0, high = 1, bar = 0.035 * (double)(k % BARS);
	if (!pauses)
		low = 0.965 - (d->n > 1 ? bar : 0);
	else if (d->n > 1)
		low = bar;
	if (!pauses || d->n > 1)
		high = low + 0.035;
	for (size_t i = 0; i < n; i++) {
		double from = s[i].from_s * d->time.scale, to = s[i].to_s * d->time.scale;
		fprintf(f,
			"set object rectangle from first %.7g,graph %.4g to first %.7g,graph %.4g "
			"%s fillcolor rgb '%s' fillstyle solid border rgb '%s'\n",
			from, low, to, high, pauses ? "behind" : "front",
			d->n > 1 ? colour(k)
			: pauses ? PAUSED
				 : THROTTLED,
			d->n > 1 ? colour(k)
			: pauses ? PAUSED
				 : THROTTLED);
	}
}

static bool live_known(const struct et_report *r, int column)
{
	for (size_t i = 0; i < r->n_power; i++)
		if (!isnan(column == POWER ? r->power[i].power_w : r->power[i].temp_c))
			return true;
	return false;
}

static void put_live(FILE *f, struct drawing *d, int column, bool last)
{
	bool first = true;
	put_place(f, d, 0, 1, LIVE);
	fputs("unset xlabel\n", f);
	if (last)
		fprintf(f, "set xlabel '%s, %s'\n", d->clocked ? "time of training" : "time",
			d->time.name);
	fprintf(f, "set ylabel '%s'\n",
		column == TEMPERATURE ? "temperature, °C"
		: d->estimated	      ? "power, W (model)"
				      : "power, W");
	/* Power from 0 on; heat where it is. */
	fputs(column == POWER
		      ? "set yrange [0:*]\nset offsets 0, graph 0.01, graph 0.1, 0\n"
		      : "set yrange [*:*]\nset offsets 0, graph 0.01, graph 0.12, graph 0.08\n",
	      f);
	for (size_t k = 0; k < d->n; k++) {
		put_spans(f, d, k, true);
		put_spans(f, d, k, false);
	}
	for (size_t k = 0; k < d->n; k++)
		if (live_known(&d->r[k], column))
			fprintf(f, "%s$p%zu using 1:%d with lines linewidth 1.5 linecolor rgb '%s'",
				comma(&first), k, column, colour(k));
	fputs("\nunset object\nunset label\nunset arrow\n", f);
	d->y += LIVE + TICS + (last ? LABEL : 0);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int put_script(FILE *f, const void *what, struct et_err *err)
{
	struct drawing d = *(const struct drawing *)what;
	(void)err;
	fputs("set encoding utf8\nset key off\nset grid linetype 1 linewidth 0.5 linecolor rgb "
	      "'#dddddd'\n"
	      "set tics nomirror out\nset border 3\nset datafile missing 'NaN'\n"
	      "set ylabel offset 1,0\n",
	      f);
	put_data(f, &d);
	fputs("set multiplot\n", f);
	put_legend(f, &d);
	d.y = ABOVE + d.lines * LINE + ABOVE;
	put_learning(f, &d);
	d.y += ABOVE;
	if (d.live[POWER])
		put_live(f, &d, POWER, !d.live[TEMPERATURE]);
	if (d.live[TEMPERATURE])
		put_live(f, &d, TEMPERATURE, true);
	fputs("unset multiplot\n", f);
	return ET_OK;
}

int plot_report(const struct gnuplot *g, const struct et_report *r, size_t n, struct et_err *err)
{
	struct drawing d = {.r = r, .n = n};
	look(&d);
	size_t curves = rows_known(&d), live = (size_t)d.live[POWER] + d.live[TEMPERATURE];
	if (!curves && !live)
		return et_fail(err, ET_EDATA, "--plot %s: there is nothing to draw yet", g->path);
	d.lines = put_legend(NULL, &d);
	d.height = 2 * ABOVE + d.lines * LINE + (int)curves * (CURVE + TICS) +
		   (curves ? LABEL : 0) + 2 * ABOVE + (int)live * (LIVE + TICS) +
		   (live ? LABEL : 0);
	return gnuplot_draw(g, WIDTH, d.height, put_script, &d, err);
}

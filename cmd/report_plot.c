/* Runs as a picture: what is to be drawn, where, in which units. */
#include <math.h>
#include <string.h>

#include "names.h"
#include "report.h"
#include "report_plot.h"

/* Pixels. */
#define WIDTH  1400
#define LEFT   78 /* of a panel: tics and label */
#define RIGHT  16
#define ABOVE  12
#define CURVE  230
#define LIVE   170
#define TICS   34 /* below a panel */
#define LABEL  22 /* and the axis' name */
#define LINE   24 /* of the legend */
#define LETTER 7.6
#define SAMPLE 36

/* Columns of the epochs' data, from 1; of the moments' data 1 is time. */
enum { BY_EPOCH = 1, BY_TIME, BY_ENERGY, LOSS, VAL_LOSS, ACCURACY, VAL_ACCURACY, MIOU };
enum { POWER = 2, TEMPERATURE };

struct unit {
	double scale;
	const char *name;
};

struct drawing {
	const struct et_report *r;
	size_t n;
	bool has[MIOU + 1];	    /* of the epochs' columns: is there a number */
	bool live[TEMPERATURE + 1]; /* the same of moments */
	bool val, train, by_steps, paused, throttled, estimated;
	bool whole;   /* all runs know their total time */
	bool clocked; /* some know power and heat by the time of training alone */
	struct unit time, joules;
	double y; /* the upper edge of the next panel */
	int height, lines;
};

/* Okabe and Ito's colours, which the colour-blind tell apart; without yellow on white. */
static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
				      "#e69f00", "#56b4e9", "#555555"};
static const int points[] = {7, 5, 9, 13, 11, 15, 4};
#define COLOURS (sizeof(colours) / sizeof(colours[0]))

static const char *colour(size_t k)
{
	return colours[k % COLOURS];
}

static int point(size_t k)
{
	return points[(k + k / COLOURS) % COLOURS];
}

/* ---- what there is --------------------------------------------------------------------------- */

static struct unit time_unit(double most)
{
	return most > 3 * 3600 ? (struct unit){1.0 / 3600, "h"}
	       : most > 180    ? (struct unit){1.0 / 60, "min"}
			       : (struct unit){1, "s"};
}

static struct unit joule_unit(double most)
{
	return most >= 3e6   ? (struct unit){1e-6, "MJ"}
	       : most >= 3e3 ? (struct unit){1e-3, "kJ"}
			     : (struct unit){1, "J"};
}

static double time_of(const struct drawing *d, const struct et_report_epoch *e)
{
	return d->whole ? e->total_s : e->train_s;
}

static void values_of(const struct drawing *d, const struct et_report_epoch *e, double v[MIOU + 1])
{
	v[BY_EPOCH] = (double)e->epoch;
	v[BY_TIME] = time_of(d, e);
	v[BY_ENERGY] = e->energy_j;
	v[LOSS] = e->loss;
	v[VAL_LOSS] = e->val_loss;
	v[ACCURACY] = e->accuracy;
	v[VAL_ACCURACY] = e->val_accuracy;
	v[MIOU] = e->val_miou;
}

static void look_at(struct drawing *d, const struct et_report *r, double *seconds, double *joules)
{
	for (size_t i = 0; i < r->n_epoch; i++) {
		double v[MIOU + 1];
		values_of(d, &r->epoch[i], v);
		for (int c = BY_EPOCH; c <= MIOU; c++)
			d->has[c] |= !isnan(v[c]);
		*seconds = fmax(*seconds, v[BY_TIME]);
		*joules = fmax(*joules, v[BY_ENERGY]);
	}
	for (size_t i = 0; i < r->n_power; i++) {
		d->live[POWER] |= !isnan(r->power[i].power_w);
		d->live[TEMPERATURE] |= !isnan(r->power[i].temp_c);
		*seconds = fmax(*seconds, r->power[i].time_s);
	}
	d->clocked |= r->clocked && r->n_power > 0;
	d->paused |= r->n_pause > 0;
	d->throttled |= r->n_throttle > 0;
	d->estimated |= r->estimated && !isnan(r->energy_j);
}

static void look(struct drawing *d)
{
	double seconds = 0, joules = 0;
	d->whole = true;
	for (size_t k = 0; k < d->n; k++)
		for (size_t i = 0; i < d->r[k].n_epoch; i++)
			d->whole &= !isnan(d->r[k].epoch[i].total_s);
	for (size_t k = 0; k < d->n; k++)
		look_at(d, &d->r[k], &seconds, &joules);
	/* Of one run the loss of its steps is drawn behind that of its epochs. */
	d->val = d->has[VAL_LOSS] || d->has[VAL_ACCURACY] || d->has[MIOU];
	d->train = d->has[LOSS] || d->has[ACCURACY];
	d->by_steps = d->n == 1 && d->r->n_loss > 1;
	d->time = time_unit(seconds);
	d->joules = joule_unit(joules);
}

/* ---- data ------------------------------------------------------------------------------------ */

static void put_number(FILE *f, double v)
{
	if (isnan(v))
		fputs(" NaN", f);
	else
		fprintf(f, " %.7g", v);
}

static void put_data(FILE *f, const struct drawing *d)
{
	for (size_t k = 0; k < d->n; k++) {
		const struct et_report *r = &d->r[k];
		fprintf(f, "$e%zu << END\n", k);
		for (size_t i = 0; i < r->n_epoch; i++) {
			double v[MIOU + 1];
			values_of(d, &r->epoch[i], v);
			v[BY_TIME] *= d->time.scale;
			v[BY_ENERGY] *= d->joules.scale;
			for (int c = BY_EPOCH; c <= MIOU; c++)
				put_number(f, v[c]);
			fputc('\n', f);
		}
		fprintf(f, "END\n$p%zu << END\n", k);
		for (size_t i = 0; i < r->n_power; i++) {
			put_number(f, r->power[i].time_s * d->time.scale);
			put_number(f, r->power[i].power_w);
			put_number(f, r->power[i].temp_c);
			fputc('\n', f);
		}
		fprintf(f, "END\n$s%zu << END\n", k);
		for (size_t i = 0; i < r->n_loss && d->n == 1; i++) {
			put_number(f, r->losses[i].epoch);
			put_number(f, r->losses[i].loss);
			fputc('\n', f);
		}
		fputs("END\n", f);
	}
}

/* ---- legend ---------------------------------------------------------------------------------- */

struct pen {
	FILE *f; /* NULL: only measures */
	const struct drawing *d;
	double x;
	int line;
};

/* Room for a sample and a text, on the next line if need be; where it begins. */
static void next_entry(struct pen *p, const char *text, double *x, double *y)
{
	double width = SAMPLE + 10 + LETTER * (double)name_width(text) + 24;
	if (p->x > LEFT && p->x + width > WIDTH - RIGHT) {
		p->x = LEFT;
		p->line++;
	}
	*x = p->x / WIDTH;
	*y = p->f ? 1 - (ABOVE + LINE * (p->line + 0.5)) / p->d->height : 0;
	p->x += width;
}

static void put_entry(struct pen *p, const char *text, const char *style, const char *box,
		      const char *mark)
{
	double x, y;
	next_entry(p, text, &x, &y);
	if (!p->f)
		return;
	double end = x + (double)SAMPLE / WIDTH, half = 6.0 / p->d->height;
	if (style)
		fprintf(p->f, "set arrow from screen %.5f,%.5f to screen %.5f,%.5f nohead %s\n", x,
			y, end, y, style);
	if (box)
		fprintf(p->f,
			"set object rectangle from screen %.5f,%.5f to screen %.5f,%.5f fillcolor "
			"rgb '%s' fillstyle solid noborder\n",
			x, y - half, end, y + half, box);
	if (mark)
		fprintf(p->f, "set label '' at screen %.5f,%.5f point %s\n", (x + end) / 2, y,
			mark);
	fputs("set label ", p->f);
	gnuplot_text(p->f, text);
	fprintf(p->f, " at screen %.5f,%.5f left noenhanced\n", end + 8.0 / WIDTH, y);
}

static void put_run_entry(struct pen *p, size_t k)
{
	const struct et_report *r = &p->d->r[k];
	char text[400], mode[60], head[256], style[80], mark[80];
	name_copy(mode, sizeof(mode), r->mode);
	snprintf(text, sizeof(text), "%s, %s", report_heading(r, 40, head), mode);
	snprintf(style, sizeof(style), "linewidth 2 linecolor rgb '%s'", colour(k));
	snprintf(mark, sizeof(mark), "pointtype %d pointsize 1 linecolor rgb '%s'", point(k),
		 colour(k));
	put_entry(p, text, style, NULL, mark);
}

#define STEPS	  "'#b9c9d4'"
#define PAUSED	  "#d3dde4"
#define THROTTLED "#d55e00"
#define BAR	  "#888888" /* of whatever run */

/* Returns the lines it takes. */
static int put_legend(FILE *f, const struct drawing *d)
{
	struct pen p = {f, d, LEFT, 0};
	bool one = d->n == 1;
	for (size_t k = 0; k < d->n; k++)
		put_run_entry(&p, k);
	if (d->val)
		put_entry(&p, "validation", "linewidth 2 linecolor rgb 'black'", NULL,
			  "pointtype 7 pointsize 1 linecolor rgb 'black'");
	if (d->train)
		put_entry(&p, "training", "linewidth 1.5 dashtype 2 linecolor rgb 'black'", NULL,
			  NULL);
	if (d->by_steps)
		put_entry(&p, "training, by steps", "linewidth 1.5 linecolor rgb " STEPS, NULL,
			  NULL);
	if (d->has[ACCURACY] || d->has[VAL_ACCURACY])
		put_entry(&p, "best epoch", NULL, NULL,
			  "pointtype 6 pointsize 2.4 linewidth 2 linecolor rgb 'black'");
	if (d->paused)
		put_entry(&p, one ? "pause to cool down" : "pauses: bars below the curves", NULL,
			  one ? PAUSED : BAR, NULL);
	if (d->throttled)
		put_entry(&p,
			  one ? "throttled, or too little voltage"
			      : "throttled, or too little voltage: bars above the curves",
			  NULL, one ? THROTTLED : BAR, NULL);
	return p.line + 1;
}

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
	double low = 0, high = 1, bar = 0.035 * (double)(k % COLOURS);
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

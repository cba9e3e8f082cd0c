/* A picture of runs: what there is to be drawn, as data, and the legend. */
#include <math.h>

#include "gnuplot.h"
#include "names.h"
#include "report.h"
#include "report_draw.h"

#define LETTER 7.6
#define SAMPLE 36

/* Okabe and Ito's colours, which the colour-blind tell apart; without yellow on white. */
static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
				      "#e69f00", "#56b4e9", "#555555"};
static const int points[] = {7, 5, 9, 13, 11, 15, 4};
#define COLOURS (sizeof(colours) / sizeof(colours[0]))

const char *colour(size_t k)
{
	return colours[k % COLOURS];
}

int point(size_t k)
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

void values_of(const struct drawing *d, const struct et_report_epoch *e, double v[MIOU + 1])
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

void look(struct drawing *d)
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

void put_data(FILE *f, const struct drawing *d)
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

int put_legend(FILE *f, const struct drawing *d)
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

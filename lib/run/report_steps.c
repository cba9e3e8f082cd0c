/* steps.csv of a run: the file that may be long. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/report_files.h"

/* Points of the training loss. */
#define LOSSES 512

enum {
	S_STEP,
	S_EPOCH,
	S_SAMPLES,
	S_SOURCE,
	S_BITS,
	S_LOSS, /* numbers from here on */
	S_ACCURACY,
	S_DATA,
	S_FORWARD,
	S_BACKWARD,
	S_UPDATE,
	S_TIME,
	S_ENERGY,
	S_POWER,
	S_TEMP,
	S_FREQ,
	S_RSS,
	S_COLUMNS
};
static const char *const names[S_COLUMNS] = {
	"step",	    "epoch",   "samples",    "energy_source", "throttled", "loss",
	"accuracy", "data_ms", "forward_ms", "backward_ms",   "update_ms", "step_ms",
	"energy_j", "power_w", "temp_c",     "freq_mhz",      "rss_mb"};

#define TIMES (S_TIME - S_DATA + 1)

struct steps {
	struct et_histogram *ms; /* [TIMES] */
	struct et_curve heat, losses;
	struct et_spans throttle;
	struct et_bits bits;
	double time_s;
	uint64_t epoch, in_epoch; /* the one at hand, its steps so far */
};

void et_bits_add(struct et_bits *b, int64_t bits, int64_t *seen)
{
	if (bits < 0)
		return;
	int64_t now = bits & 0xf, ever = (bits >> 16) & 0xf;
	/* What has been set since boot need not have been set in the run, but what is new has. */
	if (b->known)
		now |= ever & ~b->ever;
	b->ever = ever;
	b->known = true;
	*seen = (*seen < 0 ? 0 : *seen) | now;
}

/* "rapl:window" is rapl, where the energy of a step is a mean by time. */
static void take_source(struct et_report *r, const char *text, bool first)
{
	static const char window[] = ":window";
	size_t n = strlen(text), tail = sizeof(window) - 1;

	if (!n)
		return;
	if (n > tail && strcmp(text + n - tail, window) == 0) {
		n -= tail;
		r->windows = true;
	}
	if (n >= sizeof(r->source))
		n = sizeof(r->source) - 1;
	bool same = strlen(r->source) == n && memcmp(r->source, text, n) == 0;
	if (same)
		return;
	r->sources |= !first;
	memcpy(r->source, text, n);
	r->source[n] = 0;
}

static void take_energy(const struct et_rows *rows, const double *v, uint64_t samples, bool later,
			struct et_report *r, struct et_report_sums *s)
{
	if (isnan(v[S_ENERGY]))
		return;
	take_source(r, et_rows_text(rows, S_SOURCE), s->step_images <= 0);
	s->step_j += v[S_ENERGY];
	s->step_images += (double)samples;
	if (!later || isnan(v[S_TIME]))
		return;
	s->energy_j += v[S_ENERGY];
	s->energy_s += v[S_TIME] / 1e3;
	s->net_j += v[S_ENERGY] - r->idle_w * v[S_TIME] / 1e3;
}

static double position(const struct et_report *r, const struct steps *t)
{
	double of = 1;

	if (r->pictures && r->batch_size > 0)
		of = (double)et_ceil_div(r->pictures, (uint64_t)r->batch_size);
	return (double)t->epoch - 1 + fmin((double)t->in_epoch / of, 1);
}

static void take_later(const double *v, uint64_t samples, struct et_report_sums *s)
{
	s->later_steps++;
	s->later_images += samples;
	s->later_s += isnan(v[S_TIME]) ? 0 : v[S_TIME] / 1e3;
	s->later_loss += v[S_LOSS] * (double)samples;
	s->later_correct += v[S_ACCURACY] * (double)samples;
}

static int take_step(const struct et_rows *rows, struct et_report *r, struct et_report_sums *s,
		     struct steps *t, struct et_err *err)
{
	double v[S_COLUMNS];
	uint64_t epoch, samples;
	int64_t bits;

	ET_TRY(et_rows_count(rows, S_STEP, &r->steps, err));
	ET_TRY(et_rows_count(rows, S_EPOCH, &epoch, err));
	ET_TRY(et_rows_count(rows, S_SAMPLES, &samples, err));
	ET_TRY(et_rows_bits(rows, S_BITS, &bits, err));
	for (size_t i = S_LOSS; i < S_COLUMNS; i++)
		ET_TRY(et_rows_number(rows, i, &v[i], err));
	bool later = epoch > r->epochs;
	if (epoch != t->epoch) {
		t->epoch = epoch;
		t->in_epoch = 0;
	}
	t->in_epoch++;
	double before_s = t->time_s;
	t->time_s += isnan(v[S_TIME]) ? 0 : v[S_TIME] / 1e3;
	r->images += samples;
	if (later)
		take_later(v, samples, s);
	else
		s->last_step = r->steps;
	for (size_t i = 0; i < TIMES; i++)
		et_histogram_add(&t->ms[i], v[S_DATA + i]);
	take_energy(rows, v, samples, later, r, s);
	et_bits_add(&t->bits, bits, &r->throttled);
	et_spans_add(&t->throttle, before_s, t->time_s, bits > 0 && (bits & 0xf));
	r->highest_c = fmax(r->highest_c, v[S_TEMP]);
	r->peak_rss = fmax(r->peak_rss, v[S_RSS] * 1e6);
	struct et_report_moment at = {t->time_s, 0, v[S_POWER], v[S_TEMP], v[S_FREQ], NAN};
	et_curve_add(&t->heat, &at);
	at = (struct et_report_moment){t->time_s, position(r, t), NAN, NAN, NAN, v[S_LOSS]};
	et_curve_add(&t->losses, &at);
	return ET_OK;
}

static int read_steps(struct et_rows *rows, struct et_report *r, struct et_report_sums *s,
		      struct steps *t, struct et_err *err)
{
	int got;

	t->ms = et_calloc(TIMES, sizeof(*t->ms));
	if (!t->ms)
		return et_fail(err, ET_ENOMEM, "out of memory");
	ET_TRY(et_curve_open(&t->heat, ET_REPORT_MOMENTS, err));
	ET_TRY(et_curve_open(&t->losses, LOSSES, err));
	ET_TRY(et_spans_open(&t->throttle, err));
	while ((got = et_rows_next(rows, err)) == 1)
		ET_TRY(take_step(rows, r, s, t, err));
	ET_TRY(got);
	struct et_quartiles *to[TIMES] = {&r->data_wait, &r->forward, &r->backward, &r->update,
					  &r->step};
	for (size_t i = 0; i < TIMES; i++)
		*to[i] = et_histogram_quartiles(&t->ms[i]);
	r->power = et_curve_take(&t->heat, &r->n_power);
	r->losses = et_curve_take(&t->losses, &r->n_loss);
	r->clocked = true;
	r->throttle = t->throttle.span;
	r->n_throttle = t->throttle.n;
	t->throttle.span = NULL;
	return ET_OK;
}

int et_report_steps(const char *run, struct et_report *r, struct et_report_sums *s,
		    struct et_err *err)
{
	struct et_rows rows;
	struct steps t = {0};
	const struct et_quartiles none = {NAN, NAN, NAN};
	int got = et_rows_open(&rows, run, "steps.csv", names, S_COLUMNS, err);

	r->step = r->data_wait = r->forward = r->backward = r->update = none;
	if (got == 1)
		got = read_steps(&rows, r, s, &t, err);
	et_rows_close(&rows);
	free(t.ms);
	free(t.heat.point);
	free(t.losses.point);
	free(t.throttle.span);
	return got;
}

/* epochs.csv and power.csv of a run. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "run/report_files.h"

/* More than any run has, and what memory a hostile file may cost. */
#define MOST_EPOCHS 100000

/* Numbers of a row, from column `first` of the names on. */
static int numbers(const struct et_rows *rows, size_t first, double *v, size_t n,
		   struct et_err *err)
{
	for (size_t i = 0; i < n; i++)
		ET_TRY(et_rows_number(rows, first + i, &v[i], err));
	return ET_OK;
}

/* ---- epochs.csv ------------------------------------------------------------------------------ */

enum {
	E_EPOCH,
	E_SKIPPED,
	E_PAUSES,
	E_LOSS, /* numbers from here on */
	E_ACCURACY,
	E_VAL_LOSS,
	E_VAL_ACCURACY,
	E_VAL_MIOU,
	E_SECONDS,
	E_RATE,
	E_TOTAL,
	E_ENERGY,
	E_NET,
	E_J_PER_IMAGE,
	E_PAUSE,
	E_THROTTLED,
	E_COLUMNS
};
static const char *const epoch_names[E_COLUMNS] = {
	"epoch",	"skipped",     "pauses",  "loss",	  "accuracy", "val_loss",
	"val_accuracy", "val_miou",    "seconds", "images_per_s", "total_s",  "energy_j",
	"energy_net_j", "j_per_image", "pause_s", "throttled_s"};

static void count_energy(const double *v, struct et_report *r, struct et_report_sums *s)
{
	double images = v[E_SECONDS] * v[E_RATE];

	if (!isnan(v[E_J_PER_IMAGE]) && images > 0) {
		s->epoch_images += images;
		s->epoch_images_j += images * v[E_J_PER_IMAGE];
	}
	if (isnan(v[E_ENERGY]) || isnan(v[E_TOTAL]))
		return;
	r->energy_epochs++;
	s->energy_j += v[E_ENERGY];
	s->energy_s += v[E_TOTAL];
	if (isnan(v[E_NET]))
		return;
	s->net_epochs++;
	s->net_j += v[E_NET];
}

/* As the trainer judges: the first one is the best so far, then only a better one. */
static void judge(struct et_report *r, const struct et_report_epoch *e)
{
	double judged = !isnan(e->val_miou)	  ? e->val_miou
			: !isnan(e->val_accuracy) ? e->val_accuracy
						  : e->accuracy;

	if (r->best_epoch && !(judged > r->best))
		return;
	r->best = judged;
	r->best_epoch = e->epoch;
}

static int keep_epoch(struct et_report *r, const struct et_report_epoch *e, size_t *room,
		      struct et_err *err)
{
	if (r->n_epoch == *room) {
		*room = *room ? 2 * *room : 64;
		struct et_report_epoch *more = realloc(r->epoch, *room * sizeof(*more));
		if (!more)
			return et_fail(err, ET_ENOMEM, "out of memory");
		r->epoch = more;
	}
	r->epoch[r->n_epoch++] = *e;
	return ET_OK;
}

static int take_epoch(const struct et_rows *rows, struct et_report *r, struct et_report_sums *s,
		      size_t *room, struct et_err *err)
{
	double v[E_COLUMNS];
	uint64_t skipped, pauses;
	struct et_report_epoch e;

	ET_TRY(et_rows_count(rows, E_EPOCH, &e.epoch, err));
	ET_TRY(et_rows_count(rows, E_SKIPPED, &skipped, err));
	ET_TRY(et_rows_count(rows, E_PAUSES, &pauses, err));
	ET_TRY(numbers(rows, E_LOSS, v + E_LOSS, E_COLUMNS - E_LOSS, err));
	if (r->n_epoch == MOST_EPOCHS)
		return et_fail(err, ET_EDATA, "%s:%" PRIu64 ": more than %d epochs", rows->path,
			       rows->line, MOST_EPOCHS);
	r->epochs = e.epoch;
	r->skipped += skipped;
	r->pauses += pauses;
	r->pause_s += isnan(v[E_PAUSE]) ? 0 : v[E_PAUSE];
	if (!isnan(v[E_THROTTLED]))
		r->throttled_s = (isnan(r->throttled_s) ? 0 : r->throttled_s) + v[E_THROTTLED];
	s->train_s += v[E_SECONDS];
	s->total_s += v[E_TOTAL];
	count_energy(v, r, s);
	e.loss = r->loss = v[E_LOSS];
	e.accuracy = r->accuracy = v[E_ACCURACY];
	e.val_loss = r->val_loss = v[E_VAL_LOSS];
	e.val_accuracy = r->val_accuracy = v[E_VAL_ACCURACY];
	e.val_miou = r->val_miou = v[E_VAL_MIOU];
	e.train_s = s->train_s;
	e.total_s = s->total_s;
	e.energy_j = r->energy_epochs == r->n_epoch + 1 ? s->energy_j : NAN;
	judge(r, &e);
	return keep_epoch(r, &e, room, err);
}

int et_report_epochs(const char *run, struct et_report *r, struct et_report_sums *s,
		     struct et_err *err)
{
	struct et_rows rows;
	size_t room = 0;
	int got = et_rows_open(&rows, run, "epochs.csv", epoch_names, E_COLUMNS, err);

	while (got == 1 && (got = et_rows_next(&rows, err)) == 1) {
		int status = take_epoch(&rows, r, s, &room, err);
		if (status)
			got = status;
	}
	et_rows_close(&rows);
	return got;
}

/* ---- power.csv ------------------------------------------------------------------------------- */

enum { P_TIME, P_STEP, P_PHASE, P_BITS, P_POWER, P_TEMP, P_FREQ, P_COLUMNS };
static const char *const power_names[P_COLUMNS] = {"time_s",  "step",	"phase",   "throttled",
						   "power_w", "temp_c", "freq_mhz"};

struct moments {
	struct et_curve curve;
	struct et_spans pause, throttle;
	struct et_bits bits;
	double time_s; /* of the row before: a row is about what lies between */
	bool paused;   /* there */
};

/* After the last row of epochs.csv. */
static void count_later(struct et_report *r, struct et_report_sums *s, const struct moments *m,
			double took, bool paused, int64_t bits)
{
	r->pauses += paused && !m->paused;
	if (!(took > 0))
		return;
	if (paused) {
		r->pause_s += took;
		s->later_pause_s += took;
	}
	if (bits >= 0)
		r->throttled_s =
			(isnan(r->throttled_s) ? 0 : r->throttled_s) + (bits & 0xf ? took : 0);
}

static int take_moment(const struct et_rows *rows, struct et_report *r, struct et_report_sums *s,
		       struct moments *m, struct et_err *err)
{
	struct et_report_moment at = {.loss = NAN};
	double v[3];
	uint64_t step;
	int64_t bits;

	ET_TRY(et_rows_number(rows, P_TIME, &at.time_s, err));
	ET_TRY(et_rows_count(rows, P_STEP, &step, err));
	ET_TRY(et_rows_bits(rows, P_BITS, &bits, err));
	ET_TRY(numbers(rows, P_POWER, v, 3, err));
	if (isnan(at.time_s))
		return et_fail(err, ET_EDATA, "%s:%" PRIu64 ": time_s: expected a number, found ''",
			       rows->path, rows->line);
	bool paused = strcmp(et_rows_text(rows, P_PHASE), "pause") == 0;
	if (step > s->last_step)
		count_later(r, s, m, at.time_s - m->time_s, paused, bits);
	et_bits_add(&m->bits, bits, &r->throttled);
	et_spans_add(&m->pause, m->time_s, at.time_s, paused);
	et_spans_add(&m->throttle, m->time_s, at.time_s, bits > 0 && (bits & 0xf));
	m->paused = paused;
	m->time_s = at.time_s;
	at.power_w = v[0];
	at.temp_c = v[1];
	at.freq_mhz = v[2];
	r->highest_c = fmax(r->highest_c, at.temp_c);
	et_curve_add(&m->curve, &at);
	return ET_OK;
}

/* Rows of power.csv, if there are any, stand for those of steps.csv. */
static int read_moments(struct et_rows *rows, struct et_report *r, struct et_report_sums *s,
			struct moments *m, struct et_err *err)
{
	int got = et_rows_next(rows, err);

	if (got != 1)
		return got;
	ET_TRY(et_curve_open(&m->curve, ET_REPORT_MOMENTS, err));
	ET_TRY(et_spans_open(&m->pause, err));
	ET_TRY(et_spans_open(&m->throttle, err));
	for (; got == 1; got = et_rows_next(rows, err))
		ET_TRY(take_moment(rows, r, s, m, err));
	free(r->power);
	free(r->throttle);
	r->power = et_curve_take(&m->curve, &r->n_power);
	r->clocked = false;
	r->pause = m->pause.span;
	r->n_pause = m->pause.n;
	r->throttle = m->throttle.span;
	r->n_throttle = m->throttle.n;
	m->pause.span = m->throttle.span = NULL;
	return got;
}

int et_report_power(const char *run, struct et_report *r, struct et_report_sums *s,
		    struct et_err *err)
{
	struct et_rows rows;
	struct moments m = {0};
	int got = et_rows_open(&rows, run, "power.csv", power_names, P_COLUMNS, err);

	if (got == 1)
		got = read_moments(&rows, r, s, &m, err);
	et_rows_close(&rows);
	free(m.curve.point);
	free(m.pause.span);
	free(m.throttle.span);
	return got;
}

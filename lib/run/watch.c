/* Sums of power and heat along a run, and power.csv. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/watch.h"

#define TICK	  0.9  /* seconds between two looks at the meter */
#define ROWS	  600  /* of power.csv in a first span; then rows come further apart */
#define ROW_MAX_S 10.0 /* the most between two of them */
#define ENOUGH	  0.99 /* of the time has known power: the rest is taken to be like it */

static const char *const phase_names[] = {
	[ET_PHASE_LOAD] = "load", [ET_PHASE_TRAIN] = "train", [ET_PHASE_EVAL] = "eval",
	[ET_PHASE_SAVE] = "save", [ET_PHASE_PAUSE] = "pause", [ET_PHASE_IDLE] = "idle"};

int et_watch_open(struct et_watch *w, const struct et_env *env, struct et_state *state,
		  const char *needs_power, const char *needs_heat, struct et_err *err)
{
	const char *why = NULL;

	*w = (struct et_watch){.env = env,
			       .state = state,
			       .idle_w = NAN,
			       .power_w = NAN,
			       .marked = NAN,
			       .series = {.fd = -1}};
	ET_TRY(et_meter_open(&w->meter, &env->power, err));
	w->source = et_meter_source(w->meter, &why);
	if (needs_power && !w->source)
		return et_fail(err, ET_EUSAGE, "--%s: expected a source of power, found none%s%s",
			       needs_power, why ? ": " : "", why ? why : "");
	ET_TRY(et_meter_start(w->meter, err));
	w->board = et_meter_board(w->meter);
	w->old_bits = w->board.throttled >= 0 ? (unsigned)(w->board.throttled >> 16) & 0xf : 0;
	if (needs_heat && isnan(w->board.temp_c))
		return et_fail(err, ET_EUSAGE,
			       "--%s: expected a sensor of temperature, found none; 'edgetrain "
			       "sensors' lists what was tried",
			       needs_heat);
	if (!w->source)
		return ET_OK;
	w->waiting = et_calloc(ET_ROWS_WAITING, sizeof(*w->waiting));
	return w->waiting ? ET_OK : et_fail(err, ET_ENOMEM, "out of memory");
}

int et_watch_begin(struct et_watch *w, const char *dir, struct et_err *err)
{
	w->has_series = w->source || !isnan(w->board.temp_c);
	if (w->has_series)
		ET_TRY(et_csv_open(&w->series, dir, "power.csv", ET_SERIES_HEADER,
				   w->state->clock_s, err));
	w->marked = w->begun = et_now();
	w->phase = ET_PHASE_TRAIN;
	return ET_OK;
}

/* ---- throttling ------------------------------------------------------------------------------ */

/*
 * Once each: a weak supply, and a clock that is held down. The upper bits keep what was too short
 * to be seen as it happened; those of before the run are no news.
 */
static void warn(struct et_watch *w)
{
	int64_t bits = w->board.throttled;

	if (bits < 0)
		return;
	unsigned before = (unsigned)(bits >> 16) & 0xf;
	w->old_bits &= before;
	unsigned now = ((unsigned)bits & 0xf) | (before & ~w->old_bits);

	if (now & 1 && !(w->warned & 1))
		et_log(w->env, ET_LOG_WARNING,
		       "under-voltage: the power supply or its cable is too weak; the board slows "
		       "down and may fail");
	if (now & 0xe && !(w->warned & 0xe)) {
		char temp[40] = "";
		if (!isnan(w->board.temp_c))
			snprintf(temp, sizeof(temp), " at %.0f C", w->board.temp_c);
		et_log(w->env, ET_LOG_WARNING,
		       "the board throttles%s: its clock is held down; cool it, or pause in time "
		       "with --max-temp",
		       temp);
	}
	w->warned |= now;
}

/* ---- sums ------------------------------------------------------------------------------------ */

/* The moment the sums can be brought to; a source that is silent for long is not waited for. */
static double known_to(const struct et_watch *w)
{
	double now = et_now();

	if (!w->source)
		return now;
	double known = et_meter_known_to(w->meter);
	return now - known > 5 / w->source->hz + 1 ? now : known;
}

static void add_piece(struct et_watch *w, double until)
{
	struct et_state *st = w->state;
	double s = until - w->marked;

	if (!(s > 0))
		return;
	double j = w->source ? et_meter_energy(w->meter, w->marked, until) : NAN;
	w->marked = until;
	w->power_w = j / s;
	st->total_s += s;
	st->clock_s += s;
	w->call_s += s;
	w->row_s += s;
	if (!isnan(j)) {
		st->metered_s += s;
		st->energy_j += j;
		w->call_metered_s += s;
		w->call_j += j;
		w->row_metered_s += s;
		w->row_j += j;
	}
	if (w->phase == ET_PHASE_PAUSE)
		st->pause_s += s;
	if (w->board.throttled >= 0) {
		if (isnan(st->throttled_s))
			st->throttled_s = 0;
		st->throttled_s += w->board.throttled & 0xf ? s : 0;
	}
}

/* ---- power.csv ------------------------------------------------------------------------------- */

static int write_series(struct et_watch *w, struct et_err *err)
{
	const struct et_state *st = w->state;
	char power[32], temp[32], freq[32], bits[32] = "";

	if (w->board.throttled >= 0)
		snprintf(bits, sizeof(bits), "0x%" PRIx64, (uint64_t)w->board.throttled);
	double watts = w->row_metered_s > 0 ? w->row_j / w->row_metered_s : NAN;
	w->row_s = w->row_metered_s = w->row_j = 0;
	return et_csv_row(&w->series, err, "%.3f,%" PRIu64 ",%s,%s,%s,%s,%s", st->clock_s, st->step,
			  phase_names[w->phase], et_csv_cell("%.4g", watts, power),
			  et_csv_cell("%.1f", w->board.temp_c, temp),
			  et_csv_cell("%.0f", w->board.freq_mhz, freq), bits);
}

static double row_interval(const struct et_watch *w)
{
	return fmin(fmax((w->marked - w->begun) / ROWS, 1), ROW_MAX_S);
}

int et_watch_tick(struct et_watch *w, struct et_err *err)
{
	double until = known_to(w);

	if (!(until - w->marked >= TICK))
		return ET_OK;
	w->board = et_meter_board(w->meter);
	add_piece(w, until);
	warn(w);
	return w->has_series && w->row_s >= row_interval(w) ? write_series(w, err) : ET_OK;
}

int et_watch_phase(struct et_watch *w, enum et_phase phase, struct et_csv *steps,
		   struct et_err *err)
{
	if (isnan(w->marked))
		return ET_OK;
	bool read = w->source && et_meter_sync(w->meter);
	double now = et_now();
	w->board = et_meter_board(w->meter);
	add_piece(w, read ? fmax(et_meter_known_to(w->meter), w->marked) : now);
	warn(w);
	ET_TRY(et_watch_write_rows(w, true, steps, err));
	/* What is short counts as the phase that follows. */
	bool due = w->row_s >= row_interval(w) / 2;
	if (phase != w->phase && w->has_series && due)
		ET_TRY(write_series(w, err));
	w->phase = phase;
	return ET_OK;
}

/* ---- what rows and results say --------------------------------------------------------------- */

/* Of all the time, where nearly all of it is known. */
static double whole(double j, double metered_s, double s)
{
	return metered_s > 0 && metered_s >= ENOUGH * s ? j * s / metered_s : NAN;
}

const char *et_watch_epoch(const struct et_watch *w, struct et_epoch *e, char *buf, size_t n)
{
	const struct et_state *st = w->state;
	char c[7][32];

	e->total_s = st->total_s;
	e->energy_j = whole(st->energy_j, st->metered_s, st->total_s);
	e->energy_net_j = e->energy_j - w->idle_w * st->total_s;
	e->power_w = st->metered_s > 0 ? st->energy_j / st->metered_s : NAN;
	e->j_per_image = st->work_images ? st->work_j / (double)st->work_images : NAN;
	snprintf(buf, n, ",%s,%s,%s,%s,%s,%" PRIu64 ",%s,%s",
		 et_csv_cell("%.6g", e->energy_j, c[0]), et_csv_cell("%.6g", e->energy_net_j, c[1]),
		 et_csv_cell("%.4g", e->power_w, c[2]), et_csv_cell("%.5g", e->j_per_image, c[3]),
		 et_csv_cell("%.3f", st->total_s, c[4]), st->pauses,
		 et_csv_cell("%.1f", st->pause_s, c[5]),
		 et_csv_cell("%.1f", st->throttled_s, c[6]));
	return buf;
}

double et_watch_spent(const struct et_watch *w)
{
	return w->call_metered_s > 0 ? w->call_j * w->call_s / w->call_metered_s : NAN;
}

void et_watch_result(const struct et_watch *w, struct et_fit_result *r)
{
	r->energy_j = whole(w->call_j, w->call_metered_s, w->call_s);
	r->energy_net_j = r->energy_j - w->idle_w * w->call_s;
	snprintf(r->energy_source, sizeof(r->energy_source), "%s",
		 w->source ? w->source->name : "");
}

int et_watch_sync(struct et_watch *w, struct et_err *err)
{
	return w->has_series ? et_csv_sync(&w->series, err) : ET_OK;
}

void et_watch_close(struct et_watch *w)
{
	et_meter_close(w->meter);
	et_csv_close(&w->series);
	free(w->waiting);
	*w = (struct et_watch){.series = {.fd = -1}};
}

/* Rows of steps.csv, which wait until the energy of their steps is known. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "run/watch.h"

#define WINDOW_S 1.0 /* the shortest time whose energy is shared out among short steps */

/* An empty cell where there is no source or no energy; what would end a cell is replaced. */
static void name_source(const struct et_watch *w, double energy_j, bool window, char *buf, size_t n)
{
	buf[0] = 0;
	if (!w->source || isnan(energy_j))
		return;
	snprintf(buf, n, "%s%s", w->source->name, window ? ":window" : "");
	for (char *c = buf; *c; c++)
		if (*c == ',' || *c == '"' || (unsigned char)*c < 0x20)
			*c = '?';
}

static int write_row(const struct et_watch *w, const struct et_step_row *r, double energy_j,
		     bool window, struct et_csv *steps, struct et_err *err)
{
	char joules[32], watts[32], source[120], temp[32], freq[32], bits[32] = "", memory[32];

	if (r->board.throttled >= 0)
		snprintf(bits, sizeof(bits), "0x%" PRIx64, (uint64_t)r->board.throttled);
	name_source(w, energy_j, window, source, sizeof(source));
	return et_csv_row(steps, err,
			  "%" PRIu64 ",%" PRIu64 ",%zu,%.7g,%.7g,%.7g,%.3f,%.3f,%.3f,%.3f,%.3f,%s,"
			  "%s,%s,%s,%s,%s,%s",
			  r->step, r->epoch, r->samples, r->loss, r->accuracy, r->lr,
			  r->data_s * 1e3, r->forward_s * 1e3, r->backward_s * 1e3,
			  r->update_s * 1e3, r->step_s * 1e3, et_csv_cell("%.5g", energy_j, joules),
			  et_csv_cell("%.4g", energy_j / r->step_s, watts), source,
			  et_csv_cell("%.1f", r->board.temp_c, temp),
			  et_csv_cell("%.0f", r->board.freq_mhz, freq), bits,
			  et_csv_cell("%.1f", r->rss_mb, memory));
}

/*
 * Rows from `at` on that are measured as one: a step of two periods of the meter or more alone,
 * shorter ones until they are a window. 0: it is too early to tell.
 */
static size_t next_window(const struct et_watch *w, size_t at, bool all)
{
	double period = 1 / w->source->hz, alone = 2 * period, need = fmax(WINDOW_S, alone);
	double known = et_meter_known_to(w->meter), s = 0;
	bool silent = et_now() - known > 5 * period + 1;
	size_t n = 0;

	while (at + n < w->n_waiting) {
		const struct et_step_row *r = &w->waiting[at + n];
		bool is_long = r->step_s >= alone;
		if (is_long && n)
			break;
		s += r->step_s;
		n++;
		if (is_long || s >= need)
			break;
		if (at + n == w->n_waiting && !all && !silent)
			return 0;
	}
	return all || silent || w->waiting[at + n - 1].ended <= known ? n : 0;
}

static int write_window(struct et_watch *w, size_t at, size_t n, struct et_csv *steps,
			struct et_err *err)
{
	double j = 0, s = 0;
	uint64_t images = 0;
	bool window = w->waiting[at].step_s < 2 / w->source->hz;

	for (size_t i = at; i < at + n; i++) {
		j += et_meter_energy(w->meter, w->waiting[i].begun, w->waiting[i].ended);
		s += w->waiting[i].step_s;
		images += w->waiting[i].samples;
	}
	if (!isnan(j)) {
		w->state->work_j += j;
		w->state->work_images += images;
	}
	for (size_t i = at; i < at + n; i++) {
		const struct et_step_row *r = &w->waiting[i];
		ET_TRY(write_row(w, r, j * r->step_s / s, window, steps, err));
	}
	return ET_OK;
}

int et_watch_write_rows(struct et_watch *w, bool all, struct et_csv *steps, struct et_err *err)
{
	size_t done = 0, n;
	int status = ET_OK;

	while (!status && done < w->n_waiting && (n = next_window(w, done, all))) {
		status = write_window(w, done, n, steps, err);
		done += n;
	}
	w->n_waiting -= done;
	if (done && w->n_waiting)
		memmove(w->waiting, w->waiting + done, w->n_waiting * sizeof(*w->waiting));
	return status;
}

int et_watch_row(struct et_watch *w, const struct et_step_row *row, struct et_csv *steps,
		 struct et_err *err)
{
	if (!w->source)
		return write_row(w, row, NAN, false, steps, err);
	if (w->n_waiting == ET_ROWS_WAITING) {
		et_meter_sync(w->meter);
		ET_TRY(et_watch_write_rows(w, true, steps, err));
	}
	w->waiting[w->n_waiting++] = *row;
	return et_watch_write_rows(w, false, steps, err);
}

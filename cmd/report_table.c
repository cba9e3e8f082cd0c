/* Runs as a table on the terminal. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "names.h"
#include "report.h"
#include "cells.h"

#define NAME 12 /* columns of the quantities' names */
#define GAP  2
#define MOST 24 /* columns of a cell beside others */

static const char *unknown(char buf[CELL])
{
	snprintf(buf, CELL, "-");
	return buf;
}

static const char *count(char buf[CELL], uint64_t n)
{
	snprintf(buf, CELL, "%" PRIu64, n);
	return buf;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static const char *network(const struct et_report *r, char b[CELL])
{
	name_copy(b, CELL, *r->name ? r->name : "-");
	return b;
}
static const char *mode(const struct et_report *r, char b[CELL])
{
	name_copy(b, CELL, r->mode);
	return b;
}
static const char *state(const struct et_report *r, char b[CELL])
{
	snprintf(b, CELL, "%s", r->finished ? "finished" : r->pid ? "at work" : "stopped");
	return b;
}
static const char *epochs(const struct et_report *r, char b[CELL])
{
	snprintf(b, CELL, "%" PRIu64 " of %" PRIu64, r->epochs,
		 r->epochs > r->epochs_wanted ? r->epochs : r->epochs_wanted);
	return b;
}
static const char *steps(const struct et_report *r, char b[CELL])
{
	return count(b, r->steps);
}
static const char *left(const struct et_report *r, char b[CELL])
{
	return r->finished ? "" : cell_time(b, r->left_s);
}
/* Without validation it is that of training, and says so. */
static const char *of_training(const struct et_report *r, double v, char b[CELL])
{
	cell_fixed(b, v, 4, "");
	if (isnan(r->val_accuracy) && !isnan(v))
		strcat(b, " train");
	return b;
}
static const char *accuracy(const struct et_report *r, char b[CELL])
{
	return of_training(r, isnan(r->val_accuracy) ? r->accuracy : r->val_accuracy, b);
}
static const char *miou(const struct et_report *r, char b[CELL])
{
	return isnan(r->val_miou) ? "" : cell_fixed(b, r->val_miou, 4, "");
}
static const char *best(const struct et_report *r, char b[CELL])
{
	return cell_fixed(b, r->best, 4, "");
}
static const char *best_epoch(const struct et_report *r, char b[CELL])
{
	return r->best_epoch ? count(b, r->best_epoch) : "";
}
static const char *loss(const struct et_report *r, char b[CELL])
{
	return of_training(r, isnan(r->val_accuracy) ? r->loss : r->val_loss, b);
}
static const char *running(const struct et_report *r, char b[CELL])
{
	if (isnan(r->running_accuracy))
		return "";
	snprintf(b, CELL, "%.4f, loss %.3g", r->running_accuracy, r->running_loss);
	return b;
}
static const char *training(const struct et_report *r, char b[CELL])
{
	return cell_time(b, r->train_s);
}
static const char *total(const struct et_report *r, char b[CELL])
{
	return cell_time(b, r->total_s);
}
static const char *step(const struct et_report *r, char b[CELL])
{
	return cell_short(b, r->step.median, "ms");
}
static const char *spread(const struct et_report *r, char b[CELL])
{
	char low[CELL], high[CELL];
	if (isnan(r->step.median))
		return unknown(b);
	snprintf(b, CELL, "%.20s to %.20s", cell_short(low, r->step.low, ""),
		 cell_short(high, r->step.high, ""));
	return b;
}
static const char *wait(const struct et_report *r, char b[CELL])
{
	return cell_short(b, r->data_wait.median, "ms");
}
static const char *forward(const struct et_report *r, char b[CELL])
{
	return cell_short(b, r->forward.median, "ms");
}
static const char *backward(const struct et_report *r, char b[CELL])
{
	return cell_short(b, r->backward.median, "ms");
}
static const char *update(const struct et_report *r, char b[CELL])
{
	return cell_short(b, r->update.median, "ms");
}
static const char *rate(const struct et_report *r, char b[CELL])
{
	return cell_short(b, r->images_per_s, "/s");
}
static const char *energy(const struct et_report *r, char b[CELL])
{
	return cell_joules(b, r->energy_j, r->estimated);
}
static const char *watt_hours(const struct et_report *r, char b[CELL])
{
	return isnan(r->energy_j) ? "" : cell_watt_hours(b, r->energy_j, r->estimated);
}
static const char *net(const struct et_report *r, char b[CELL])
{
	return isnan(r->energy_net_j) ? "" : cell_joules(b, r->energy_net_j, r->estimated);
}
static const char *power(const struct et_report *r, char b[CELL])
{
	char watts[CELL];
	cell_fixed(watts, r->power_w, 2, "W");
	snprintf(b, CELL, "%s%.60s", r->estimated && !isnan(r->power_w) ? "~" : "", watts);
	return b;
}
static const char *picture(const struct et_report *r, char b[CELL])
{
	return cell_joules(b, r->j_per_image, r->estimated);
}
static const char *source(const struct et_report *r, char b[CELL])
{
	char name[200];
	if (!*r->source)
		return unknown(b);
	snprintf(name, sizeof(name), "%s%s%s%s", r->source, *r->scope ? " (" : "", r->scope,
		 *r->scope ? ")" : "");
	name_copy(b, CELL, name);
	return b;
}
static const char *pauses(const struct et_report *r, char b[CELL])
{
	char time[CELL];
	count(b, r->pauses);
	if (r->pauses) {
		size_t n = strlen(b);
		snprintf(b + n, CELL - n, ", %.30s", cell_time(time, r->pause_s));
	}
	return b;
}
static const char *throttled(const struct et_report *r, char b[CELL])
{
	if (r->throttled_s > 0)
		return cell_time(b, r->throttled_s);
	if (r->throttled < 0)
		return unknown(b);
	snprintf(b, CELL, "%s", r->throttled ? "yes" : "no");
	return b;
}
static const char *hottest(const struct et_report *r, char b[CELL])
{
	return cell_fixed(b, r->highest_c, 1, "C");
}
static const char *memory(const struct et_report *r, char b[CELL])
{
	return isnan(r->peak_rss) ? unknown(b) : et_human_bytes((uint64_t)r->peak_rss, b);
}
static const char *skipped(const struct et_report *r, char b[CELL])
{
	return count(b, r->skipped);
}

/* "" is of a quantity that does not concern a run; a row of nothing else is left out. */
static const struct row {
	const char *name;
	const char *(*text)(const struct et_report *r, char buf[CELL]);
} rows[] = {
	{"network", network},	    {"mode", mode},	      {"state", state},
	{"epochs", epochs},	    {"steps", steps},	      {"time left", left},
	{"accuracy", accuracy},	    {"mIoU", miou},	      {"best", best},
	{"  in epoch", best_epoch}, {"loss", loss},	      {"this epoch", running},
	{"training", training},	    {"total time", total},    {"step", step},
	{"  middle half", spread},  {"  data wait", wait},    {"  forward", forward},
	{"  backward", backward},   {"  update", update},     {"pictures", rate},
	{"energy", energy},	    {"", watt_hours},	      {"  net", net},
	{"power", power},	    {"a picture", picture},   {"source", source},
	{"pauses", pauses},	    {"throttled", throttled}, {"hottest", hottest},
	{"memory", memory},	    {"skipped", skipped},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* ---- side by side ---------------------------------------------------------------------------- */

const char *report_heading(const struct et_report *r, size_t most, char buf[256])
{
	char name[256];
	name_copy(name, sizeof(name), r->run);
	size_t n = strlen(name);
	while (n > 1 && name[n - 1] == '/')
		name[--n] = 0;
	const char *from = name;
	/* The end of a path tells more than its beginning. */
	while (name_width(from) + (from > name ? 2 : 0) > most) {
		from++;
		while (((unsigned char)*from & 0xc0) == 0x80)
			from++;
	}
	snprintf(buf, 256, "%s%.250s", from > name ? ".." : "", from);
	return buf;
}

static size_t cell_width(const struct et_report *r, size_t most)
{
	char head[256], buf[CELL];
	size_t widest = name_width(report_heading(r, most, head));
	for (size_t i = 0; i < ROWS; i++) {
		size_t w = name_width(rows[i].text(r, buf));
		widest = w > widest ? w : widest;
	}
	return widest < most ? widest : most;
}

static void print_cell(FILE *out, const char *text, size_t width, bool last)
{
	char cut[CELL];
	size_t n = name_width(text);
	if (n > width) {
		name_copy(cut, width < CELL ? width - 1 : CELL, text);
		strcat(cut, "..");
		text = cut;
		n = name_width(text);
	}
	fputs(text, out);
	if (!last)
		fprintf(out, "%*s", (int)(width - n) + GAP, "");
}

static bool concerns(const struct row *row, const struct et_report *r, size_t n)
{
	char buf[CELL];
	for (size_t i = 0; i < n; i++)
		if (*row->text(&r[i], buf))
			return true;
	return false;
}

static void print_columns(FILE *out, const struct et_report *r, size_t n, size_t most)
{
	char buf[256], cell[CELL];
	fprintf(out, "%-*s", NAME + GAP + 1, "run");
	for (size_t k = 0; k < n; k++)
		print_cell(out, report_heading(&r[k], most, buf), cell_width(&r[k], most),
			   k + 1 == n);
	fputc('\n', out);
	for (size_t i = 0; i < ROWS; i++) {
		if (!concerns(&rows[i], r, n))
			continue;
		fprintf(out, "%-*s", NAME + GAP + 1, rows[i].name);
		for (size_t k = 0; k < n; k++) {
			const char *text = rows[i].text(&r[k], cell);
			print_cell(out, *text ? text : "-", cell_width(&r[k], most), k + 1 == n);
		}
		fputc('\n', out);
	}
}

/* ---- a line each ----------------------------------------------------------------------------- */

static const char *short_epochs(const struct et_report *r, char b[CELL])
{
	snprintf(b, CELL, "%" PRIu64 "/%" PRIu64, r->epochs, r->epochs_wanted);
	return b;
}
static const char *short_best(const struct et_report *r, char b[CELL])
{
	return cell_fixed(b, r->best, 4, "");
}
static const char *short_time(const struct et_report *r, char b[CELL])
{
	return cell_time(b, isnan(r->total_s) ? r->train_s : r->total_s);
}
static const char *short_step(const struct et_report *r, char b[CELL])
{
	return cell_short(b, r->step.median, "");
}
static const char *short_hottest(const struct et_report *r, char b[CELL])
{
	return cell_fixed(b, r->highest_c, 0, "");
}
static const char *short_paused(const struct et_report *r, char b[CELL])
{
	return r->pauses ? cell_time(b, r->pause_s) : unknown(b);
}

static const struct {
	const char *name;
	const char *(*text)(const struct et_report *r, char buf[CELL]);
	int width;
} columns[] = {
	{"epochs", short_epochs, 7}, {"best", short_best, 6},	  {"time", short_time, 8},
	{"step ms", short_step, 7},  {"energy", energy, 8},	  {"a picture", picture, 9},
	{"max C", short_hottest, 5}, {"paused", short_paused, 7},
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static void print_lines(FILE *out, const struct et_report *r, size_t n, size_t width)
{
	char buf[256], cell[CELL];
	size_t name = 3, taken = 0;
	for (size_t c = 0; c < COLUMNS; c++)
		taken += (size_t)columns[c].width + 1;
	size_t most = width > taken + 12 ? width - taken : 12;
	for (size_t i = 0; i < n; i++) {
		size_t w = name_width(report_heading(&r[i], most, buf));
		name = w > name ? w : name;
	}
	fprintf(out, "%-*s", (int)name, "run");
	for (size_t c = 0; c < COLUMNS; c++)
		fprintf(out, " %*s", columns[c].width, columns[c].name);
	fputc('\n', out);
	for (size_t i = 0; i < n; i++) {
		report_heading(&r[i], most, buf);
		fprintf(out, "%s%*s", buf, (int)(name - name_width(buf)), "");
		for (size_t c = 0; c < COLUMNS; c++)
			fprintf(out, " %*s", columns[c].width, columns[c].text(&r[i], cell));
		fputc('\n', out);
	}
}

void print_report(FILE *out, const struct et_report *r, size_t n, size_t width)
{
	size_t taken = NAME + GAP + 1;
	for (size_t i = 0; i < n; i++)
		taken += cell_width(&r[i], MOST) + (i ? GAP : 0);
	if (n == 1)
		print_columns(out, r, n, CELL - 1);
	else if (taken <= width)
		print_columns(out, r, n, MOST);
	else
		print_lines(out, r, n, width);
	print_notes(out, r, n);
}

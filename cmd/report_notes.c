/* What there is to be said of runs in words. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "names.h"
#include "report.h"

#define NOTE 700

/* Each of these writes nothing where it has nothing to say. */
static void note_state(const struct et_report *r, char text[NOTE])
{
	char name[300];
	name_copy(name, sizeof(name), r->run);
	if (r->pid)
		snprintf(text, NOTE, "process %" PRId64 " is training it", r->pid);
	else if (!r->finished)
		snprintf(text, NOTE, "stopped; 'edgetrain fit --resume %s' goes on", name);
}

static void note_voltage(const struct et_report *r, char text[NOTE])
{
	if (r->throttled > 0 && r->throttled & 1)
		snprintf(text, NOTE, "under-voltage: the power supply or its cable is too weak");
}

static void note_capped(const struct et_report *r, char text[NOTE])
{
	if (r->throttled > 0 && r->throttled & 2)
		snprintf(text, NOTE, "the clock was capped");
}

static void note_throttled(const struct et_report *r, char text[NOTE])
{
	if (r->throttled > 0 && r->throttled & 4)
		snprintf(text, NOTE, "throttled: the board slowed itself down");
}

static void note_heat(const struct et_report *r, char text[NOTE])
{
	if (r->throttled > 0 && r->throttled & 8)
		snprintf(text, NOTE,
			 "the soft temperature limit was reached: a heat sink or a fan would help");
}

static void note_no_energy(const struct et_report *r, char text[NOTE])
{
	if (isnan(r->energy_j))
		snprintf(text, NOTE, "no energy: nothing told the power");
}

static void note_estimate(const struct et_report *r, char text[NOTE])
{
	char name[200];
	name_copy(name, sizeof(name), r->source);
	if (r->estimated && !isnan(r->energy_j))
		snprintf(text, NOTE,
			 "~ is not measured: %s reckons by the load of the processors and may be "
			 "off by a third",
			 name);
}

static void note_sources(const struct et_report *r, char text[NOTE])
{
	if (r->sources)
		snprintf(text, NOTE, "energy comes from more than one source");
}

static void note_windows(const struct et_report *r, char text[NOTE])
{
	if (r->windows)
		snprintf(text, NOTE,
			 "steps are too short to be measured one by one: in steps.csv their "
			 "joules are the mean of a second or more");
}

static void note_part(const struct et_report *r, char text[NOTE])
{
	if (!isnan(r->energy_j) && r->energy_epochs < r->epochs)
		snprintf(text, NOTE, "energy is that of %" PRIu64 " of %" PRIu64 " epochs",
			 r->energy_epochs, r->epochs);
}

static void note_skipped(const struct et_report *r, char text[NOTE])
{
	if (r->skipped)
		snprintf(text, NOTE, "bad pictures were left out");
}

static void (*const notes[])(const struct et_report *r, char text[NOTE]) = {
	note_state,    note_voltage, note_capped,  note_throttled, note_heat,	 note_no_energy,
	note_estimate, note_sources, note_windows, note_part,	   note_skipped,
};
#define NOTES (sizeof(notes) / sizeof(notes[0]))

static const char *note(size_t which, const struct et_report *r, char text[NOTE])
{
	*text = 0;
	notes[which](r, text);
	return text;
}

/*
 * The note of run i, behind the names of all runs it holds for, if they were not named before. An
 * empty line stands before the first of all.
 */
static void print_note(FILE *out, size_t which, const struct et_report *r, size_t n, size_t i,
		       bool *any)
{
	char text[NOTE], other[NOTE], head[256];
	size_t same = 0;
	if (!*note(which, &r[i], text))
		return;
	for (size_t k = 0; k < i; k++)
		if (strcmp(note(which, &r[k], other), text) == 0)
			return;
	if (!*any)
		fputc('\n', out);
	*any = true;
	for (size_t k = i; k < n; k++)
		same += strcmp(note(which, &r[k], other), text) == 0;
	for (size_t k = i; k < n && same < n; k++)
		if (strcmp(note(which, &r[k], other), text) == 0)
			fprintf(out, "%s%s", k > i ? ", " : "", report_heading(&r[k], 60, head));
	fprintf(out, "%s%s\n", same < n ? ": " : "", text);
}

void print_notes(FILE *out, const struct et_report *r, size_t n)
{
	bool any = false;
	for (size_t which = 0; which < NOTES; which++)
		for (size_t i = 0; i < n; i++)
			print_note(out, which, r, n, i, &any);
}

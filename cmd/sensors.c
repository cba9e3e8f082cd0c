/* edgetrain sensors: what this board can measure of itself, and what it says now. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "names.h"

struct sensors {
	const char *format;
	double interval;
	int count;
};

static int options(struct call *c, struct options *o, struct et_err *err)
{
	struct sensors *s = c->own;
	s->format = "text";
	const struct option own[] = {
		{OPTION_CHOICE, 0, "format", "text|json", &s->format, .initial = "text",
		 .help = "print a table, or JSON"},
		{OPTION_FLOAT, 0, "interval", "S", &s->interval, 0.1, 86400,
		 .help = "print a row of CSV every S seconds instead"},
		{OPTION_INT, 0, "count", "N", &s->count, 1, 1000000000,
		 .help = "end after so many rows", .initial = "rows without end"},
	};
	ET_TRY(add_heading(o, "Sensors", err));
	ET_TRY(options_add(o, own, sizeof(own) / sizeof(own[0]), err));
	return add_power_options(o, c, err);
}

/* ---- as text --------------------------------------------------------------------------------- */

#define COLUMN 45 /* where paths and reasons begin */
#define WIDTH  100

/* From COLUMN on, wrapped between words; a path longer than a line stays whole. */
static void print_wrapped(const char *text)
{
	size_t at = COLUMN;
	for (bool first = true; *text; first = false) {
		size_t n = strcspn(text, " ");
		if (!first && at + 1 + n > WIDTH) {
			printf("\n%*s", COLUMN, "");
			at = COLUMN;
		} else if (!first) {
			putchar(' ');
			at++;
		}
		char word[1024];
		snprintf(word, sizeof(word), "%.*s", (int)n, text);
		name_put(stdout, word);
		at += n;
		text += n + strspn(text + n, " ");
	}
	putchar('\n');
}

static void print_more(const char *text)
{
	printf("%*s", COLUMN, "");
	print_wrapped(text);
}

static void print_source(const struct et_sensor *s)
{
	static const char *const states[] = {"chosen", "not used", "closed", "not here"};
	char watts[32] = "-", rate[32] = "-", text[400];

	if (!isnan(s->watts))
		snprintf(watts, sizeof(watts), "%.3f W", s->watts);
	if (!isnan(s->hz))
		snprintf(rate, sizeof(rate), "%g/s", s->hz);
	printf("%-8s %-8s %9s  %-8s %5s  ", s->kind, states[s->state], watts,
	       s->scope ? s->scope : "-", rate);
	if (!s->scope) {
		print_wrapped(s->why);
		return;
	}
	snprintf(text, sizeof(text), "%s (%s)", s->path, s->unit);
	print_wrapped(text);
	if (strcmp(s->name, s->kind) != 0) {
		snprintf(text, sizeof(text), "called %s", s->name);
		print_more(text);
	}
	if (!isnan(s->shunt_uohm)) {
		snprintf(text, sizeof(text), "shunt resistor %g ohm", s->shunt_uohm / 1e6);
		print_more(text);
	}
	if (s->note)
		print_more(s->note);
	if (*s->why)
		print_more(s->why);
}

static const char *const bit_names[] = {"under-voltage", "clock capped", "throttled",
					"soft temperature limit"};

/* The names of four bits from `first` on; "nothing" if none is set. */
static void print_bits(const char *when, int64_t bits, int first)
{
	bool some = false;

	printf("             %-10s", when);
	for (int i = 0; i < 4; i++)
		if (bits >> (first + i) & 1) {
			printf("%s%s", some ? ", " : "", bit_names[i]);
			some = true;
		}
	puts(some ? "" : "nothing");
}

static void print_value(const char *what, const char *value, const char *path, const char *more)
{
	printf("%-11s  %-10s ", what, value);
	name_put(stdout, *path ? path : "there is no sensor");
	printf("%s\n", *path ? more : "");
}

static void print_board(const struct et_sensors *s)
{
	char temp[32] = "-", clock[32] = "-", bits[32] = "-";

	if (!isnan(s->temp_c))
		snprintf(temp, sizeof(temp), "%.1f C", s->temp_c);
	if (!isnan(s->freq_mhz))
		snprintf(clock, sizeof(clock), "%.0f MHz", s->freq_mhz);
	if (s->throttled >= 0)
		snprintf(bits, sizeof(bits), "0x%" PRIx64, (uint64_t)s->throttled);
	print_value("temperature", temp, s->temp_path, "");
	print_value("clock", clock, s->freq_path,
		    s->freq_asked_for ? " (asked for, not measured)" : "");
	print_value("throttling", bits, s->throttled_path, "");
	if (s->throttled >= 0) {
		print_bits("now:", s->throttled, 0);
		print_bits("before:", s->throttled, 16);
	}
}

static void print_text(const struct et_sensors *s)
{
	bool chosen = false;

	if (*s->board) {
		name_put(stdout, s->board);
		printf("\n\n");
	}
	printf("%-8s %-8s %9s  %-8s %5s  %s\n", "source", "state", "power", "scope", "rate",
	       "where, or why not");
	for (int i = 0; i < s->n; i++) {
		print_source(&s->sensor[i]);
		chosen |= s->sensor[i].state == ET_SENSOR_CHOSEN;
	}
	putchar('\n');
	print_board(s);
	if (!chosen)
		puts("\nNo power is measured: energy stays empty in a run. --power-from reads a "
		     "meter outside, and\n--power-model IDLE,FULL guesses from the board's watts.");
}

/* ---- as JSON --------------------------------------------------------------------------------- */

/* A member if it is known, with a comma before it. */
static void json_text(const char *key, const char *text)
{
	if (!text || !*text)
		return;
	printf(", \"%s\": ", key);
	name_put_json(stdout, text);
}

static void json_number(const char *key, double v)
{
	if (!isnan(v))
		printf(", \"%s\": %.7g", key, v);
}

static void json_bits(const char *key, int64_t bits, int first)
{
	const char *comma = "";

	printf(", \"%s\": [", key);
	for (int i = 0; i < 4; i++)
		if (bits >> (first + i) & 1) {
			printf("%s\"%s\"", comma, bit_names[i]);
			comma = ", ";
		}
	printf("]");
}

static void json_source(const struct et_sensor *s)
{
	static const char *const states[] = {"chosen", "ready", "closed", "absent"};

	printf("    {\"source\": \"%s\", \"state\": \"%s\"", s->kind, states[s->state]);
	json_text("why", s->why);
	json_text("name", s->name);
	json_text("scope", s->scope);
	json_text("unit", s->unit);
	json_text("path", s->path);
	json_number("hz", s->hz);
	json_number("shunt_uohm", s->shunt_uohm);
	json_text("note", s->note);
	json_number("power_w", s->watts);
	printf("}");
}

static void print_json(const struct et_sensors *s)
{
	printf("{\n  \"board\": ");
	name_put_json(stdout, s->board);
	printf(",\n  \"sources\": [\n");
	for (int i = 0; i < s->n; i++) {
		json_source(&s->sensor[i]);
		printf(i + 1 < s->n ? ",\n" : "\n");
	}
	printf("  ],\n  \"temperature\": {\"unit\": \"C\"");
	json_text("path", s->temp_path);
	json_number("value", s->temp_c);
	printf("},\n  \"clock\": {\"unit\": \"MHz\"");
	json_text("path", s->freq_path);
	json_number("value", s->freq_mhz);
	if (*s->freq_path)
		printf(", \"measured\": %s", s->freq_asked_for ? "false" : "true");
	printf("},\n  \"throttling\": {\"unit\": \"bits\"");
	json_text("path", s->throttled_path);
	if (s->throttled >= 0) {
		printf(", \"value\": %" PRId64, s->throttled);
		json_bits("now", s->throttled, 0);
		json_bits("before", s->throttled, 16);
	}
	printf("}\n}\n");
}

/* ---- row by row ------------------------------------------------------------------------------ */

static void cell(const char *format, double v)
{
	putchar(',');
	if (!isnan(v))
		printf(format, v);
}

static void print_row(void *arg, const struct et_sensors_row *r)
{
	(void)arg;
	printf("%.1f,", r->time_s);
	et_csv_text(stdout, r->source ? r->source : "");
	cell("%.4g", r->power_w);
	cell("%.6g", r->energy_j);
	cell("%.1f", r->temp_c);
	cell("%.0f", r->freq_mhz);
	putchar(',');
	if (r->throttled >= 0)
		printf("0x%" PRIx64, (uint64_t)r->throttled);
	putchar('\n');
	fflush(stdout);
}

static int watch(struct call *c, const struct sensors *s, struct et_err *err)
{
	c->env.stop = signals_catch();
	puts("time_s,source,power_w,energy_j,temp_c,freq_mhz,throttled");
	return et_sensors_watch(&c->env, s->interval > 0 ? s->interval : 1, (uint64_t)s->count,
				print_row, NULL, err);
}

/* ---- the command ----------------------------------------------------------------------------- */

static int run(struct call *c, struct et_err *err)
{
	const struct sensors *s = c->own;
	struct et_sensors found;

	if (c->operands)
		return et_fail(err, ET_EUSAGE, "unexpected operand '%s'", c->operand[0]);
	if (s->interval > 0 || s->count) {
		if (strcmp(s->format, "json") == 0)
			return et_fail(err, ET_EUSAGE,
				       "--format json cannot go with --interval or --count, whose "
				       "rows are CSV");
		return watch(c, s, err);
	}
	ET_TRY(et_sensors(&c->env, 1, &found, err));
	if (strcmp(s->format, "json") == 0)
		print_json(&found);
	else
		print_text(&found);
	return ET_OK;
}

const struct command command_sensors = {
	"sensors",
	"sources of power, temperature and clock here, and their readings",
	"Usage: edgetrain sensors [OPTION]...\n"
	"List the sources of power that there may be, in the order in which they are tried, and "
	"what\n"
	"temperature, clock and throttling are read from, with what they say now.\n",
	sizeof(struct sensors),
	options,
	run,
};

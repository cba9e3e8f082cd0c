/* edgetrain report: what runs have come to. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cmd.h"
#include "report.h"
#include "report_plot.h"

struct report {
	const char *format, *plot;
	struct gnuplot gnuplot;
};

static int options(struct call *c, struct options *o, struct et_err *err)
{
	struct report *p = c->own;
	p->format = "text";
	const struct option own[] = {
		{OPTION_CHOICE, 0, "format", "text|csv|json", &p->format, .initial = "text",
		 .help = "print a table for people, or CSV or JSON with all numbers"},
		{OPTION_TEXT, 0, "plot", "FILE.png|FILE.svg", &p->plot,
		 .help = "draw the course of learning by epochs, time and energy, and power and "
			 "heat over time; needs gnuplot"},
	};
	ET_TRY(add_heading(o, "Report", err));
	return options_add(o, own, sizeof(own) / sizeof(own[0]), err);
}

static size_t terminal_width(void)
{
	struct winsize size;
	return isatty(1) && ioctl(1, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40 ? size.ws_col
										  : 80;
}

static void print(const struct report *p, const struct et_report *r, size_t n)
{
	if (strcmp(p->format, "csv") == 0)
		report_csv(stdout, r, n);
	else if (strcmp(p->format, "json") == 0)
		report_json(stdout, r, n);
	else
		print_report(stdout, r, n, terminal_width());
}

/* A run that cannot be read does not stop the others; in the end it is the first one's error. */
static int read_runs(const struct call *c, struct et_report *r, size_t *n, struct et_err *err)
{
	int status = ET_OK;
	for (int i = 0; i < c->operands; i++) {
		struct et_err why = {0};
		if (et_report_read(c->operand[i], &r[*n], &why) == ET_OK) {
			++*n;
			continue;
		}
		if (status)
			fail("report", &why);
		else
			status = et_fail(err, why.code, "%s", why.text);
	}
	return status;
}

static int find_plotter(struct report *p, struct et_err *err)
{
	const char *dot = strrchr(p->plot, '.');
	if (!dot || (strcasecmp(dot, ".png") != 0 && strcasecmp(dot, ".svg") != 0))
		return et_fail(err, ET_EUSAGE, "--plot %s: expected FILE.png or FILE.svg", p->plot);
	return gnuplot_find(&p->gnuplot, p->plot, err);
}

/* An error that came first remains the one that the command ends with. */
static int draw(const struct report *p, const struct et_report *r, size_t n, int status,
		struct et_err *err)
{
	struct et_err why = {0};
	if (plot_report(&p->gnuplot, r, n, status ? &why : err) == ET_OK)
		return status;
	if (!status)
		return err->code;
	fail("report", &why);
	return status;
}

static int run(struct call *c, struct et_err *err)
{
	struct report *p = c->own;
	size_t n = 0;
	if (c->operands == 0)
		return et_fail(err, ET_EUSAGE, "expected RUN, found nothing");
	if (p->plot)
		ET_TRY(find_plotter(p, err));
	struct et_report *r = calloc((size_t)c->operands, sizeof(*r));
	if (!r)
		return et_fail(err, ET_ENOMEM, "out of memory");
	int status = read_runs(c, r, &n, err);
	if (n)
		print(p, r, n);
	fflush(stdout);
	if (n && p->plot)
		status = draw(p, r, n, status, err);
	for (size_t i = 0; i < n; i++)
		et_report_free(&r[i]);
	free(r);
	return status;
}

const struct command command_report = {
	"report",
	"what runs have come to: accuracy, time, energy, heat",
	"Usage: edgetrain report [OPTION]... RUN...\n"
	"Print how far runs are, how good they are, what they took and what they suffered; "
	"several\n"
	"side by side.\n",
	sizeof(struct report),
	options,
	run,
};

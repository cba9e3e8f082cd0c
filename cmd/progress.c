/* Progress on standard error: a line redrawn in place on a terminal, plain lines elsewhere. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cmd.h"

#define REDRAW_S 0.125 /* between two states of the live line */
#define PLAIN_S	 30.0  /* between two plain lines */
#define FIELDS	 11
#define FIELD	 40

/* A line as fields; when it is too long for the terminal those of the highest rank go first. */
struct line {
	char text[FIELDS][FIELD];
	int rank[FIELDS];
	size_t n;
};

static void ET_PRINTF(3, 4) add(struct line *l, int rank, const char *fmt, ...)
{
	if (l->n == FIELDS)
		return;
	va_list args;
	va_start(args, fmt);
	vsnprintf(l->text[l->n], FIELD, fmt, args);
	va_end(args);
	l->rank[l->n++] = rank;
}

static size_t width_of(const struct line *l)
{
	size_t width = 0;
	for (size_t i = 0; i < l->n; i++)
		width += strlen(l->text[i]) + (i ? 2 : 0);
	return width;
}

static void shorten(struct line *l, size_t width)
{
	while (l->n > 1 && width_of(l) > width) {
		size_t worst = 0;
		for (size_t i = 1; i < l->n; i++)
			if (l->rank[i] > l->rank[worst])
				worst = i;
		l->n--;
		memmove(l->text[worst], l->text[worst + 1], (l->n - worst) * FIELD);
		memmove(&l->rank[worst], &l->rank[worst + 1], (l->n - worst) * sizeof(int));
	}
	if (width_of(l) > width)
		l->text[0][width] = '\0';
}

static size_t terminal_width(void)
{
	struct winsize size;
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1)
		return size.ws_col;
	return 80;
}

/* "4:05" or "1:02:05"; a field of its own. */
static void add_duration(struct line *l, int rank, const char *name, double seconds)
{
	if (!(seconds >= 0) || seconds > 360000000)
		return;
	unsigned long s = (unsigned long)(seconds + 0.5), m = s / 60, h = m / 60;
	if (h)
		add(l, rank, "%s %lu:%02lu:%02lu", name, h, m % 60, s % 60);
	else
		add(l, rank, "%s %lu:%02lu", name, m, s % 60);
}

static void add_number(struct line *l, int rank, const char *name, double v)
{
	if (isnan(v))
		return;
	if (fabs(v) < 1000)
		add(l, rank, "%s %.4f", name, v);
	else
		add(l, rank, "%s %.4g", name, v);
}

static void add_rate(struct line *l, int rank, double images_per_s)
{
	if (images_per_s > 0)
		add(l, rank, "%.*f images/s", images_per_s < 10 ? 1 : 0, images_per_s);
}

/* Zero is what those say who measure nothing. */
static void add_heat(struct line *l, const struct et_progress *now)
{
	if (now->power_w > 0)
		add(l, 7, "%.1f W", now->power_w);
	if (now->temp_c > 0)
		add(l, 7, "%.0f C", now->temp_c);
}

static void compose(struct line *l, const struct progress *p, const struct et_progress *now)
{
	if (p->what)
		add(l, 0, "%s", p->what);
	if (now->epochs)
		add(l, 0, "epoch %llu/%llu", (unsigned long long)now->epoch,
		    (unsigned long long)now->epochs);
	switch (now->phase) {
	case ET_PHASE_LOAD:
		add(l, 1, "loading");
		return;
	case ET_PHASE_SAVE:
		add(l, 1, "saving");
		return;
	case ET_PHASE_PAUSE:
		add(l, 1, "pausing to cool down");
		add_heat(l, now);
		return;
	case ET_PHASE_IDLE:
		add(l, 1, "measuring the idle board");
		add_heat(l, now);
		return;
	case ET_PHASE_EVAL:
		add(l, 1, "evaluating %llu/%llu", (unsigned long long)now->batch,
		    (unsigned long long)now->batches);
		break;
	case ET_PHASE_TRAIN:
		add(l, 3, "step %llu/%llu", (unsigned long long)now->step,
		    (unsigned long long)now->steps);
		break;
	}
	add_number(l, 1, "loss", now->loss);
	add_number(l, 2, "accuracy", now->accuracy);
	add_rate(l, 5, now->images_per_s);
	if (p->data_ms > 0.5 * p->step_ms && p->data_ms >= 1)
		add(l, 6, "waits for data %.0f of %.0f ms", p->data_ms, p->step_ms);
	add_heat(l, now);
	add_duration(l, 4, "ETA", now->eta_s);
}

void progress_text(const struct et_progress *now, char *buf, size_t n)
{
	const struct progress plain = {.quiet = true};
	struct line l = {.n = 0};
	size_t used = 0;
	compose(&l, &plain, now);
	buf[0] = '\0';
	for (size_t i = 0; i < l.n && used < n; i++)
		used += (size_t)snprintf(buf + used, n - used, "%s%s", i ? "  " : "", l.text[i]);
}

/* Everything in one write, so that a live line does not flicker. */
static void print_line(const struct line *l, const char *before, const char *after, bool colour)
{
	char text[FIELDS * (FIELD + 2) + 64];
	size_t n = 0;
	for (size_t i = 0; i < l->n; i++) {
		bool bold = colour && i == 0;
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s%s%s", i ? "  " : before,
				      bold ? "\033[1m" : "", l->text[i], bold ? "\033[0m" : "");
	}
	snprintf(text + n, sizeof(text) - n, "%s", after);
	fputs(text, stderr);
	fflush(stderr);
}

void progress_open(struct progress *p, const char *command, struct call *c)
{
	const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
	bool terminal = isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb") != 0;
	*p = (struct progress){
		.command = command,
		.quiet = c->quiet,
		.live = terminal && !c->quiet,
		.colour = terminal && !(no_colour && *no_colour),
		.last = et_now(),
	};
	c->env.log = progress_log;
	c->env.log_arg = p;
	c->env.stop = signals_catch();
}

void progress_close(struct progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
	p->shown = false;
}

void progress_step(void *arg, const struct et_progress *now)
{
	struct progress *p = arg;
	if (p->quiet)
		return;
	if (now->phase == ET_PHASE_TRAIN) {
		/* The first step's time is the mean so far; after that the last ten or so count. */
		double share = p->step_ms > 0 ? 0.1 : 1;
		p->data_ms += share * (now->data_ms - p->data_ms);
		p->step_ms += share * (now->step_ms - p->step_ms);
	}
	double t = et_now(), since = t - p->last;
	/* A plain line is to say more than that it saves. */
	if (!p->live && now->phase == ET_PHASE_SAVE)
		return;
	bool due = since >= (p->live ? REDRAW_S : PLAIN_S);
	if (!due && !(p->live && now->phase != p->phase))
		return;
	p->last = t;
	p->phase = now->phase;
	struct line l = {.n = 0};
	compose(&l, p, now);
	if (p->live) {
		shorten(&l, terminal_width() - 1);
		print_line(&l, "\r", "\033[K", p->colour);
		p->shown = true;
	} else {
		print_line(&l, "", "\n", false);
	}
}

void progress_epoch(void *arg, const struct et_epoch *e)
{
	struct progress *p = arg;
	if (p->quiet)
		return;
	progress_close(p);
	struct line l = {.n = 0};
	if (p->what)
		add(&l, 0, "%s", p->what);
	add(&l, 0, "epoch %llu", (unsigned long long)e->epoch);
	add_number(&l, 0, "loss", e->loss);
	add_number(&l, 0, "accuracy", e->accuracy);
	add_number(&l, 0, "val_loss", e->val_loss);
	add_number(&l, 0, "val_accuracy", e->val_accuracy);
	add_number(&l, 0, "val_miou", e->val_miou);
	add(&l, 0, "%.1f s", e->seconds);
	add_rate(&l, 0, e->images_per_s);
	if (e->skipped)
		add(&l, 0, "%llu skipped", (unsigned long long)e->skipped);
	const char *best = p->colour ? "  \033[32mbest\033[0m\n" : "  best\n";
	print_line(&l, "", e->best ? best : "\n", p->colour);
	p->last = et_now();
}

void progress_log(void *arg, enum et_log_level level, const char *line)
{
	struct progress *p = arg;
	if (p->quiet)
		return;
	progress_close(p);
	const char *mark = level == ET_LOG_WARNING ? "warning: " : "";
	bool coloured = p->colour && *mark;
	fprintf(stderr, "edgetrain %s: %s%s%s%s\n", p->command, coloured ? "\033[33m" : "", mark,
		coloured ? "\033[0m" : "", line);
	fflush(stderr);
}

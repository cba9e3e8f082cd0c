/* Curves and stretches of time, of at most so many points whatever the length of a run. */
#include <math.h>
#include <stdlib.h>

#include "run/report.h"

static const struct et_report_moment nothing = {.temp_c = NAN};

int et_curve_open(struct et_curve *c, size_t room, struct et_err *err)
{
	*c = (struct et_curve){.open = nothing, .stride = 1, .room = room};
	c->point = et_calloc(room, sizeof(*c->point));
	return c->point ? ET_OK : et_fail(err, ET_ENOMEM, "out of memory");
}

static double mean(double a, double b)
{
	return isnan(a) ? b : isnan(b) ? a : (a + b) / 2;
}

static struct et_report_moment join(const struct et_report_moment *a,
				    const struct et_report_moment *b)
{
	return (struct et_report_moment){.time_s = (a->time_s + b->time_s) / 2,
					 .epoch = (a->epoch + b->epoch) / 2,
					 .power_w = mean(a->power_w, b->power_w),
					 .freq_mhz = mean(a->freq_mhz, b->freq_mhz),
					 .loss = mean(a->loss, b->loss),
					 .temp_c = fmax(a->temp_c, b->temp_c)};
}

static double mean_of(double sum, unsigned n)
{
	return n ? sum / n : NAN;
}

static void close_point(struct et_curve *c)
{
	struct et_report_moment *m = &c->point[c->n++];

	*m = c->open;
	m->time_s /= (double)c->taken;
	m->epoch /= (double)c->taken;
	m->power_w = mean_of(m->power_w, c->known[0]);
	m->freq_mhz = mean_of(m->freq_mhz, c->known[1]);
	m->loss = mean_of(m->loss, c->known[2]);
	c->open = nothing;
	c->taken = 0;
	c->known[0] = c->known[1] = c->known[2] = 0;
	if (c->n < c->room)
		return;
	for (size_t i = 0; i < c->room / 2; i++)
		c->point[i] = join(&c->point[2 * i], &c->point[2 * i + 1]);
	c->n = c->room / 2;
	c->stride *= 2;
}

static void add(double *sum, unsigned *n, double v)
{
	if (isnan(v))
		return;
	*sum += v;
	++*n;
}

void et_curve_add(struct et_curve *c, const struct et_report_moment *m)
{
	c->open.time_s += m->time_s;
	c->open.epoch += m->epoch;
	c->open.temp_c = fmax(c->open.temp_c, m->temp_c);
	add(&c->open.power_w, &c->known[0], m->power_w);
	add(&c->open.freq_mhz, &c->known[1], m->freq_mhz);
	add(&c->open.loss, &c->known[2], m->loss);
	if (++c->taken == c->stride)
		close_point(c);
}

struct et_report_moment *et_curve_take(struct et_curve *c, size_t *n)
{
	struct et_report_moment *point = c->point;

	if (c->taken)
		close_point(c);
	*n = c->n;
	*c = (struct et_curve){.stride = 1};
	return point;
}

/* ---- stretches ------------------------------------------------------------------------------- */

int et_spans_open(struct et_spans *s, struct et_err *err)
{
	*s = (struct et_spans){0};
	s->span = et_calloc(ET_SPANS, sizeof(*s->span));
	return s->span ? ET_OK : et_fail(err, ET_ENOMEM, "out of memory");
}

/* Joins the two that are nearest to each other. */
static void join_nearest(struct et_spans *s)
{
	size_t best = 0;

	for (size_t i = 0; i + 1 < s->n; i++)
		if (s->span[i + 1].from_s - s->span[i].to_s <
		    s->span[best + 1].from_s - s->span[best].to_s)
			best = i;
	s->span[best].to_s = s->span[best + 1].to_s;
	s->n--;
	for (size_t i = best + 1; i < s->n; i++)
		s->span[i] = s->span[i + 1];
}

void et_spans_add(struct et_spans *s, double from_s, double to_s, bool is)
{
	if (is && !s->open) {
		if (s->n == ET_SPANS)
			join_nearest(s);
		s->span[s->n++].from_s = from_s;
	}
	if (is)
		s->span[s->n - 1].to_s = to_s;
	s->open = is;
}

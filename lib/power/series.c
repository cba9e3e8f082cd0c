/* Energy by time: readings are added up, spans are asked for, old neighbours are joined. */
#include <math.h>

#include "power/source.h"

void et_series_open(struct et_series *s, bool counter, double gap)
{
	s->counter = counter;
	s->gap = gap;
	s->n = 0;
}

/*
 * Joins neighbouring intervals where the new one is no longer than `share` of its age. Borders of
 * gaps stay where they are; with across_gaps a joined interval is a gap when a part of it was one.
 */
static void thin(struct et_series *s, double share, bool across_gaps)
{
	struct et_series_point *p = s->point;
	double now = p[s->n - 1].t;
	size_t kept = 1;

	for (size_t i = 1; i + 1 < s->n; i++) {
		const struct et_series_point *a = &p[kept - 1], *b = &p[i], *c = &p[i + 1];
		bool border = (a->holes == b->holes) != (b->holes == c->holes);
		bool drop = c->t - a->t <= share * (now - a->t) && (!border || across_gaps);
		if (!drop)
			p[kept++] = *b;
	}
	p[kept++] = p[s->n - 1];
	s->n = kept;
}

static void make_room(struct et_series *s)
{
	for (double share = 1.0 / 256; s->n > ET_SERIES - ET_SERIES / 8; share *= 2)
		thin(s, share, share > 0.25);
}

void et_series_add(struct et_series *s, double t, double reading)
{
	if (isnan(reading))
		return;
	if (s->n == 0) {
		s->point[0] = (struct et_series_point){.t = t};
		s->n = 1;
		s->last = reading;
		return;
	}
	const struct et_series_point *p = &s->point[s->n - 1];
	struct et_series_point q = {t, p->e, p->holes};
	if (!(t > p->t))
		return;
	if (t - p->t > s->gap)
		q.holes++;
	else if (s->counter)
		q.e += fmax(reading - s->last, 0);
	else
		q.e += 0.5 * (reading + s->last) * (t - p->t);
	if (s->n == ET_SERIES)
		make_room(s);
	s->point[s->n++] = q;
	s->last = reading;
}

/* The index of the last point that is not later than t, which is not before the first point. */
static size_t before(const struct et_series *s, double t)
{
	size_t low = 0, high = s->n;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (s->point[middle].t <= t)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static double at(const struct et_series *s, size_t i, double t)
{
	const struct et_series_point *a = &s->point[i], *b = a + 1;

	return t <= a->t ? a->e : a->e + (b->e - a->e) * ((t - a->t) / (b->t - a->t));
}

double et_series_energy(const struct et_series *s, double from, double to)
{
	if (s->n == 0 || !(from >= s->point[0].t) || !(to <= s->point[s->n - 1].t) || !(from <= to))
		return NAN;
	size_t i = before(s, from), j = before(s, to);
	/* The point at or behind `to` tells whether its interval is a gap. */
	if (s->point[i].holes != s->point[s->point[j].t < to ? j + 1 : j].holes)
		return NAN;
	return at(s, j, to) - at(s, i, from);
}

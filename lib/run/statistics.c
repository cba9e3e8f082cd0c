/* Medians, spreads and likenesses of what was measured. */
#include <math.h>
#include <stdlib.h>

#include "run/bench.h"

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Of sorted values; between two neighbours linearly. */
static double quantile(const double *v, size_t n, double q)
{
	double at = q * (double)(n - 1);
	size_t i = (size_t)at;

	return i + 1 < n ? v[i] + (at - (double)i) * (v[i + 1] - v[i]) : v[i];
}

struct et_spread et_spread_of(double *v, size_t n)
{
	if (!n)
		return (struct et_spread){NAN, NAN};
	qsort(v, n, sizeof(*v), compare);
	return (struct et_spread){quantile(v, n, 0.5), quantile(v, n, 0.75) - quantile(v, n, 0.25)};
}

double et_likeness_cosine(const struct et_likeness *l)
{
	return l->a > 0 && l->b > 0 ? l->dot / (sqrt(l->a) * sqrt(l->b)) : NAN;
}

double et_likeness_ratio(const struct et_likeness *l)
{
	return l->b > 0 ? sqrt(l->a) / sqrt(l->b) : NAN;
}

void et_mean_add(struct et_mean *m, double v)
{
	if (isnan(v))
		return;
	m->sum += v;
	m->n++;
}

double et_mean_of(const struct et_mean *m)
{
	return m->n ? m->sum / (double)m->n : NAN;
}

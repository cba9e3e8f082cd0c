/* Quantiles of more numbers than are to be kept. */
#include <math.h>

#include "run/report.h"

void et_histogram_add(struct et_histogram *h, double v)
{
	if (isnan(v))
		return;
	double at = v > 0 ? floor((log10(v) - ET_HISTOGRAM_LOW) * ET_HISTOGRAM_FINE) : 0;
	size_t i = at <= 0 ? 0 : at >= ET_HISTOGRAM_BINS - 1 ? ET_HISTOGRAM_BINS - 1 : (size_t)at;
	h->bin[i].n++;
	h->bin[i].sum += v;
	h->n++;
}

/* The value that has `rank` smaller ones. */
static double of_rank(const struct et_histogram *h, uint64_t rank)
{
	uint64_t below = 0;
	size_t i = 0;

	while (below + h->bin[i].n <= rank)
		below += h->bin[i++].n;
	return h->bin[i].sum / (double)h->bin[i].n;
}

static double quantile(const struct et_histogram *h, double q)
{
	double at = q * (double)(h->n - 1);
	uint64_t rank = (uint64_t)at;
	double low = of_rank(h, rank), part = at - (double)rank;

	return part > 0 ? low + part * (of_rank(h, rank + 1) - low) : low;
}

struct et_quartiles et_histogram_quartiles(const struct et_histogram *h)
{
	if (!h->n)
		return (struct et_quartiles){NAN, NAN, NAN};
	return (struct et_quartiles){quantile(h, 0.25), quantile(h, 0.5), quantile(h, 0.75)};
}

/*
 * Stochastic mini-batch dropping (Wang et al., E2-Train, NeurIPS 2019): each mini-batch is skipped
 * with probability P before anything of it is decoded. With coast, the optimizer goes on without a
 * gradient meanwhile: momentum and weight decay alone, as in the authors' code.
 */
#include <math.h>

#include "mode/techniques.h"

enum { KEY_P, KEY_SKIPPED };

static bool skip_batch(const double *opt, uint64_t seed, uint64_t drawn)
{
	struct et_rng r = et_rng_open(seed, ET_STREAM_MODE, drawn, UINT32_MAX);
	return (double)et_rng_unit(&r) < opt[KEY_P];
}

static bool coasts(const double *opt)
{
	return opt[KEY_SKIPPED] == 1;
}

const struct et_mode et_mode_smd = {
	.name = "smd",
	.help = "stochastic mini-batch dropping: a share of the batches is skipped unseen",
	.reference = "Wang et al.: E2-Train: Training State-of-the-art CNNs with Over 80% Energy "
		     "Savings, NeurIPS 2019",
	.axis = ET_AXIS_STEPS,
	.key = {{.name = "P",
		 .help = "probability of skipping a batch",
		 .min = 0,
		 .max = 0.99,
		 .initial = NAN},
		{.name = "skipped",
		 .help = "what a skipped batch does: nothing, or momentum and weight decay alone",
		 .choices = "nothing|coast"}},
	.skip_batch = skip_batch,
	.coasts = coasts,
};

/*
 * Interleaved gradients (Unnikrishnan & Parhi: InterGrad): exact's dx and dw, made in one walk over
 * dy, so that each tile of it is used for both before it leaves the cache. The bits are exact's;
 * whether it is faster is for the machine to say, layer by layer.
 */
#include "mode/techniques.h"

enum { FASTER, ALWAYS };

static int accepts(const struct et_layer *l, const double *opt, struct et_err *err)
{
	(void)opt;
	if (!et_conv_walks_both(&l->g))
		return et_fail(err, ET_EUSAGE,
			       "interleaved works on convolutions of 1x1 with stride 1 and up to "
			       "%d weights, which %s is not",
			       ET_BOTH_WEIGHTS, l->name);
	return l->wants_dx ? ET_OK
			   : et_fail(err, ET_EUSAGE,
				     "interleaved makes two gradients at once, and nothing below "
				     "%s needs that of its input",
				     l->name);
}

static void both(const struct et_call *c, const struct et_conv_pair *p)
{
	et_conv_both(c->x, &c->layer->g, c->n, p, c->work);
}

static bool always(const double *opt)
{
	return opt[0] == ALWAYS;
}

const struct et_mode et_mode_interleaved = {
	.name = "interleaved",
	.help = "exact numbers: both gradients in one walk over dy, where that is faster",
	.reference = "Unnikrishnan, Parhi: InterGrad: Energy-Efficient Training of Convolutional "
		     "Neural Networks via Interleaved Gradient Scheduling, TCAS-I 2023",
	.axis = ET_AXIS_BACKWARD,
	.key = {{.name = "where",
		 .help = "on layers where it was measured to be faster, or on all that can",
		 .choices = "faster|always",
		 .initial = FASTER}},
	.accepts = accepts,
	.both = both,
	.always = always,
};

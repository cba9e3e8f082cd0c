/*
 * Efficient-Grad (Hong & Yue, TECS 2022; arXiv 2103.02889): signs with frozen random sizes take
 * gradients back (signs.c), and the gradient of a layer's output is pruned before both products:
 *
 *   theta = Phi^-1((1+P)/2)     tau = theta * mean|dy|, over the whole batch
 *   |dy| >= tau: stays          |dy| < tau: sign(dy)*tau with probability |dy|/tau, else 0
 *
 * Its expectation is dy. dw and dx see the same pruned dy; db, and batch norm behind, see dy. One
 * number is drawn for each value, by its place in the whole batch.
 *
 * P is not the share of zeros, and zeros here and there save no multiplication in a product that
 * works on whole vectors. Measured, in per cent of dy, for P = 0.5 / 0.9 / 0.99, over the layers of
 * configs/fashion-resnet.json (a Gaussian would have 21 / 46 / 62):
 *
 *   batch norm by batch   zeros 55-64 / 68-72 / 73-78   whole pixels 0-1 / 0-4 / 0-7
 *   frozen, fine-tuned    zeros 66-78 / 72-82 / 76-85   whole pixels 5-18 / 9-25 / 12-29
 *                         (ReLU alone: 42-57)           14 in a row 1-3 / 2-7 / 3-8
 *
 * A whole pixel, all of its k values, is what dw's product could leave out; a row of tiles, of 14
 * pixels, what dx's could. Neither pays for being looked for. Drawing and rounding cost 3 % of a
 * step. It is otherwise in MobileNetV2 with ImageNet's weights and frozen batch norm: at P = 0.9
 * 95 % of the dy of its 1x1 expansions are zero, 71 % in exact; a product that goes by single
 * values would pay there, and only there.
 */
#include <math.h>

#include "mode/signs.h"
#include "mode/techniques.h"

enum { KEY_P, KEY_SCALE };

/* ---- theta ----------------------------------------------------------------------------------- */

/*
 * Abramowitz and Stegun 26.2.23 begins within 4.5e-4, and each step of Halley's method on the
 * error function triples the digits.
 */
double et_prune_theta(double p)
{
	const double root_half = 0.70710678118654752440, root_tau = 2.50662827463100050242;
	double q = (1 - p) / 2;
	if (!(q < 0.5))
		return 0;
	double s = sqrt(-2 * log(q));
	double t = s - (2.515517 + s * (0.802853 + s * 0.010328)) /
			       (1 + s * (1.432788 + s * (0.189269 + s * 0.001308)));

	for (int i = 0; i < 2; i++) {
		/* f = tail(t) - q, f' = -density, f'' = t * density. */
		double off = (0.5 * erfc(t * root_half) - q) * root_tau * exp(t * t / 2);
		t += off / (1 - t * off / 2);
	}
	return t;
}

/* ---- pruning --------------------------------------------------------------------------------- */

struct prune {
	const struct et_kern *k;
	uint32_t key[2], first;
	float tau;
	float *dy;
};

static void prune_piece(void *arg, size_t begin, size_t end, int thread)
{
	const struct prune *p = arg;
	float u[1024];
	(void)thread;

	for (size_t i = begin; i < end; i += ET_COUNT(u)) {
		size_t n = et_min(ET_COUNT(u), end - i);
		p->k->noise(n, p->key, p->first + (uint32_t)i, u);
		p->k->prune(n, u, p->tau, p->dy + i);
	}
}

float et_prune(const struct et_ctx *x, double theta, uint64_t seed, uint64_t step, int layer,
	       size_t first, size_t n, float *dy, struct et_arena *work)
{
	double sum = et_sum_abs(x, n, dy, work);
	struct et_rng r = et_rng_open(seed, ET_STREAM_MODE, step, (uint32_t)layer);
	struct prune p = {.k = x->k, .first = (uint32_t)first, .dy = dy};

	if (et_measuring(work))
		return 0;
	p.tau = (float)(theta * sum / (double)n);
	p.key[0] = et_rng_u32(&r);
	p.key[1] = et_rng_u32(&r);
	if (p.tau > 0 && isfinite(p.tau))
		et_parallel(x, n, ET_GRAIN, prune_piece, &p);
	return p.tau;
}

/* ---- the technique --------------------------------------------------------------------------- */

static void delta(const struct et_call *c, float *dy)
{
	const struct et_conv *g = &c->layer->g;
	size_t image = (size_t)g->p * (size_t)g->q * (size_t)g->k;

	et_prune(c->x, et_prune_theta(c->opt[KEY_P]), c->seed, c->step, c->layer->index,
		 c->first * image, (size_t)c->n * image, dy, c->work);
}

static void weight_dx(const struct et_call *c, const float *w, float *b)
{
	et_signs_fill(c, ET_SIGNS_DRAWN, (enum et_signs_scale)c->opt[KEY_SCALE], w, b);
}

const struct et_mode et_mode_efficientgrad = {
	.name = "efficientgrad",
	.help = "signsym-frozen, and small gradients rounded at random to zero or a threshold",
	.reference = "Hong, Yue: Efficient-Grad: Efficient Training Deep Convolutional Neural "
		     "Networks on Edge Devices with Gradient Optimizations, TECS 2022",
	.axis = ET_AXIS_BACKWARD,
	.key = {{.name = "P",
		 .help = "share of a normal gradient that is below the threshold",
		 .min = 0,
		 .max = 0.999999,
		 .initial = NAN},
		ET_SIGNS_KEY},
	.whole_batch = true,
	.accepts = et_signs_accept,
	.delta = delta,
	.weight_dx = weight_dx,
};

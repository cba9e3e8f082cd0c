/*
 * Sign symmetry: dx = convT(dy, B) with a B of w's shape that shares w's signs and not its sizes.
 *
 *   signsym         B = sqrt(2/fan_in) * sign(w)                             (uSF)
 *   signsym-frozen  B = M * sign(w), M = |U(-b,b)|, b = sqrt(6/fan_in)       (frSF)
 *   feedback        B = U(-b,b), whatever w is                               (FA)
 *
 * sqrt(2/fan_in) is the root mean square of all three. M is drawn anew in every step from the same
 * counters instead of being kept: it costs no memory, and is the same after a resume. What comes
 * of w = 0 is 0 for as long as it lasts. Everything else stays exact: forward, loss, dw, db, batch
 * norm; so the last layer's gradients are exact's own, and no others.
 *
 * Nothing sets the scale of gradients right behind a frozen batch norm or without one: there, by
 * default, B is brought to the root mean square of w at every step. It needs no state.
 */
#include <math.h>
#include <string.h>

#include "mode/signs.h"
#include "mode/techniques.h"

/* What an M is drawn at instead of a step. */
#define NO_STEP UINT64_MAX

int et_signs_accept(const struct et_layer *l, const double *opt, struct et_err *err)
{
	(void)opt;
	if (l->last && !l->named)
		return et_fail(err, ET_EUSAGE,
			       "%s is the classifier and stays exact unless modes names it",
			       l->name);
	return ET_OK;
}

static float root_over_fan_in(const struct et_conv *g, double a)
{
	return (float)sqrt(a / ((double)(g->c / g->groups) * g->kh * g->kw));
}

/* ---- pieces ---------------------------------------------------------------------------------- */

struct fill {
	const struct et_kern *k;
	struct et_rng stream; /* key, and a counter whose first word is still to be set */
	float bound;	      /* of draws */
	float by;	      /* without m */
	const float *m, *w;
	float *b;
};

/* A Philox block serves the four weights 4*g .. 4*g + 3. */
static void draw_piece(void *arg, size_t begin, size_t end, int thread)
{
	const struct fill *f = arg;
	uint32_t counter[4], number[1024];
	(void)thread;

	memcpy(counter, f->stream.counter, sizeof(counter));
	for (size_t i = begin; i < end; i += ET_COUNT(number)) {
		size_t n = et_min(ET_COUNT(number), end - i);
		counter[0] = (uint32_t)(i / 4);
		f->k->philox(f->stream.key, counter, et_ceil_div(n, 4), number);
		f->k->uniform(n, number, f->bound, f->b + i);
	}
}

void et_signs_draw(const struct et_ctx *x, uint64_t seed, int layer, float bound, size_t n,
		   float *out)
{
	struct fill f = {.k = x->k,
			 .stream = et_rng_open(seed, ET_STREAM_MODE, NO_STEP, (uint32_t)layer),
			 .bound = bound,
			 .b = out};
	et_parallel(x, n, ET_GRAIN, draw_piece, &f);
}

static void sign_piece(void *arg, size_t begin, size_t end, int thread)
{
	const struct fill *f = arg;
	(void)thread;
	f->k->sign(end - begin, f->by, f->m ? f->m + begin : NULL, f->w + begin, f->b + begin);
}

void et_signs_put(const struct et_ctx *x, size_t n, const float *m, const float *w, float *b)
{
	struct fill f = {.k = x->k, .by = 1, .m = m, .w = w, .b = b};
	et_parallel(x, n, ET_GRAIN, sign_piece, &f);
}

static void flat(const struct et_ctx *x, size_t n, float by, const float *w, float *b)
{
	struct fill f = {.k = x->k, .by = by, .w = w, .b = b};
	et_parallel(x, n, ET_GRAIN, sign_piece, &f);
}

void et_signs_match(const struct et_ctx *x, size_t n, const float *w, float *b,
		    struct et_arena *work)
{
	double of_w = et_sum_squares(x, n, w, work), of_b = et_sum_squares(x, n, b, work);

	if (of_b != 0 && !et_measuring(work))
		et_scale(x, n, (float)sqrt(of_w / of_b), b, b);
}

void et_signs_fill(const struct et_call *c, enum et_signs kind, enum et_signs_scale scale,
		   const float *w, float *b)
{
	const struct et_conv *g = &c->layer->g;
	size_t n = et_conv_weights(g);
	bool run = !et_measuring(c->work);

	if (run && kind == ET_SIGNS_FLAT)
		flat(c->x, n, root_over_fan_in(g, 2), w, b);
	else if (run)
		et_signs_draw(c->x, c->seed, c->layer->index, root_over_fan_in(g, 6), n, b);
	if (run && kind == ET_SIGNS_DRAWN)
		et_signs_put(c->x, n, b, w, b);
	if (scale == ET_SCALE_MATCH || (scale == ET_SCALE_AUTO && c->layer->unscaled))
		et_signs_match(c->x, n, w, b, c->work);
}

/* ---- the techniques -------------------------------------------------------------------------- */

static void signsym(const struct et_call *c, const float *w, float *b)
{
	et_signs_fill(c, ET_SIGNS_FLAT, (enum et_signs_scale)c->opt[0], w, b);
}

static void signsym_frozen(const struct et_call *c, const float *w, float *b)
{
	et_signs_fill(c, ET_SIGNS_DRAWN, (enum et_signs_scale)c->opt[0], w, b);
}

static void feedback(const struct et_call *c, const float *w, float *b)
{
	et_signs_fill(c, ET_SIGNS_NONE, (enum et_signs_scale)c->opt[0], w, b);
}

const struct et_mode et_mode_signsym = {
	.name = "signsym",
	.help = "sign symmetry: the signs of the weights alone take gradients back",
	.reference = "Liao, Leibo, Poggio: How Important Is Weight Symmetry in Backpropagation?, "
		     "AAAI 2016 (uSF)",
	.axis = ET_AXIS_BACKWARD,
	.key = {ET_SIGNS_KEY},
	.accepts = et_signs_accept,
	.weight_dx = signsym,
};

const struct et_mode et_mode_signsym_frozen = {
	.name = "signsym-frozen",
	.help = "sign symmetry with random sizes that never change",
	.reference = "Liao, Leibo, Poggio: How Important Is Weight Symmetry in Backpropagation?, "
		     "AAAI 2016 (frSF)",
	.axis = ET_AXIS_BACKWARD,
	.key = {ET_SIGNS_KEY},
	.accepts = et_signs_accept,
	.weight_dx = signsym_frozen,
};

const struct et_mode et_mode_feedback = {
	.name = "feedback",
	.help = "feedback alignment: random weights take gradients back, for comparison only",
	.reference = "Lillicrap et al.: Random synaptic feedback weights support error "
		     "backpropagation for deep learning, Nature Communications 2016",
	.axis = ET_AXIS_BACKWARD,
	.key = {ET_SIGNS_KEY},
	.accepts = et_signs_accept,
	.weight_dx = feedback,
};

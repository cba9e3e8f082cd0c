/*
 * Private to mode: the pieces of the sign-symmetric family and of gradient pruning, apart so that
 * tests can give them numbers of their own.
 *
 * fan_in = c/groups * kh * kw. Drawn magnitudes go by the number of a weight in memory's layout
 * (et_conv's), gradients by their number in the whole batch's [n,p,q,k]: the same for any number of
 * threads and after any resume.
 */
#ifndef ET_MODE_SIGNS_H
#define ET_MODE_SIGNS_H

#include "mode/mode.h"

/* What stands for w in dx. */
enum et_signs {
	ET_SIGNS_FLAT,	/* sqrt(2/fan_in) * sign(w) */
	ET_SIGNS_DRAWN, /* M * sign(w), M = |U(-b,b)|, b = sqrt(6/fan_in), the same every step */
	ET_SIGNS_NONE	/* U(-b,b) itself, the same every step */
};

/* Its scale: of the formulas above, or times what makes its root mean square that of w. */
enum et_signs_scale { ET_SCALE_AUTO, ET_SCALE_HE, ET_SCALE_MATCH };
#define ET_SIGNS_KEY                                                                            \
	{                                                                                       \
		.name = "scale",                                                                \
		.help = "he: by the fan in; match-w: the weights' own root mean square; auto: " \
			"match-w where no batch norm by batch statistics sets the scale",       \
		.choices = "auto|he|match-w"                                                    \
	}

/* accepts of all: every layer with weights but the classifier, unless a recipe names that. */
int et_signs_accept(const struct et_layer *l, const double *opt, struct et_err *err);

/* weight_dx of all, but for `kind` and `scale`: fills b. */
void et_signs_fill(const struct et_call *c, enum et_signs kind, enum et_signs_scale scale,
		   const float *w, float *b);
/* out[i] = bound * (2r - 1), r the i-th number of et_rng_unit() of the layer's stream. */
void et_signs_draw(const struct et_ctx *x, uint64_t seed, int layer, float bound, size_t n,
		   float *out);
/* b = M * sign(w), by the rules of the kernel `sign`; m may be b. */
void et_signs_put(const struct et_ctx *x, size_t n, const float *m, const float *w, float *b);
/* b times RMS(w) / RMS(b), over all n; nothing to do where b is 0 all over. */
void et_signs_match(const struct et_ctx *x, size_t n, const float *w, float *b,
		    struct et_arena *work);

/* The t for which a standard normal lies in -t..t with probability p: Phi^-1((1+p)/2), p in [0,1).
 */
double et_prune_theta(double p);
/*
 * tau = theta * mean |dy| over n values. Rounds what is smaller to 0 or sign*tau so that its
 * expectation stays, and leaves the rest, and everything where tau is 0 or not a number.
 * `first` = number of the first value within the whole batch. Returns tau.
 */
float et_prune(const struct et_ctx *x, double theta, uint64_t seed, uint64_t step, int layer,
	       size_t first, size_t n, float *dy, struct et_arena *work);

#endif

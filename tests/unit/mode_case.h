/*
 * What the tests of gradient modes share: settings made from a technique's table of keys, nets
 * around one shape of layer, and steps of training whose results can be compared.
 */
#ifndef TEST_MODE_CASE_H
#define TEST_MODE_CASE_H

#include "net_case.h"

/* Odd, and small: there are many nets. */
enum { MODE_H = 9, MODE_W = 7 };

/* A net of two layers 'a' and 'b' of one shape between 'stem' and the classifier 'fc'. */
struct mode_shape {
	const char *name, *layers;
};
extern const struct mode_shape mode_shapes[]; /* the last one's name is NULL */

#define MODE_SETTINGS 24

/*
 * Recipes of one technique: the smallest, middle and largest value of every number and every choice
 * of every key, the other keys being at their defaults, or low where there is none. Returns how
 * many.
 */
size_t mode_settings(const struct et_mode *m, char *recipe[MODE_SETTINGS]);

/*
 * Can some layer take the recipe, of those that train: "" for all? The reason why not has been
 * checked.
 */
bool mode_accepted(const struct mode_shape *shape, const char *trainable, const char *recipe,
		   const struct et_mode *m);

struct mode_net {
	struct net_case t;
	int n; /* images of x */
	float *x;
	int32_t *label;
	struct et_train train;
};

/* setup->batch images of random numbers; SGD with momentum and weight decay. */
void mode_open(struct mode_net *m, const struct et_ctx *ctx, const struct mode_shape *shape,
	       const char *recipe, struct net_setup setup);
void mode_close(struct mode_net *m);

/* The logits and the loss of a pass, and all gradients, weights and moments after its update. */
struct mode_result {
	double loss;
	const char *lost; /* what became NaN or Inf */
	float *logits;
	int params;
	const struct et_param *param; /* with copies of what they point to */
};
struct mode_result mode_step(struct mode_net *m, uint64_t step);
/* count steps from the given one; the result of the last. */
struct mode_result mode_steps(struct mode_net *m, uint64_t step, int count);

/* All that both have is the same, bit for bit. */
void mode_same(const struct mode_result *got, const struct mode_result *want);
/* Gradients of the parameters that have one in got, as the norm of what they are off by. */
void mode_near(const struct mode_result *got, const struct mode_result *want, double most);
/* The arenas sufficed, as planned, and scratch is given back. */
void mode_check_memory(const struct et_net *net);

#endif

/* One convolution by edgetrain, exactly or under a recipe, to be compared with another library's.
 */
#ifndef PEERS_OURS_H
#define PEERS_OURS_H

#include "mode/mode.h"

enum pass { PASS_FORWARD, PASS_DATA, PASS_WEIGHTS, PASSES };

/* What is computed, and results. */
struct problem {
	struct et_conv g;
	int n;
	size_t nx, nw, ny;
	float *x, *w, *dy; /* PyTorch's layouts: x[n,c,h,w], w[k,c,kh,kw], dy[n,k,p,q] */
	float *our_x, *our_w, *our_dy; /* NHWC, OHWI */
	float *y, *dx, *dw;	       /* as ours */
	struct et_ctx ctx;
};

/* Random numbers for a convolution of which the caller has filled all but p and q. Without memory,
 * or for an impossible shape, the program ends with one line, here and below. */
void problem_open(struct problem *p, const struct et_conv *g, int n, const struct et_ctx *ctx);
void problem_close(struct problem *p);
/* n floats of zero. */
float *peers_memory(size_t n);
/* [n,c,hw] to [n,hw,c]; and back when c and hw change places. */
void peers_turn(int n, size_t c, size_t hw, const float *from, float *to);

/* A problem under a recipe ("exact": none). Stays where it was opened. */
struct ours {
	struct problem *p;
	struct et_layer layer;
	struct et_hooks hooks;
	struct et_call call; /* for all of its techniques: opt is set at each call */
	float *state;
	void *saved;
	bool flat; /* its dw has one value for all taps of a kernel */
	struct et_arena work;
};

/* The recipe must leave the products exact, or replace both of them with one hook. */
void ours_open(struct ours *o, const char *recipe, struct problem *p);
void ours_close(struct ours *o);
/*
 * Forward: the exact one, and what the recipe saves of x. Where the recipe replaces the products,
 * data computes both, weights nothing, and data begins with what is prepared once a step.
 */
void ours_run(struct ours *o, enum pass pass);

#endif

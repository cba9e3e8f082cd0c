/* What the tests of nets share: specs as short texts, nets ready to run, random values. */
#ifndef TEST_NET_CASE_H
#define TEST_NET_CASE_H

#include "net/net.h"
#include "num.h"

/*
 * A whole spec around the text of its layers, in which ' stands for ". Freed by the teardown of
 * num_tcase(), as all memory here.
 */
char *net_text(int channels, int height, int width, int classes, const char *layers);
/* ' to " alone. */
char *net_quotes(const char *text);

struct net_setup {
	const char *trainable;	  /* NULL: everything */
	const char *mode, *modes; /* NULL: exact everywhere */
	int last;
	bool frozen_bn, input_grad, unfused, unshared, unchained, unchunked, fuse_update, probes;
	int chunk_growth;
	int batch, eval_batch, moments;
};

struct net_case {
	struct et_spec spec;
	struct et_net net;
	struct et_memory train, eval; /* as planned */
};

/* From a spec's text to arenas full of NaN and random parameters; fails the test on any error. */
void net_open(struct net_case *t, const struct et_ctx *ctx, const char *text,
	      const struct net_setup *setup);
void net_close(struct net_case *t);

/* Every parameter, by its name and seed alone: the same for nets of other plans and selections. */
void net_randomize(struct et_net *net, uint32_t seed);
/* NaN in all memory that passes use, so that nothing may rely on what was there. */
void net_dirty(struct et_net *net);
/* n labels below the number of classes. */
int32_t *net_labels(const struct et_net *net, struct et_rng *r, int n);

/* One forward and backward pass of the whole batch; gradients start from zero. Returns the loss. */
double net_step(struct et_net *net, const float *x, int n, const int32_t *label, uint64_t step);

struct et_param *net_param(struct et_net *net, const char *name);
struct et_node *net_node(struct et_net *net, const char *name);

/* The largest |got - want| as a share of the largest |want|. */
double net_off(const float *got, const float *want, size_t n);

#endif

/*
 * Two ways to the same bits, and which is faster depends on the machine: a layer's backward is
 * timed with either, in the memory of a step and in its shapes, before the first step. What they
 * make of it is nothing, since all that memory is zero.
 */
#include <math.h>
#include <string.h>

#include "net/program.h"

/* Timings of a layer: at most so many of either way, and none is begun after so many seconds. */
#define ROUNDS 5
#define ENOUGH 0.3
/* What another way must save to be taken. */
#define SAVES 0.02

static bool can_walk(const struct et_node *node)
{
	return node->trains && node->hooks.both;
}

/* Walks without a question: by the mode's word, or with batch norm beside it. */
static bool certain(const struct et_net *net, const struct et_node *node)
{
	const struct et_technique *t = node->hooks.both;
	const struct et_fused *f = net->train ? &net->train->fused[node->index] : NULL;

	return (t->mode->always && t->mode->always(t->opt)) ||
	       (f && (f->through >= 0 || f->sums >= 0));
}

static double time_of(struct et_exec *x, struct et_node *node, bool walks)
{
	double begun = et_now();

	node->walks = walks;
	et_gradients_open(x, node);
	node->type->backward(x, node);
	et_gradients_close(x, node, false);
	return et_now() - begun;
}

static bool faster(struct et_exec *x, struct et_node *node)
{
	double begun = et_now(), apart = INFINITY, walk = INFINITY;

	time_of(x, node, true); /* memory comes into being */
	for (int i = 0; i < ROUNDS && (i < 2 || et_now() - begun < ENOUGH); i++) {
		apart = fmin(apart, time_of(x, node, false));
		walk = fmin(walk, time_of(x, node, true));
	}
	return walk < apart * (1 - SAVES);
}

static void choose_all(void *arg)
{
	struct et_exec *x = arg;

	for (int i = 0; i < x->net->n; i++) {
		struct et_node *node = &x->net->nodes[i];
		/* There is no picture yet. */
		if (can_walk(node) && node->in[0] && !node->walks)
			node->walks = faster(x, node);
	}
}

void et_net_choose(struct et_net *net)
{
	bool timed = false;
	struct et_pass pass = {.training = true};

	for (int i = 0; i < net->n; i++) {
		struct et_node *node = &net->nodes[i];
		node->walks = can_walk(node) && certain(net, node);
		timed |= can_walk(node) && !node->walks;
	}
	if (!net->train || !timed)
		return;
	pass.n = net->train->batch;
	struct et_exec x = {.net = net,
			    .program = net->train,
			    .pass = &pass,
			    .work = &net->work,
			    .n = pass.n,
			    .back = true};
	/* Pages that nobody has written to are all one page, which no cache ever misses. */
	memset(net->live.base, 0, net->train->live);
	et_team_run(&net->ctx, choose_all, &x);
}

int et_net_walks(const struct et_net *net, int *of)
{
	int n = 0;

	*of = 0;
	for (int i = 0; i < net->n; i++) {
		*of += can_walk(&net->nodes[i]);
		n += net->nodes[i].walks;
	}
	return n;
}

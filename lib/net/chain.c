/*
 * Gradients on patches between layers. A mode such as filter gives a gradient that is constant on
 * patches, and looks at the one it gets only through its means over patches. Between two such
 * layers the gradient need not be written out for every pixel:
 *
 *   batch norm with constants   mean(scale * g) = scale * mean(g)
 *   add                         the mean of a sum
 *   ReLU, ReLU6                 mean(mask * g) = g * share of the mask, if g is constant there
 *   global average pooling      constant everywhere
 *
 * `want` is what the layers before a tensor could do with its gradient, found from the front;
 * `have` is what the layers behind it then give, found from the back. What they don't agree on is
 * given for every pixel.
 */
#include <stdlib.h>
#include <string.h>

#include "net/types.h"

/* PIXELS < MEAN < CONSTANT: a constant value is its own mean. */
enum form { PIXELS, MEAN, CONSTANT };

struct chain {
	struct et_net *net;
	int n;
	enum form *want, *have; /* [n+1] by tensor */
	struct et_grid *grid;	/* [n+1] of want */
	bool *open;		/* [n+1] still thought to be on patches */
};

/* A count of pixels must fit the byte that activations keep. */
static bool countable(const struct et_grid *g)
{
	return g->side_h * g->side_w <= 255;
}

static bool is_act(const struct et_node *node)
{
	return node->type == &et_type_relu || node->type == &et_type_relu6;
}

static bool constant_norm(const struct et_node *node)
{
	return node->type == &et_type_batchnorm2d && !node->bn_batch && !node->trains;
}

static bool spreads_evenly(const struct et_node *node)
{
	return (node->type == &et_type_global_avgpool2d ||
		node->type == &et_type_adaptive_avgpool2d) &&
	       node->out.h == 1 && node->out.w == 1;
}

static bool filtered(const struct et_node *node)
{
	return node->trains && node->hooks.backward && node->hooks.backward->mode->grids;
}

static void grids_of(const struct et_node *node, struct et_grid *out, struct et_grid *in)
{
	const struct et_technique *t = node->hooks.backward;
	t->mode->grids(&node->layer, t->opt, out, in);
}

/* The common wish of a node's inputs that need a gradient; PIXELS when they don't agree. */
static enum form wish_of_inputs(const struct chain *c, const struct et_node *node,
				struct et_grid *grid)
{
	enum form f = PIXELS;

	for (int k = 0; k < node->n_in; k++) {
		int t = node->in[k];
		if (!c->net->needs_grad[t])
			continue;
		if (c->want[t] == PIXELS || (f != PIXELS && !et_grid_same(grid, &c->grid[t])))
			return PIXELS;
		*grid = c->grid[t];
		if (f == PIXELS || c->want[t] == CONSTANT)
			f = c->want[t];
	}
	return f;
}

static void find_wishes(struct chain *c)
{
	for (int i = 0; i < c->n; i++) {
		const struct et_node *node = &c->net->nodes[i];
		struct et_grid grid, in;
		enum form f = PIXELS;
		if (!node->active)
			continue;
		if (filtered(node)) {
			grids_of(node, &grid, &in);
			f = MEAN;
		} else if (constant_norm(node) || node->type == &et_type_add) {
			f = wish_of_inputs(c, node, &grid);
		} else if (is_act(node) && wish_of_inputs(c, node, &grid) == MEAN &&
			   countable(&grid)) {
			f = CONSTANT;
		}
		c->want[i + 1] = f;
		c->open[i + 1] = f != PIXELS;
		if (f != PIXELS)
			c->grid[i + 1] = grid;
	}
}

/* What node i gives to a tensor that wants patches. */
static enum form gives(const struct chain *c, int i, int t)
{
	const struct et_node *node = &c->net->nodes[i];
	struct et_grid out, in;

	if (filtered(node)) {
		grids_of(node, &out, &in);
		return et_grid_same(&in, &c->grid[t]) ? CONSTANT : PIXELS;
	}
	if (spreads_evenly(node))
		return CONSTANT;
	if (!c->open[i + 1] || !et_grid_same(&c->grid[i + 1], &c->grid[t]))
		return PIXELS;
	if (is_act(node))
		return MEAN;
	return c->have[i + 1];
}

/* One round from the back: closes tensors that cannot stay on patches. True if there were any. */
static bool close_some(struct chain *c)
{
	bool any = false;

	for (int t = c->n; t > 0; t--) {
		bool given = false;
		if (!c->open[t])
			continue;
		c->have[t] = CONSTANT;
		for (int i = t; i < c->n; i++) {
			const struct et_node *node = &c->net->nodes[i];
			for (int k = 0; k < node->n_in && node->active; k++) {
				if (node->in[k] != t)
					continue;
				enum form f = gives(c, i, t);
				given = true;
				if (f < c->have[t])
					c->have[t] = f;
			}
		}
		/* What passes a gradient through must be able to pass it on as it is. */
		const struct et_node *maker = &c->net->nodes[t - 1];
		bool passed = true;
		for (int k = 0; k < maker->n_in && !filtered(maker); k++)
			passed &= c->open[maker->in[k]] || !c->net->needs_grad[maker->in[k]];
		if (!given || c->have[t] < c->want[t] || !passed) {
			c->open[t] = false;
			any = true;
		}
	}
	return any;
}

void et_net_chain(struct et_net *net)
{
	size_t n = (size_t)net->n + 1;
	struct chain c = {.net = net, .n = net->n};

	memset(net->grid, 0, n * sizeof(*net->grid));
	c.want = et_calloc(2 * n, sizeof(*c.want));
	c.grid = et_calloc(n, sizeof(*c.grid));
	c.open = et_calloc(n, sizeof(*c.open));
	/* Without memory for it, gradients have all their pixels. */
	if (c.want && c.grid && c.open && !net->unchained) {
		c.have = c.want + n;
		find_wishes(&c);
		while (close_some(&c))
			;
		for (size_t t = 0; t < n; t++)
			if (c.open[t])
				net->grid[t] = c.grid[t];
	}
	free(c.want);
	free(c.grid);
	free(c.open);
}

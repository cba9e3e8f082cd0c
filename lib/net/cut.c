/*
 * The beginning of a net that does the same to a picture in every step: layers below all that
 * train. What later layers read of it are the picture's features; a pass that has them at hand need
 * not run it.
 */
#include "net/program.h"

/* Does a unit of work, a node with what is fused into it, begin with what never changes? */
static bool constant(const struct et_program *p, const struct et_net *net, int i)
{
	const struct et_node *node = &net->nodes[i];
	const struct et_node *end = &net->nodes[p->fused[i].out - 1];

	/* Active: behind something that trains. Fused residuals count by the node that adds them.
	 */
	return !end->active && !(p->training && node->type == &et_type_dropout);
}

static bool read_later(const struct et_program *p, const struct et_net *net, int t)
{
	for (int i = p->prefix; i < net->n; i++) {
		if (p->skip[i])
			continue;
		if (p->fused[i].residual == t)
			return true;
		for (int k = 0; k < net->nodes[i].n_in; k++)
			if (net->nodes[i].in[k] == t)
				return true;
	}
	return false;
}

bool et_program_cut(struct et_program *p, const struct et_net *net)
{
	bool convolves = false;

	p->cut = et_calloc((size_t)net->n, sizeof(int));
	if (!p->cut)
		return false;
	for (p->prefix = 0; p->prefix < net->n; p->prefix++) {
		if (p->skip[p->prefix])
			continue;
		if (!constant(p, net, p->prefix))
			break;
		convolves |= net->nodes[p->prefix].layer.name != NULL;
	}
	/* A net that trains nowhere, or from its first layer on. */
	if (p->prefix == net->n || !convolves)
		return true;
	for (int i = 0; i < p->prefix; i++) {
		int t = p->fused[i].out;
		if (p->skip[i] || !read_later(p, net, t))
			continue;
		p->cut[p->n_cut++] = t;
		p->features += et_shape_count(net->nodes[t - 1].out);
	}
	/* The pictures themselves are not kept. */
	if (read_later(p, net, 0))
		p->features = 0;
	return true;
}

size_t et_net_features(const struct et_net *net, bool training)
{
	const struct et_program *p = training ? net->train : net->eval;
	return p ? p->features : 0;
}

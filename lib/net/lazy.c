/*
 * Batch norm that backward goes through keeps its input. What it makes of it, the activation behind
 * it included, is then never kept: a convolution can apply it as it reads, and for any other layer
 * it is made again in backward, one pass over memory instead of a second tensor from forward on.
 * Backward likewise: what batch norm does to a gradient can be done where the gradient is read.
 */
#include "net/program.h"

/* Goes through batch norm whose input is kept. */
static bool keeping_norm(const struct et_net *net, int i)
{
	const struct et_node *node = &net->nodes[i];
	return node->type == &et_type_batchnorm2d && node->active &&
	       (node->bn_batch || node->trains);
}

/* The one layer that reads t, or -1. */
static int only_user(const struct et_net *net, int t)
{
	int user = -1;

	for (int i = 0; i < net->n; i++)
		for (int k = 0; k < net->nodes[i].n_in; k++) {
			if (net->nodes[i].in[k] != t)
				continue;
			if (user >= 0)
				return -1;
			user = i;
		}
	return user;
}

/* The activation behind batch norm becomes its own: forward one pass, backward from the same sums.
 */
static void absorb(struct et_program *p, const struct et_net *net, int i)
{
	int next = only_user(net, i + 1);
	bool relu = next >= 0 && net->nodes[next].type == &et_type_relu;
	bool relu6 = next >= 0 && net->nodes[next].type == &et_type_relu6;

	if ((!relu && !relu6) || et_patches(net, i + 1) || et_patches(net, next + 1))
		return;
	p->fused[i].act = relu ? ET_ACT_RELU : ET_ACT_RELU6;
	p->fused[i].out = next + 1;
	p->skip[next] = p->absorbed[next] = true;
}

/*
 * The batch norm's input comes straight from a convolution, which can gather its moments. Not one
 * of the constant beginning: it does not run when a picture's features are known.
 */
static void gather(struct et_program *p, const struct et_net *net, int i)
{
	int maker = net->nodes[i].in[0] - 1;

	if (net->nodes[i].bn_batch && maker >= 0 && net->nodes[maker].layer.name &&
	    net->nodes[maker].active && p->fused[maker].out == maker + 1)
		p->fused[maker].moments = i;
}

static bool takes_prologue(const struct et_node *node)
{
	return node->type->prologue && node->type->prologue(node);
}

/* Who reads the tensor t of batch norm i, and when. */
static void find_readers(struct et_program *p, const struct et_net *net, int t)
{
	struct et_lazy *z = &p->lazy[t];

	for (int i = 0; i < net->n; i++) {
		const struct et_node *node = &net->nodes[i];
		unsigned keeps = node->active && node->type->keeps ? node->type->keeps(node) : 0;
		for (int k = 0; k < node->n_in; k++) {
			if (node->in[k] != t || takes_prologue(node))
				continue;
			z->written = true;
			if (!(keeps & (k ? ET_KEEP_IN1 : ET_KEEP_IN0)))
				continue;
			z->again = i; /* backward begins with the last */
			if (z->until < 0)
				z->until = i;
		}
	}
}

static bool walks(const struct et_net *net, const struct et_node *node)
{
	return node->active && node->type->walks && node->type->walks(net, node);
}

/*
 * Backward beside batch norm i. What it makes of dy is for the convolution before it alone, which
 * makes it block by block as it goes; and the one layer behind it sums up its dx while it has it in
 * the cache, with the input of batch norm, of which it makes its own.
 */
static void share(struct et_program *p, const struct et_net *net, int i)
{
	int z = net->nodes[i].in[0], t = p->fused[i].out, reader = only_user(net, t);
	const struct et_node *maker = z ? &net->nodes[z - 1] : NULL;

	if (et_patches(net, z) || et_patches(net, t))
		return;
	if (maker && walks(net, maker) && only_user(net, z) == i &&
	    p->fused[maker->index].out == z) {
		p->fused[maker->index].through = i;
		p->fused[i].left = true;
	}
	if (reader >= 0 && t != net->n && walks(net, &net->nodes[reader]) && p->lazy[t].bn == i) {
		p->fused[reader].sums = i;
		p->fused[i].summed = true;
	}
}

void et_program_lazy(struct et_program *p, const struct et_net *net)
{
	for (int i = 0; i < net->n; i++) {
		if (!keeping_norm(net, i))
			continue;
		absorb(p, net, i);
		gather(p, net, i);
		int t = p->fused[i].out, z = net->nodes[i].in[0];
		/* The loss reads the last tensor; what is itself made again is no source. */
		if (t == net->n || z == 0 || p->lazy[z].bn >= 0 || et_patches(net, t))
			continue;
		p->lazy[t].bn = i;
		find_readers(p, net, t);
	}
	for (int i = 0; i < net->n; i++)
		if (keeping_norm(net, i))
			share(p, net, i);
}

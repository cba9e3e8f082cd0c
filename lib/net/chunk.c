/*
 * Layers that only pass on what they see, a net's frozen beginning in training or all of it in
 * evaluation, can run for a few images at a time from the first to the last: the large maps of
 * early layers are still in cache when the next layer reads them, and need memory for a few images
 * alone. Segments of nodes, each with its number of images; what crosses from one to another has
 * memory for the whole batch. Chosen from shapes alone: each image's numbers are the same in any
 * company.
 */
#include <stdlib.h>

#include "net/program.h"

/* What a layer reads and writes should stay in the last cache of a small board. */
#define CACHE_BYTES ((size_t)1 << 20)

/* Memory that a node with what is fused into it touches for an image. */
static size_t touched(const struct et_program *p, const struct et_net *net, int i)
{
	const struct et_node *node = &net->nodes[i];
	const struct et_fused *f = &p->fused[i];
	size_t floats = et_shape_count(net->nodes[f->out - 1].out);

	for (int k = 0; k < node->n_in; k++)
		floats += et_shape_count(et_in_shape(net, node, k));
	if (f->residual >= 0)
		floats += et_shape_count(net->nodes[f->residual - 1].out);
	return floats * sizeof(float);
}

/* How many images node i should see at once, at least. */
static int wanted(const struct et_program *p, const struct et_net *net, int i)
{
	const struct et_node *node = &net->nodes[i];
	size_t n = net->chunk_growth ? (size_t)(1 + i / net->chunk_growth)
				     : CACHE_BYTES / touched(p, net, i);

	if (!net->chunk_growth && node->layer.name)
		n = et_max(n, (size_t)et_conv_images(&net->ctx, &node->layer.g));
	return (int)et_min(et_max(n, 1), (size_t)p->batch);
}

/* As many chunks as images in them ask for, but of one size, about. */
static void add_segment(struct et_program *p, int end, int chunk)
{
	int begin = p->n_segments ? p->segments[p->n_segments - 1].end : 0;
	int chunks = (p->batch + chunk - 1) / chunk;

	if (end > begin)
		p->segments[p->n_segments++] =
			(struct et_segment){.end = end, .chunk = (p->batch + chunks - 1) / chunks};
}

/*
 * Is node i a place to go over to other chunks? What crosses there takes memory for the whole
 * batch: so not while it is much more than what the node makes of it, since behind the node it
 * will be less. last: where tensors are read last.
 */
static bool narrow(const struct et_program *p, const struct et_net *net, const int *last, int i)
{
	size_t crosses = 0, out = et_shape_count(net->nodes[p->fused[i].out - 1].out);

	for (int j = 0; j < i; j++)
		if (!p->skip[j] && last[p->fused[j].out] >= i)
			crosses += et_shape_count(net->nodes[p->fused[j].out - 1].out);
	return crosses <= 2 * out;
}

static void find_last(const struct et_program *p, const struct et_net *net, int *last)
{
	for (int i = 0; i < net->n; i++) {
		if (p->skip[i])
			continue;
		for (int k = 0; k < net->nodes[i].n_in; k++)
			last[net->nodes[i].in[k]] = i;
		if (p->fused[i].residual >= 0)
			last[p->fused[i].residual] = i;
	}
}

bool et_program_chunk(struct et_program *p, const struct et_net *net)
{
	int end = net->unchunked ? 0 : p->training ? p->prefix : net->n, chunk = 1;

	int *last = et_calloc((size_t)net->n + 1, sizeof(*last));
	p->segments = et_calloc((size_t)net->n + 2, sizeof(*p->segments));
	if (!p->segments || !last) {
		free(last);
		return false;
	}
	find_last(p, net, last);
	for (int i = 0; i < end; i++) {
		/* Where features come in, a pass may begin. */
		if (i == p->prefix)
			add_segment(p, i, chunk);
		if (p->skip[i])
			continue;
		/* Chunks only grow: maps get smaller, and weights more. */
		int more = wanted(p, net, i);
		if ((more >= 2 * chunk || (more == p->batch && more > chunk)) &&
		    (net->chunk_growth || narrow(p, net, last, i))) {
			add_segment(p, i, chunk);
			chunk = more;
		}
	}
	add_segment(p, end, chunk);
	add_segment(p, net->n, p->batch);
	free(last);
	return true;
}

const struct et_segment *et_segment_of(const struct et_program *p, int node)
{
	const struct et_segment *s = p->segments;

	while (s->end <= node)
		s++;
	return s;
}

int et_segment_begin(const struct et_program *p, const struct et_segment *s)
{
	return s == p->segments ? 0 : s[-1].end;
}

/* Measuring, on request, of what a mode does to a layer's gradients: beside exact's, same dy. */
#include "net/types.h"

const float *et_probe_dx(struct et_exec *x, const struct et_node *node, const float *dy,
			 const float *dx)
{
	const struct et_conv *g = &node->u.conv.g;
	bool measuring = et_measuring(x->work);

	if (measuring ? !x->net->want_probes : !node->probe || !dx)
		return NULL;
	float *exact = et_arena_alloc(
		x->work, (size_t)x->n * (size_t)g->h * (size_t)g->w * (size_t)g->c, sizeof(float));
	et_conv_data(&x->net->ctx, g, x->n, dy, measuring ? NULL : et_value(x, node, ET_P_WEIGHT),
		     exact, x->work);
	return exact;
}

void et_probe_dy(const struct et_exec *x, const struct et_node *node, const float *dy)
{
	struct et_probe *p = node->probe;

	if (!p)
		return;
	size_t n = et_dy_count(x, node);
	for (size_t i = 0; i < n; i++)
		p->zeros += dy[i] == 0;
	p->count += n;
}

void et_probe_compare(const struct et_exec *x, const struct et_node *node, const float *dx,
		      const float *exact)
{
	const struct et_conv *g = &node->u.conv.g;
	struct et_probe *p = node->probe;

	if (!exact)
		return;
	size_t n = (size_t)x->n * (size_t)g->h * (size_t)g->w * (size_t)g->c;
	for (size_t i = 0; i < n; i++) {
		p->dot += (double)dx[i] * (double)exact[i];
		p->mode += (double)dx[i] * (double)dx[i];
		p->exact += (double)exact[i] * (double)exact[i];
	}
}

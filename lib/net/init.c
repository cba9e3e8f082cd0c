/* Initial weights, each element a function of (seed, parameter, element) alone. */
#include <math.h>

#include "net/types.h"

/*
 * He-normal by fan out, as torchvision's ResNet and MobileNetV2 do for convolutions; but by the fan
 * out of a group, which PyTorch overlooks: it starts depthwise layers with next to nothing.
 */
static void conv_weight(struct et_param *p, uint64_t seed, uint32_t index)
{
	const struct et_conv *g = p->geo;
	struct et_rng r = et_rng_open(seed, ET_STREAM_INIT, 0, index);
	float std = sqrtf(2.0f / (float)(g->k / g->groups * g->kh * g->kw));

	for (size_t i = 0; i < p->count; i++)
		p->value[i] = std * et_rng_normal(&r);
}

/* torch.nn.Linear's: uniform in +-1/sqrt(fan in), weight and bias. */
static void uniform(struct et_param *p, int fan_in, uint64_t seed, uint32_t index)
{
	struct et_rng r = et_rng_open(seed, ET_STREAM_INIT, 0, index);
	float bound = 1 / sqrtf((float)fan_in);

	for (size_t i = 0; i < p->count; i++)
		p->value[i] = bound * (2 * et_rng_unit(&r) - 1);
}

void et_net_init(struct et_net *net, uint64_t seed)
{
	for (int i = 0; i < net->n_params; i++) {
		struct et_param *p = &net->params[i];
		const struct et_node *node = &net->nodes[p->node];
		p->counter = 0;
		if (node->type == &et_type_linear)
			uniform(p, node->u.conv.g.c, seed, (uint32_t)i);
		else if (p->kind == ET_PARAM_WEIGHT)
			conv_weight(p, seed, (uint32_t)i);
		else
			for (size_t k = 0; k < p->count; k++)
				p->value[k] = p->first;
	}
}

/* conv2d and linear: a linear layer is the 1x1 convolution of a 1x1 picture. */
#include <string.h>

#include "net/types.h"

#define CHANNELS_MAX (1 << 20)
#define KERNEL_MAX   63

static const char *const conv_keys[] = {"out_channels", "kernel_size", "stride", "padding",
					"dilation",	"groups",      "bias",	 NULL};

static int parse_conv(const struct cJSON *o, const char *where, union et_attr *u,
		      struct et_err *err)
{
	struct et_conv *g = &u->conv.g;
	int64_t out = 0, groups = 1;
	int kernel[2] = {0, 0}, stride[2] = {1, 1}, padding[2] = {0, 0}, dilation[2] = {1, 1};

	int has_out = et_json_int(o, where, "out_channels", 1, CHANNELS_MAX, &out, err);
	ET_TRY(has_out);
	int has_kernel = et_json_pair(o, where, "kernel_size", 1, KERNEL_MAX, kernel, err);
	ET_TRY(has_kernel);
	if (!has_out || !has_kernel)
		return et_fail(err, ET_EDATA, "%s: %s is missing", where,
			       has_out ? "kernel_size" : "out_channels");
	ET_TRY(et_json_pair(o, where, "stride", 1, 64, stride, err));
	ET_TRY(et_json_pair(o, where, "padding", 0, 256, padding, err));
	ET_TRY(et_json_pair(o, where, "dilation", 1, 64, dilation, err));
	ET_TRY(et_json_int(o, where, "groups", 1, CHANNELS_MAX, &groups, err));
	u->conv.bias = true;
	ET_TRY(et_json_bool(o, where, "bias", &u->conv.bias, err));
	*g = (struct et_conv){.k = (int)out,
			      .kh = kernel[0],
			      .kw = kernel[1],
			      .sh = stride[0],
			      .sw = stride[1],
			      .ph = padding[0],
			      .pw = padding[1],
			      .dh = dilation[0],
			      .dw = dilation[1],
			      .groups = (int)groups};
	return ET_OK;
}

static int shape_conv(union et_attr *u, const struct et_shape *in, int n_in, struct et_shape *out,
		      struct et_err *err)
{
	struct et_conv *g = &u->conv.g;
	(void)n_in;

	g->h = in[0].h;
	g->w = in[0].w;
	g->c = in[0].c;
	ET_TRY(et_conv_shape(g, err));
	if ((double)g->k * g->kh * g->kw * (g->c / g->groups) > (double)(1u << 30))
		return et_fail(err, ET_EDATA, "%d x %d weights of %dx%d are too many", g->k,
			       g->c / g->groups, g->kh, g->kw);
	*out = (struct et_shape){g->p, g->q, g->k};
	return ET_OK;
}

static const char *const linear_keys[] = {"out_features", "bias", NULL};

static int parse_linear(const struct cJSON *o, const char *where, union et_attr *u,
			struct et_err *err)
{
	int64_t out = 0;

	int found = et_json_int(o, where, "out_features", 1, CHANNELS_MAX, &out, err);
	ET_TRY(found);
	if (!found)
		return et_fail(err, ET_EDATA, "%s: out_features is missing", where);
	u->conv.bias = true;
	ET_TRY(et_json_bool(o, where, "bias", &u->conv.bias, err));
	u->conv.g = (struct et_conv){
		.k = (int)out, .kh = 1, .kw = 1, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .groups = 1};
	return ET_OK;
}

static int shape_linear(union et_attr *u, const struct et_shape *in, int n_in, struct et_shape *out,
			struct et_err *err)
{
	if (in[0].h != 1 || in[0].w != 1)
		return et_fail(err, ET_EDATA,
			       "linear takes one vector an image, found %dx%d of %d channels: add "
			       "flatten before it",
			       in[0].h, in[0].w, in[0].c);
	return shape_conv(u, in, n_in, out, err);
}

static bool mode_saves(const struct et_node *node)
{
	return node->mode && node->mode->save;
}

static unsigned keeps(const struct et_node *node)
{
	return node->trains && !mode_saves(node) ? ET_KEEP_IN0 : 0;
}

static size_t saved(const struct et_node *node, int n)
{
	return node->trains && mode_saves(node) ? node->mode->saved_bytes(&node->layer, n) : 0;
}

static void measure(struct et_exec *x, const struct et_node *node, bool training)
{
	const struct et_conv *g = &node->u.conv.g;
	struct et_ctx *c = &x->net->ctx;
	/* Scale and shift of a fused batch norm. */
	size_t mark = et_arena_mark(x->work);
	et_arena_alloc(x->work, 2 * (size_t)g->k, sizeof(float));
	et_conv_forward(c, g, x->n, NULL, NULL, NULL, NULL, x->work);
	et_arena_release(x->work, mark);
	if (!training || !node->active)
		return;
	et_channel_sum(c, (size_t)x->n * (size_t)g->p * (size_t)g->q, g->k, NULL, NULL, x->work);
	if (mode_saves(node))
		node->mode->save(c, &node->layer, x->n, NULL, NULL, x->work);
	if (node->mode && node->mode->backward) {
		node->mode->backward(c, &node->layer, x->n, NULL, NULL, NULL, NULL, NULL, x->work);
		return;
	}
	et_conv_data(c, g, x->n, NULL, NULL, NULL, x->work);
	et_conv_weight(c, g, x->n, NULL, NULL, NULL, x->work);
}

static void forward(struct et_exec *x, struct et_node *node)
{
	const struct et_conv *g = &node->u.conv.g;
	const struct et_fused *f = et_fused_of(x, node);
	size_t mark = et_arena_mark(x->work);
	float *scale = et_arena_alloc(x->work, 2 * (size_t)g->k, sizeof(float)),
	      *shift = scale + g->k;
	const float *bias = et_value(x, node, ET_P_BIAS);
	struct et_epilogue epi = {.shift = bias, .act = f->act};

	if (f->bn >= 0) {
		et_bn_constants(x->net, &x->net->nodes[f->bn], scale, shift);
		for (int k = 0; bias && k < g->k; k++)
			shift[k] += bias[k] * scale[k];
		epi.scale = scale;
		epi.shift = shift;
	}
	if (f->residual >= 0)
		epi.residual = et_tensor(x, f->residual);
	et_conv_forward(&x->net->ctx, g, x->n, et_in(x, node, 0), et_value(x, node, ET_P_WEIGHT),
			&epi, et_tensor(x, f->out), x->work);
	et_arena_release(x->work, mark);
	void *save = et_saved(x, node);
	if (save && mode_saves(node))
		node->mode->save(&x->net->ctx, &node->layer, x->n, et_in(x, node, 0), save,
				 x->work);
}

static void backward(struct et_exec *x, struct et_node *node)
{
	const struct et_conv *g = &node->u.conv.g;
	const struct et_ctx *c = &x->net->ctx;
	const float *dy = et_dy(x, node), *w = et_value(x, node, ET_P_WEIGHT);
	float *db = et_value_grad(x, node, ET_P_BIAS), *dw = et_value_grad(x, node, ET_P_WEIGHT);
	float *dx = et_dx_begin(x, node, 0);

	if (db)
		et_channel_sum(c, (size_t)x->n * (size_t)g->p * (size_t)g->q, g->k, dy, db,
			       x->work);
	if (node->mode && node->mode->backward) {
		const void *save = mode_saves(node) ? et_saved(x, node) : et_in(x, node, 0);
		node->mode->backward(c, &node->layer, x->n, save, w, dy, dx, dw, x->work);
	} else {
		if (dw)
			et_conv_weight(c, g, x->n, et_in(x, node, 0), dy, dw, x->work);
		if (dx)
			et_conv_data(c, g, x->n, dy, w, dx, x->work);
	}
	et_dx_end(x, node, 0);
}

static double mac(const struct et_node *node)
{
	return et_conv_mac(&node->u.conv.g);
}

const struct et_type et_type_conv2d = {
	.name = "conv2d",
	.keys = conv_keys,
	.min_in = 1,
	.max_in = 1,
	.parse = parse_conv,
	.shape = shape_conv,
	.keeps = keeps,
	.saved = saved,
	.measure = measure,
	.forward = forward,
	.backward = backward,
	.mac = mac,
};

const struct et_type et_type_linear = {
	.name = "linear",
	.keys = linear_keys,
	.min_in = 1,
	.max_in = 1,
	.parse = parse_linear,
	.shape = shape_linear,
	.keeps = keeps,
	.saved = saved,
	.measure = measure,
	.forward = forward,
	.backward = backward,
	.mac = mac,
};

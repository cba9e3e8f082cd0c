/* Activations and dropout: element by element. */
#include "net/onnx.h"

static size_t count(const struct et_exec *x, const struct et_node *node)
{
	return (size_t)x->n * et_shape_count(node->out);
}

static size_t saved_bits(const struct et_net *net, const struct et_node *node, int n)
{
	(void)net;
	return et_bit_words((size_t)n * et_shape_count(node->out)) * sizeof(uint32_t);
}

/* ReLUs keep where the gradient passes: a bit an element, or how many of a patch, a byte. */
static size_t saved_passes(const struct et_net *net, const struct et_node *node, int n)
{
	const struct et_grid *g = et_patches(net, node->index + 1);

	if (!g)
		return saved_bits(net, node, n);
	return (size_t)n * (size_t)g->gh * (size_t)g->gw * (size_t)node->out.c;
}

static void passes_forward(struct et_exec *x, const struct et_node *node, enum et_act act)
{
	const struct et_grid *g = et_patches(x->net, node->index + 1);
	void *save = et_saved(x, node);

	if (save && g)
		et_act_count(&x->net->ctx, act, g, x->n, node->out.c, et_in(x, node, 0),
			     et_out(x, node), save);
	else
		et_act_forward(&x->net->ctx, act, count(x, node), et_in(x, node, 0),
			       et_out(x, node), save);
}

static void relu_forward(struct et_exec *x, struct et_node *node)
{
	passes_forward(x, node, ET_ACT_RELU);
}

static void relu6_forward(struct et_exec *x, struct et_node *node)
{
	passes_forward(x, node, ET_ACT_RELU6);
}

static void passes_backward(struct et_exec *x, struct et_node *node)
{
	const struct et_grid *g = et_patches(x->net, node->index + 1);
	float *dx = et_dx_begin(x, node, 0);

	if (g)
		et_act_share(&x->net->ctx, g, x->n, node->out.c, et_saved(x, node), et_dy(x, node),
			     dx);
	else
		et_mask(&x->net->ctx, count(x, node), et_saved(x, node), et_dy(x, node), dx);
	et_dx_end(x, node, 0);
}

static unsigned keep_input(const struct et_node *node)
{
	(void)node;
	return ET_KEEP_IN0;
}

static unsigned keep_output(const struct et_node *node)
{
	(void)node;
	return ET_KEEP_OUT;
}

static void hardswish_forward(struct et_exec *x, struct et_node *node)
{
	et_hardswish_forward(&x->net->ctx, count(x, node), et_in(x, node, 0), et_out(x, node));
}

static void hardswish_backward(struct et_exec *x, struct et_node *node)
{
	float *dx = et_dx_begin(x, node, 0);
	et_hardswish_backward(&x->net->ctx, count(x, node), et_in(x, node, 0), et_dy(x, node), dx);
	et_dx_end(x, node, 0);
}

static void sigmoid_forward(struct et_exec *x, struct et_node *node)
{
	et_sigmoid_forward(&x->net->ctx, count(x, node), et_in(x, node, 0), et_out(x, node));
}

static void sigmoid_backward(struct et_exec *x, struct et_node *node)
{
	float *dx = et_dx_begin(x, node, 0);
	et_sigmoid_backward(&x->net->ctx, count(x, node), et_out(x, node), et_dy(x, node), dx);
	et_dx_end(x, node, 0);
}

static const char *const dropout_keys[] = {"p", NULL};

static int dropout_parse(const struct et_spec_builder *b, const struct cJSON *o, const char *where,
			 union et_attr *u, struct et_err *err)
{
	(void)b;
	u->dropout.p = 0.5;
	ET_TRY(et_json_num(o, where, "p", 0, 0.999, &u->dropout.p, err));
	return ET_OK;
}

static void dropout_forward(struct et_exec *x, struct et_node *node)
{
	size_t n = count(x, node);
	const float *in = et_in(x, node, 0);
	float *y = et_out(x, node);

	if (x->pass->training)
		et_dropout_forward(&x->net->ctx, (float)node->u.dropout.p, x->pass->seed,
				   x->pass->step, (uint32_t)node->index,
				   x->pass->first * et_shape_count(node->out), n, in, y,
				   et_saved(x, node));
	else if (in != y)
		et_copy(&x->net->ctx, n, in, y);
}

static void dropout_backward(struct et_exec *x, struct et_node *node)
{
	size_t n = count(x, node);
	float *dx = et_dx_begin(x, node, 0);
	et_mask(&x->net->ctx, n, et_saved(x, node), et_dy(x, node), dx);
	et_scale(&x->net->ctx, n, (float)(1 / (1 - node->u.dropout.p)), dx, dx);
	et_dx_end(x, node, 0);
}

const struct et_type et_type_relu = {
	.name = "relu",
	.min_in = 1,
	.max_in = 1,
	.in_place = true,
	.saved = saved_passes,
	.forward = relu_forward,
	.backward = passes_backward,
	.onnx = et_form_relu,
};

const struct et_type et_type_relu6 = {
	.name = "relu6",
	.min_in = 1,
	.max_in = 1,
	.in_place = true,
	.saved = saved_passes,
	.forward = relu6_forward,
	.backward = passes_backward,
	.onnx = et_form_relu6,
};

const struct et_type et_type_hardswish = {
	.name = "hardswish",
	.min_in = 1,
	.max_in = 1,
	.in_place = true,
	.keeps = keep_input,
	.forward = hardswish_forward,
	.backward = hardswish_backward,
	.onnx = et_form_hardswish,
};

const struct et_type et_type_sigmoid = {
	.name = "sigmoid",
	.min_in = 1,
	.max_in = 1,
	.in_place = true,
	.keeps = keep_output,
	.forward = sigmoid_forward,
	.backward = sigmoid_backward,
	.onnx = et_form_sigmoid,
};

const struct et_type et_type_dropout = {
	.name = "dropout",
	.keys = dropout_keys,
	.min_in = 1,
	.max_in = 1,
	.parse = dropout_parse,
	.in_place = true,
	.saved = saved_bits,
	.forward = dropout_forward,
	.backward = dropout_backward,
	.onnx = et_form_nothing,
};

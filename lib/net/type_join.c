/* Layers that join tensors or rearrange them: add, mul, concat, flatten; and the loss, as a word in
 * specs. */
#include "net/onnx.h"

static size_t count(const struct et_exec *x, const struct et_node *node)
{
	return (size_t)x->n * et_shape_count(node->out);
}

static int add_shape(union et_attr *u, const struct et_shape *in, int n_in, struct et_shape *out,
		     struct et_err *err)
{
	(void)u;
	for (int i = 1; i < n_in; i++)
		if (in[i].h != in[0].h || in[i].w != in[0].w || in[i].c != in[0].c)
			return et_fail(err, ET_EDATA,
				       "add takes inputs of one shape, found %dx%dx%d and %dx%dx%d "
				       "(channels last)",
				       in[0].h, in[0].w, in[0].c, in[i].h, in[i].w, in[i].c);
	*out = in[0];
	return ET_OK;
}

static void add_forward(struct et_exec *x, struct et_node *node)
{
	const float *a = et_in(x, node, 0);
	float *y = et_out(x, node);
	for (int i = 1; i < node->n_in; i++) {
		et_add_forward(&x->net->ctx, count(x, node), a, et_in(x, node, i), y);
		a = y;
	}
}

/* Input 0 takes dy's own array: the others copy from it first. */
static void add_backward(struct et_exec *x, struct et_node *node)
{
	const float *dy = et_dy(x, node);
	for (int i = node->n_in - 1; i >= 0; i--) {
		float *dx = et_dx_begin(x, node, i);
		if (dx && dx != dy)
			et_copy(&x->net->ctx, et_dy_count(x, node), dy, dx);
		et_dx_end(x, node, i);
	}
}

static int mul_shape(union et_attr *u, const struct et_shape *in, int n_in, struct et_shape *out,
		     struct et_err *err)
{
	bool same = in[1].h == in[0].h && in[1].w == in[0].w, gate = in[1].h == 1 && in[1].w == 1;
	(void)u;
	(void)n_in;
	if ((!same && !gate) || in[1].c != in[0].c)
		return et_fail(err, ET_EDATA,
			       "mul takes inputs of one shape, or a second one of 1x1 with as many "
			       "channels, found "
			       "%dx%dx%d and %dx%dx%d (channels last)",
			       in[0].h, in[0].w, in[0].c, in[1].h, in[1].w, in[1].c);
	*out = in[0];
	return ET_OK;
}

static unsigned mul_keeps(const struct et_node *node)
{
	(void)node;
	return ET_KEEP_IN0 | ET_KEEP_IN1;
}

static bool is_gate(const struct et_exec *x, const struct et_node *node)
{
	struct et_shape a = et_in_shape(x->net, node, 0), b = et_in_shape(x->net, node, 1);
	return a.h != b.h || a.w != b.w;
}

static void mul_forward(struct et_exec *x, struct et_node *node)
{
	et_mul_forward(&x->net->ctx, x->n, (size_t)node->out.h * (size_t)node->out.w, node->out.c,
		       is_gate(x, node), et_in(x, node, 0), et_in(x, node, 1), et_out(x, node));
}

static void mul_backward(struct et_exec *x, struct et_node *node)
{
	/* One input at a time: both contributions may go to one temporary when the inputs are one
	 * tensor. */
	for (int i = 1; i >= 0; i--) {
		float *dx = et_dx_begin(x, node, i);
		if (dx)
			et_mul_backward(&x->net->ctx, x->n,
					(size_t)node->out.h * (size_t)node->out.w, node->out.c,
					is_gate(x, node), et_in(x, node, 0), et_in(x, node, 1),
					et_dy(x, node), i ? NULL : dx, i ? dx : NULL);
		et_dx_end(x, node, i);
	}
}

static int concat_shape(union et_attr *u, const struct et_shape *in, int n_in, struct et_shape *out,
			struct et_err *err)
{
	(void)u;
	*out = in[0];
	for (int i = 1; i < n_in; i++) {
		if (in[i].h != in[0].h || in[i].w != in[0].w)
			return et_fail(err, ET_EDATA,
				       "concat joins channels of inputs of one size, found %dx%d "
				       "and %dx%d",
				       in[0].h, in[0].w, in[i].h, in[i].w);
		out->c += in[i].c;
	}
	return ET_OK;
}

static void concat_forward(struct et_exec *x, struct et_node *node)
{
	size_t rows = (size_t)x->n * (size_t)node->out.h * (size_t)node->out.w;
	int at = 0;
	for (int i = 0; i < node->n_in; i++) {
		int c = et_in_shape(x->net, node, i).c;
		et_copy_channels(&x->net->ctx, rows, et_in(x, node, i), c, 0, et_out(x, node),
				 node->out.c, at, c);
		at += c;
	}
}

static void concat_backward(struct et_exec *x, struct et_node *node)
{
	size_t rows = (size_t)x->n * (size_t)node->out.h * (size_t)node->out.w;
	int at = node->out.c;
	for (int i = node->n_in - 1; i >= 0; i--) {
		int c = et_in_shape(x->net, node, i).c;
		float *dx = et_dx_begin(x, node, i);
		at -= c;
		if (dx)
			et_copy_channels(&x->net->ctx, rows, et_dy(x, node), node->out.c, at, dx, c,
					 0, c);
		et_dx_end(x, node, i);
	}
}

static int flatten_shape(union et_attr *u, const struct et_shape *in, int n_in,
			 struct et_shape *out, struct et_err *err)
{
	(void)u;
	(void)n_in;
	size_t n = et_shape_count(in[0]);
	if (n > 1 << 24)
		return et_fail(err, ET_EDATA, "flatten of %zu values is too large", n);
	*out = (struct et_shape){1, 1, (int)n};
	return ET_OK;
}

static void flatten_forward(struct et_exec *x, struct et_node *node)
{
	struct et_shape in = et_in_shape(x->net, node, 0);
	et_flatten(&x->net->ctx, x->n, (size_t)in.h * (size_t)in.w, in.c, et_in(x, node, 0),
		   et_out(x, node));
}

static void flatten_backward(struct et_exec *x, struct et_node *node)
{
	struct et_shape in = et_in_shape(x->net, node, 0);
	float *dx = et_dx_begin(x, node, 0);
	if (dx)
		et_unflatten(&x->net->ctx, x->n, (size_t)in.h * (size_t)in.w, in.c, et_dy(x, node),
			     dx);
	et_dx_end(x, node, 0);
}

static const char *const loss_keys[] = {"ignore_index", NULL};

static int loss_parse(const struct et_spec_builder *b, const struct cJSON *o, const char *where,
		      union et_attr *u, struct et_err *err)
{
	(void)b;
	int64_t ignore = -1;
	ET_TRY(et_json_int(o, where, "ignore_index", 0, 65535, &ignore, err));
	u->loss.ignore = (int)ignore;
	return ET_OK;
}

const struct et_type et_type_add = {
	.name = "add",
	.min_in = 2,
	.max_in = ET_IN_MAX,
	.shape = add_shape,
	.in_place = true,
	.forward = add_forward,
	.backward = add_backward,
	.onnx = et_form_add,
};

const struct et_type et_type_mul = {
	.name = "mul",
	.min_in = 2,
	.max_in = 2,
	.shape = mul_shape,
	.keeps = mul_keeps,
	.forward = mul_forward,
	.backward = mul_backward,
	.onnx = et_form_mul,
};

const struct et_type et_type_concat = {
	.name = "concat",
	.min_in = 2,
	.max_in = ET_IN_MAX,
	.shape = concat_shape,
	.forward = concat_forward,
	.backward = concat_backward,
	.onnx = et_form_concat,
};

const struct et_type et_type_flatten = {
	.name = "flatten",
	.min_in = 1,
	.max_in = 1,
	.shape = flatten_shape,
	.forward = flatten_forward,
	.backward = flatten_backward,
	.onnx = et_form_flatten,
};

const struct et_type et_type_loss = {
	.name = "softmax-cross-entropy",
	.keys = loss_keys,
	.min_in = 1,
	.max_in = 1,
	.parse = loss_parse,
};

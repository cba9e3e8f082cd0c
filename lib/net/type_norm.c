/* batchnorm2d: by batch statistics in training where the node says so, else by the running ones. */
#include <math.h>
#include <string.h>

#include "net/onnx.h"

static const char *const keys[] = {"eps", "momentum", NULL};

static int parse(const struct et_spec_builder *b, const struct cJSON *o, const char *where,
		 union et_attr *u, struct et_err *err)
{
	(void)b;
	u->bn.eps = 1e-5;
	u->bn.momentum = 0.1;
	ET_TRY(et_json_num(o, where, "eps", 0, 1, &u->bn.eps, err));
	ET_TRY(et_json_num(o, where, "momentum", 0, 1, &u->bn.momentum, err));
	return ET_OK;
}

static size_t rows(const struct et_exec *x, const struct et_node *node)
{
	return (size_t)x->n * (size_t)node->out.h * (size_t)node->out.w;
}

static const struct et_param *param(const struct et_net *net, const struct et_node *node, int which)
{
	return &net->params[node->param[which]];
}

void et_bn_constants(const struct et_net *net, const struct et_node *bn, float *scale, float *shift)
{
	const float *gamma = param(net, bn, ET_P_WEIGHT)->value,
		    *beta = param(net, bn, ET_P_BIAS)->value;
	const float *mean = param(net, bn, ET_P_MEAN)->value,
		    *var = param(net, bn, ET_P_VAR)->value;

	for (int c = 0; c < bn->out.c; c++) {
		scale[c] = gamma[c] * (float)(1 / sqrt((double)var[c] + bn->u.bn.eps));
		shift[c] = beta[c] - mean[c] * scale[c];
	}
}

static unsigned keep(const struct et_node *node)
{
	return node->bn_batch || node->trains ? ET_KEEP_IN0 : 0;
}

static size_t saved(const struct et_net *net, const struct et_node *node, int n)
{
	(void)net;
	(void)n;
	return !keep(node) ? 0 : (size_t)node->out.c * (2 * sizeof(double) + 7 * sizeof(float));
}

struct et_norm_kept et_norm_kept(const struct et_exec *x, const struct et_node *bn)
{
	double *sums = et_saved(x, bn);
	size_t c = (size_t)bn->out.c;
	float *at = (float *)(sums + 2 * c);
	return (struct et_norm_kept){.mean = at,
				     .invstd = at + c,
				     .scale = at + 2 * c,
				     .shift = at + 3 * c,
				     .a = at + 4 * c,
				     .b = at + 5 * c,
				     .d = at + 6 * c,
				     .s1 = sums,
				     .s2 = sums + c};
}

void et_norm_apply(const struct et_exec *x, const struct et_node *bn, float *y)
{
	struct et_norm_kept k = et_norm_kept(x, bn);
	const struct et_prologue p = {k.scale, k.shift, et_fused_of(x, bn)->act};

	et_affine(&x->net->ctx, rows(x, bn), bn->out.c, et_in(x, bn, 0), &p, y);
}

static void measure(struct et_exec *x, const struct et_node *node, bool training)
{
	size_t mark = et_arena_mark(x->work), c = (size_t)node->out.c;

	et_arena_alloc(x->work, 2 * c, sizeof(float));
	if (training && node->active) {
		et_bn_stats(&x->net->ctx, rows(x, node), node->out.c, NULL, NULL, NULL, x->work);
		et_bn_backward(&x->net->ctx, rows(x, node), node->out.c, NULL, NULL, NULL, NULL,
			       NULL, true, NULL, NULL, NULL, NULL, x->work);
	}
	et_arena_release(x->work, mark);
}

/* running = (1 - m) * running + m * batch, the variance unbiased: PyTorch's. */
static void update_running(struct et_net *net, struct et_node *node, const float *mean,
			   const float *var, size_t n)
{
	float *rm = net->params[node->param[ET_P_MEAN]].value,
	      *rv = net->params[node->param[ET_P_VAR]].value;
	float m = (float)node->u.bn.momentum;
	float unbias = (float)((double)n / (double)(n - 1));

	for (int c = 0; c < node->out.c; c++) {
		rm[c] = (1 - m) * rm[c] + m * mean[c];
		rv[c] = (1 - m) * rv[c] + m * var[c] * unbias;
	}
	net->params[node->param[ET_P_TRACKED]].counter++;
}

/* Mean, variance, and what follows from them, to where backward finds them. */
static void keep_statistics(struct et_exec *x, struct et_node *node)
{
	struct et_net *net = x->net;
	struct et_norm_kept k = et_norm_kept(x, node);
	const float *gamma = et_value(x, node, ET_P_WEIGHT), *beta = et_value(x, node, ET_P_BIAS);
	const float *var = k.invstd; /* until it becomes that */
	int c = node->out.c;

	if (node->bn_batch) {
		int maker = node->in[0] - 1;
		bool there =
			maker >= 0 && et_fused_of(x, &net->nodes[maker])->moments == node->index;
		if (!there)
			et_bn_stats(&net->ctx, rows(x, node), c, et_in(x, node, 0), k.mean,
				    k.invstd, x->work);
		update_running(net, node, k.mean, var, rows(x, node));
	} else {
		memcpy(k.mean, param(net, node, ET_P_MEAN)->value, (size_t)c * sizeof(float));
		var = param(net, node, ET_P_VAR)->value;
	}
	for (int i = 0; i < c; i++) {
		k.invstd[i] = (float)(1 / sqrt((double)var[i] + node->u.bn.eps));
		k.scale[i] = gamma[i] * k.invstd[i];
		k.shift[i] = beta[i] - k.mean[i] * k.scale[i];
	}
}

static void forward(struct et_exec *x, struct et_node *node)
{
	float *y = et_tensor(x, et_fused_of(x, node)->out);

	if (et_saved(x, node)) {
		keep_statistics(x, node);
		if (y)
			et_norm_apply(x, node, y);
		return;
	}
	size_t mark = et_arena_mark(x->work), c = (size_t)node->out.c;
	float *scale = et_arena_alloc(x->work, 2 * c, sizeof(float));
	const struct et_prologue p = {.scale = scale, .shift = scale + c};
	et_bn_constants(x->net, node, scale, scale + c);
	et_affine(&x->net->ctx, rows(x, node), node->out.c, et_in(x, node, 0), &p, y);
	et_arena_release(x->work, mark);
}

/* Through what forward kept. */
static void backward_kept(struct et_exec *x, const struct et_node *node)
{
	const struct et_fused *f = et_fused_of(x, node);
	struct et_ctx *ctx = &x->net->ctx;
	struct et_norm_kept k = et_norm_kept(x, node);
	const struct et_prologue after = {k.scale, k.shift, f->act};
	const struct et_bn_sums sums = {k.mean, &after, k.s1, k.s2};
	const struct et_bn_grad grad = {et_in(x, node, 0), &after, k.a, k.b, k.d};
	float *dx = et_dx_begin(x, node, 0), *dy = et_dy(x, node);

	if (!f->summed)
		et_bn_gather(ctx, rows(x, node), node->out.c, grad.in, dy, &sums, x->work);
	et_bn_slopes(rows(x, node), node->out.c, &sums, k.invstd, et_value(x, node, ET_P_WEIGHT),
		     node->bn_batch, k.a, k.b, k.d, et_value_grad(x, node, ET_P_WEIGHT),
		     et_value_grad(x, node, ET_P_BIAS));
	if (dx && !f->left)
		et_bn_through(ctx, rows(x, node), node->out.c, &grad, dy, dx);
}

/* With running statistics, and a weight and a bias that stay: dy scaled. */
static void backward_constant(struct et_exec *x, const struct et_node *node)
{
	size_t mark = et_arena_mark(x->work), c = (size_t)node->out.c;
	float *invstd = et_arena_alloc(x->work, c, sizeof(float));
	const float *var = param(x->net, node, ET_P_VAR)->value;

	for (size_t i = 0; i < c; i++)
		invstd[i] = (float)(1 / sqrt((double)var[i] + node->u.bn.eps));
	/* Rows of pixels, or of patches: constants don't tell them apart. */
	et_bn_backward(&x->net->ctx, et_dy_count(x, node) / c, node->out.c, NULL, et_dy(x, node),
		       param(x->net, node, ET_P_MEAN)->value, invstd,
		       et_value(x, node, ET_P_WEIGHT), false, NULL, et_dx_begin(x, node, 0), NULL,
		       NULL, x->work);
	et_arena_release(x->work, mark);
}

static void backward(struct et_exec *x, struct et_node *node)
{
	if (et_saved(x, node))
		backward_kept(x, node);
	else
		backward_constant(x, node);
	et_dx_end(x, node, 0);
}

const struct et_type et_type_batchnorm2d = {
	.name = "batchnorm2d",
	.keys = keys,
	.min_in = 1,
	.max_in = 1,
	.parse = parse,
	.in_place = true,
	.keeps = keep,
	.saved = saved,
	.measure = measure,
	.forward = forward,
	.backward = backward,
	.onnx = et_form_norm,
};

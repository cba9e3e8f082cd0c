/* batchnorm2d: by batch statistics in training where the node says so, else by the running ones. */
#include <math.h>
#include <string.h>

#include "net/types.h"

static const char *const keys[] = {"eps", "momentum", NULL};

static int parse(const struct cJSON *o, const char *where, union et_attr *u, struct et_err *err)
{
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

/* mean and 1/std of the batch; the running ones are at hand anyway. */
static size_t saved(const struct et_net *net, const struct et_node *node, int n)
{
	(void)net;
	(void)n;
	return !node->bn_batch ? 0 : 2 * (size_t)node->out.c * sizeof(float);
}

static void measure(struct et_exec *x, const struct et_node *node, bool training)
{
	size_t mark = et_arena_mark(x->work), c = (size_t)node->out.c;

	et_arena_alloc(x->work, 4 * c, sizeof(float));
	if (training && node->active) {
		et_bn_stats(&x->net->ctx, rows(x, node), node->out.c, NULL, NULL, NULL, x->work);
		et_bn_backward(&x->net->ctx, rows(x, node), node->out.c, NULL, NULL, NULL, NULL,
			       NULL, true, NULL, NULL, NULL, x->work);
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

static void forward(struct et_exec *x, struct et_node *node)
{
	struct et_net *net = x->net;
	size_t mark = et_arena_mark(x->work), c = (size_t)node->out.c;
	float *scale = et_arena_alloc(x->work, 4 * c, sizeof(float)), *shift = scale + c;
	float *mean = shift + c, *var = mean + c;

	if (x->pass->training && node->active && node->bn_batch) {
		float *save = et_saved(x, node);
		const float *gamma = et_value(x, node, ET_P_WEIGHT),
			    *beta = et_value(x, node, ET_P_BIAS);
		et_bn_stats(&net->ctx, rows(x, node), node->out.c, et_in(x, node, 0), mean, var,
			    x->work);
		for (size_t i = 0; i < c; i++) {
			float invstd = (float)(1 / sqrt((double)var[i] + node->u.bn.eps));
			save[i] = mean[i];
			save[c + i] = invstd;
			scale[i] = gamma[i] * invstd;
			shift[i] = beta[i] - mean[i] * scale[i];
		}
		update_running(net, node, mean, var, rows(x, node));
	} else {
		et_bn_constants(net, node, scale, shift);
	}
	et_affine(&net->ctx, rows(x, node), node->out.c, et_in(x, node, 0), scale, shift,
		  et_out(x, node));
	et_arena_release(x->work, mark);
}

static void backward(struct et_exec *x, struct et_node *node)
{
	size_t mark = et_arena_mark(x->work), c = (size_t)node->out.c;
	float *running = et_arena_alloc(x->work, c, sizeof(float));
	const float *mean = param(x->net, node, ET_P_MEAN)->value, *invstd = running;
	bool kept = keep(node);

	if (node->bn_batch) {
		mean = et_saved(x, node);
		invstd = mean + c;
	}
	for (size_t i = 0; !node->bn_batch && i < c; i++)
		running[i] = (float)(1 / sqrt((double)param(x->net, node, ET_P_VAR)->value[i] +
					      node->u.bn.eps));
	/* Rows of pixels, or of patches: constants don't tell them apart. */
	et_bn_backward(&x->net->ctx, et_dy_count(x, node) / c, node->out.c,
		       kept ? et_in(x, node, 0) : NULL, et_dy(x, node), mean, invstd,
		       et_value(x, node, ET_P_WEIGHT), node->bn_batch, et_dx_begin(x, node, 0),
		       et_value_grad(x, node, ET_P_WEIGHT), et_value_grad(x, node, ET_P_BIAS),
		       x->work);
	et_dx_end(x, node, 0);
	et_arena_release(x->work, mark);
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
};

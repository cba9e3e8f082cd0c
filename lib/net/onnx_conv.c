/* ONNX: convolutions, linear layers and batch norm, and the values of their parameters. */
#include <math.h>
#include <string.h>

#include "net/onnx.h"

/*
 * Ids of values: a parameter's index; and behind those a layer's index, for the bias that a batch
 * norm leaves in a layer without one.
 */
static size_t bias_id(const struct et_graph *x, const struct et_node *node)
{
	return node->param[ET_P_BIAS] >= 0 ? (size_t)node->param[ET_P_BIAS]
					   : (size_t)(x->net->n_params + node->index);
}

static const char *add_param(struct et_graph *x, const struct et_node *node, int which)
{
	const struct et_param *p = &x->net->params[node->param[which]];
	int64_t shape[4];

	for (int i = 0; i < p->rank; i++)
		shape[i] = (int64_t)p->shape[i];
	et_onnx_weights(x->m, p->name, p->rank, shape, (size_t)node->param[which]);
	return p->name;
}

/* Inputs of a Conv or Gemm: x, weight, and a bias if there is one; returns their number. */
static size_t add_weights(struct et_graph *x, const struct et_node *node, const char *in[3])
{
	const int64_t k = node->u.conv.g.k;

	in[1] = add_param(x, node, ET_P_WEIGHT);
	if (node->param[ET_P_BIAS] >= 0) {
		in[2] = add_param(x, node, ET_P_BIAS);
		return 3;
	}
	if (x->norm[node->index] < 0)
		return 2;
	in[2] = et_graph_keep(x, et_asprintf("%s.bias", node->name));
	et_onnx_weights(x->m, in[2], 1, &k, bias_id(x, node));
	return 3;
}

void et_form_conv(struct et_graph *x, const struct et_node *node)
{
	const struct et_conv *g = &node->u.conv.g;
	const char *in[3] = {et_graph_full(x, node, 0)};
	size_t n = add_weights(x, node, in);

	et_graph_op(x, node, "Conv", NULL, in, n);
	et_onnx_ints(x->m, "dilations", (int64_t[]){g->dh, g->dw}, 2);
	et_onnx_int(x->m, "group", g->groups);
	et_onnx_ints(x->m, "kernel_shape", (int64_t[]){g->kh, g->kw}, 2);
	et_onnx_ints(x->m, "pads", (int64_t[]){g->ph, g->pw, g->ph, g->pw}, 4);
	et_onnx_ints(x->m, "strides", (int64_t[]){g->sh, g->sw}, 2);
}

void et_form_linear(struct et_graph *x, const struct et_node *node)
{
	const char *in[3] = {et_graph_flat(x, node, 0)};
	size_t n = add_weights(x, node, in);

	et_graph_op(x, node, "Gemm", NULL, in, n);
	et_onnx_int(x->m, "transB", 1);
}

void et_form_norm(struct et_graph *x, const struct et_node *node)
{
	if (x->same[node->index + 1] != node->index + 1)
		return;
	const char *in[] = {et_graph_in(x, node, 0), add_param(x, node, ET_P_WEIGHT),
			    add_param(x, node, ET_P_BIAS), add_param(x, node, ET_P_MEAN),
			    add_param(x, node, ET_P_VAR)};
	et_graph_op(x, node, "BatchNormalization", NULL, in, ET_COUNT(in));
	et_onnx_float(x->m, "epsilon", (float)node->u.bn.eps);
}

/* ---- values ---------------------------------------------------------------------------------- */

static double scale_of(const struct et_net *net, const struct et_node *bn, int c)
{
	double var = (double)net->params[bn->param[ET_P_VAR]].value[c];
	return (double)net->params[bn->param[ET_P_WEIGHT]].value[c] / sqrt(var + bn->u.bn.eps);
}

static void scale_weights(const struct et_net *net, const struct et_node *bn, size_t count,
			  float *v)
{
	size_t k = (size_t)bn->out.c, inner = count / k;

	for (size_t c = 0; c < k; c++) {
		double scale = scale_of(net, bn, (int)c);
		for (size_t i = 0; i < inner; i++)
			v[c * inner + i] = (float)((double)v[c * inner + i] * scale);
	}
}

/* bias: that of the layer, or NULL. */
static void fold_bias(const struct et_net *net, const struct et_node *bn, const float *bias,
		      float *v)
{
	const float *beta = net->params[bn->param[ET_P_BIAS]].value,
		    *mean = net->params[bn->param[ET_P_MEAN]].value;

	for (int c = 0; c < bn->out.c; c++) {
		double b = bias ? (double)bias[c] : 0;
		v[c] = (float)((double)beta[c] + (b - (double)mean[c]) * scale_of(net, bn, c));
	}
}

static bool all_finite(const float *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isfinite(v[i]))
			return false;
	return true;
}

int et_graph_put(void *arg, size_t id, struct et_writer *w)
{
	struct et_graph *x = arg;
	const struct et_net *net = x->net;
	bool own = id < (size_t)net->n_params;
	const struct et_param *p = own ? &net->params[id] : NULL;
	int layer = own ? p->node : (int)id - net->n_params;
	int norm = x->norm[layer];
	const struct et_node *bn = norm >= 0 ? &net->nodes[norm] : NULL;
	size_t n = own ? p->count : (size_t)bn->out.c;

	if (own && p->kind == ET_PARAM_WEIGHT)
		et_conv_to_torch(p->geo, p->value, x->buf);
	else if (own)
		memcpy(x->buf, p->value, n * sizeof(float));
	if (bn && own && p->kind == ET_PARAM_WEIGHT)
		scale_weights(net, bn, n, x->buf);
	else if (bn)
		fold_bias(net, bn, own ? p->value : NULL, x->buf);
	if (!all_finite(x->buf, n)) {
		x->lost = own ? p->name : net->nodes[layer].name;
		return ET_EDATA;
	}
	et_writer_put(w, x->buf, n * sizeof(float));
	return ET_OK;
}

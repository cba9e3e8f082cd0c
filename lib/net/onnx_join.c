/* ONNX: activations, and layers that join or rearrange. */
#include <stdio.h>

#include "net/onnx.h"

void et_form_relu(struct et_graph *x, const struct et_node *node)
{
	et_graph_op1(x, node, "Relu", NULL, et_graph_in(x, node, 0));
}

/*
 * Clip is what it is, but OpenCV 4.6 cannot read its limits; 6 * HardSigmoid(x / 6) is the same to
 * two roundings.
 */
void et_form_relu6(struct et_graph *x, const struct et_node *node)
{
	const float low = 0, six = 6;
	const char *in[3] = {et_graph_in(x, node, 0)};

	if (x->form->clip) {
		in[1] = et_graph_constant(x, node, "min", ET_F32, 0, NULL, &low);
		in[2] = et_graph_constant(x, node, "max", ET_F32, 0, NULL, &six);
		et_graph_op(x, node, "Clip", NULL, in, 3);
		return;
	}
	in[0] = et_graph_op1(x, node, "HardSigmoid", "sixth", in[0]);
	et_onnx_float(x->m, "alpha", 1.0f / 6);
	et_onnx_float(x->m, "beta", 0);
	in[1] = et_graph_constant(x, node, "six", ET_F32, 0, NULL, &six);
	et_graph_op(x, node, "Mul", NULL, in, 2);
}

/* HardSwish is an operator of its own from opset 14 on. */
void et_form_hardswish(struct et_graph *x, const struct et_node *node)
{
	const char *in[2] = {et_graph_in(x, node, 0)};

	in[1] = et_graph_op1(x, node, "HardSigmoid", "gate", in[0]);
	et_onnx_float(x->m, "alpha", 1.0f / 6);
	et_onnx_float(x->m, "beta", 0.5f);
	et_graph_op(x, node, "Mul", NULL, in, 2);
}

void et_form_sigmoid(struct et_graph *x, const struct et_node *node)
{
	et_graph_op1(x, node, "Sigmoid", NULL, et_graph_in(x, node, 0));
}

/* Its output is its input. */
void et_form_nothing(struct et_graph *x, const struct et_node *node)
{
	(void)x;
	(void)node;
}

static size_t inputs(struct et_graph *x, const struct et_node *node, const char *in[ET_IN_MAX])
{
	for (int i = 0; i < node->n_in; i++)
		in[i] = et_graph_in(x, node, i);
	return (size_t)node->n_in;
}

/* ONNX's Add has two inputs. */
void et_form_add(struct et_graph *x, const struct et_node *node)
{
	const char *sum = et_graph_in(x, node, 0);
	char part[8] = "sum0";

	for (int i = 1; i < node->n_in; i++) {
		const char *in[] = {sum, et_graph_in(x, node, i)};
		snprintf(part, sizeof(part), "sum%d", i & (ET_IN_MAX - 1));
		sum = et_graph_op(x, node, "Add", i + 1 < node->n_in ? part : NULL, in, 2);
	}
}

void et_form_mul(struct et_graph *x, const struct et_node *node)
{
	const char *in[ET_IN_MAX];
	size_t n = inputs(x, node, in);

	et_graph_op(x, node, "Mul", NULL, in, n);
}

void et_form_concat(struct et_graph *x, const struct et_node *node)
{
	const char *in[ET_IN_MAX];
	size_t n = inputs(x, node, in);

	et_graph_op(x, node, "Concat", NULL, in, n);
	et_onnx_int(x->m, "axis", 1);
}

/* Of [N,C,H,W] in that order, as PyTorch's; of what is flat already, nothing. */
void et_form_flatten(struct et_graph *x, const struct et_node *node)
{
	if (x->same[node->index + 1] != node->index + 1)
		return;
	et_graph_op1(x, node, "Flatten", NULL, et_graph_full(x, node, 0));
	et_onnx_int(x->m, "axis", 1);
}

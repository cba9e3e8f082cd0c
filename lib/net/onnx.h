/*
 * Private to net: how layers become nodes of ONNX. A tensor of a 1x1 picture may be [N,C] there
 * ("flat") or [N,C,1,1]; each layer asks for the form that it takes.
 */
#ifndef ET_NET_ONNX_H
#define ET_NET_ONNX_H

#include "net/types.h"

/* A tensor of the net in the graph: its names in both forms, NULL where it does not have it (yet).
 */
struct et_graph_value {
	const char *full, *flat;
};

struct et_graph {
	const struct et_net *net;
	const struct et_onnx_form *form;
	struct et_onnx *m;
	struct et_graph_value *value; /* [n+1] by tensor */
	int *same;	    /* [n+1] the tensor whose values it has: itself, or one before */
	bool *is_flat;	    /* [n+1] as its layer makes it */
	int *norm;	    /* [n] of a layer: the batch norm that goes into it; -1 */
	const char *result; /* the name of tensor same[n] where that is the output */
	char **texts;	    /* names made here */
	size_t n_texts, cap_texts;
	bool no_memory;
	float *buf;	  /* of the largest parameter */
	const char *lost; /* a parameter that is not finite */
};

/* The name of input i of a node, in the form that its output has, or that is asked for. */
const char *et_graph_in(struct et_graph *x, const struct et_node *node, int i);
const char *et_graph_full(struct et_graph *x, const struct et_node *node, int i);
const char *et_graph_flat(struct et_graph *x, const struct et_node *node, int i);

/* Keeps a text made on the heap to the end; "" when it is NULL: memory was refused. */
const char *et_graph_keep(struct et_graph *x, char *text);
/* "/layer/part", the name of a value within a layer; good until the end. */
const char *et_graph_name(struct et_graph *x, const struct et_node *node, const char *part);
/*
 * Appends an ONNX node and returns its output's name. part: what it is within the layer; NULL: the
 * one that makes the layer's output. Attributes may follow.
 */
const char *et_graph_op(struct et_graph *x, const struct et_node *node, const char *op,
			const char *part, const char *const *in, size_t n_in);
/* The same with one input. */
const char *et_graph_op1(struct et_graph *x, const struct et_node *node, const char *op,
			 const char *part, const char *in);
/* A constant within a layer; returns its name. */
const char *et_graph_constant(struct et_graph *x, const struct et_node *node, const char *part,
			      enum et_dtype dtype, int rank, const int64_t *shape,
			      const void *values);
/* Writes the values behind the id that a form gave to et_onnx_weights(); arg: the et_graph. */
int et_graph_put(void *arg, size_t id, struct et_writer *w);

/* The forms. */
void et_form_conv(struct et_graph *x, const struct et_node *node);
void et_form_linear(struct et_graph *x, const struct et_node *node);
void et_form_norm(struct et_graph *x, const struct et_node *node);
void et_form_relu(struct et_graph *x, const struct et_node *node);
void et_form_relu6(struct et_graph *x, const struct et_node *node);
void et_form_hardswish(struct et_graph *x, const struct et_node *node);
void et_form_sigmoid(struct et_graph *x, const struct et_node *node);
void et_form_nothing(struct et_graph *x, const struct et_node *node);
void et_form_add(struct et_graph *x, const struct et_node *node);
void et_form_mul(struct et_graph *x, const struct et_node *node);
void et_form_concat(struct et_graph *x, const struct et_node *node);
void et_form_flatten(struct et_graph *x, const struct et_node *node);
void et_form_maxpool(struct et_graph *x, const struct et_node *node);
void et_form_avgpool(struct et_graph *x, const struct et_node *node);
void et_form_adaptive(struct et_graph *x, const struct et_node *node);
void et_form_upsample(struct et_graph *x, const struct et_node *node);

#endif

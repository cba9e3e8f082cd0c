/* A net as an ONNX graph: names of values, which batch norm goes where, and the order of it all. */
#include <stdlib.h>
#include <string.h>

#include "net/onnx.h"

/* ---- names ----------------------------------------------------------------------------------- */

const char *et_graph_keep(struct et_graph *x, char *text)
{
	if (text && x->n_texts == x->cap_texts) {
		size_t more = x->cap_texts ? 2 * x->cap_texts : 256;
		char **p = realloc(x->texts, more * sizeof(*p));
		if (p) {
			x->texts = p;
			x->cap_texts = more;
		} else {
			free(text);
			text = NULL;
		}
	}
	if (!text) {
		x->no_memory = true;
		return "";
	}
	x->texts[x->n_texts++] = text;
	return text;
}

const char *et_graph_name(struct et_graph *x, const struct et_node *node, const char *part)
{
	return et_graph_keep(x, et_asprintf("/%s/%s", node->name, part));
}

const char *et_graph_op(struct et_graph *x, const struct et_node *node, const char *op,
			const char *part, const char *const *in, size_t n_in)
{
	bool last = !part && x->result && x->same[x->net->n] == node->index + 1;
	const char *out = last	 ? x->result
			  : part ? et_graph_name(x, node, part)
				 : et_graph_keep(x, et_asprintf("/%s", node->name));
	struct et_graph_value *v = &x->value[node->index + 1];

	et_onnx_node(x->m, op, part ? out + (*out != 0) : node->name, in, n_in, out);
	if (!part)
		*(x->is_flat[node->index + 1] ? &v->flat : &v->full) = out;
	return out;
}

const char *et_graph_op1(struct et_graph *x, const struct et_node *node, const char *op,
			 const char *part, const char *in)
{
	return et_graph_op(x, node, op, part, &in, 1);
}

const char *et_graph_constant(struct et_graph *x, const struct et_node *node, const char *part,
			      enum et_dtype dtype, int rank, const int64_t *shape,
			      const void *values)
{
	const char *name = et_graph_name(x, node, part);
	et_onnx_constant(x->m, name, dtype, rank, shape, values);
	return name;
}

/* ---- both forms of a 1x1 picture ------------------------------------------------------------- */

static const char *flat_name(struct et_graph *x, int tensor)
{
	struct et_graph_value *v = &x->value[x->same[tensor]];

	if (!v->flat) {
		v->flat = et_graph_keep(x, et_asprintf("%s/flat", v->full));
		et_onnx_node(x->m, "Flatten", v->flat, &v->full, 1, v->flat);
		et_onnx_int(x->m, "axis", 1);
	}
	return v->flat;
}

static const char *full_name(struct et_graph *x, int tensor)
{
	struct et_graph_value *v = &x->value[x->same[tensor]];

	if (!v->full) {
		const char *shape = et_graph_keep(x, et_asprintf("%s/shape", v->flat));
		const int64_t four = 4, sides[] = {0, -1, 1, 1}; /* 0: as it is */
		v->full = et_graph_keep(x, et_asprintf("%s/full", v->flat));
		et_onnx_constant(x->m, shape, ET_I64, 1, &four, sides);
		et_onnx_node(x->m, "Reshape", v->full, (const char *[]){v->flat, shape}, 2,
			     v->full);
	}
	return v->full;
}

const char *et_graph_flat(struct et_graph *x, const struct et_node *node, int i)
{
	return flat_name(x, node->in[i]);
}

const char *et_graph_full(struct et_graph *x, const struct et_node *node, int i)
{
	return full_name(x, node->in[i]);
}

const char *et_graph_in(struct et_graph *x, const struct et_node *node, int i)
{
	return x->is_flat[node->index + 1] ? et_graph_flat(x, node, i) : et_graph_full(x, node, i);
}

/* ---- the plan of the graph ------------------------------------------------------------------- */

/* Linear layers and flatten make vectors, windows make pictures, the others what they are given. */
static bool makes_flat(const struct et_graph *x, const struct et_node *node)
{
	const struct et_type *t = node->type;

	if (t == &et_type_linear || t == &et_type_flatten)
		return true;
	if (t == &et_type_conv2d || t == &et_type_maxpool2d || t == &et_type_avgpool2d ||
	    t == &et_type_global_avgpool2d || t == &et_type_adaptive_avgpool2d ||
	    t == &et_type_upsample2d)
		return false;
	for (int i = 0; i < node->n_in; i++)
		if (!x->is_flat[node->in[i]])
			return false;
	return true;
}

static int readers(const struct et_net *net, int tensor)
{
	int n = 0;

	for (int i = 0; i < net->n; i++)
		for (int j = 0; j < net->nodes[i].n_in; j++)
			n += net->nodes[i].in[j] == tensor;
	return n;
}

/* Batch norm goes into the layer with weights before it where nothing else wants what that makes.
 */
static bool goes_into_maker(const struct et_graph *x, const struct et_node *node)
{
	int maker = node->in[0] - 1;

	return x->form->fold && node->type == &et_type_batchnorm2d && maker >= 0 &&
	       x->net->nodes[maker].layer.name && readers(x->net, node->in[0]) == 1;
}

static void plan(struct et_graph *x)
{
	const struct et_net *net = x->net;

	for (int i = 0; i < net->n; i++) {
		const struct et_node *node = &net->nodes[i];
		bool folds = goes_into_maker(x, node);
		bool passes = node->type == &et_type_dropout ||
			      (node->type == &et_type_flatten && x->is_flat[node->in[0]]);
		x->norm[i] = -1;
		x->is_flat[i + 1] = makes_flat(x, node);
		x->same[i + 1] = folds || passes ? x->same[node->in[0]] : i + 1;
		if (folds)
			x->norm[node->in[0] - 1] = i;
	}
}

/* ---- input and output ------------------------------------------------------------------------ */

/* (x / 255 - mean) / std as one product and one sum. */
static const char *normalise(struct et_graph *x, const char *pixels)
{
	const int64_t shape[] = {x->net->input.c, 1, 1};
	float scale[3], shift[3];

	for (int c = 0; c < x->net->input.c; c++) {
		double std = (double)x->form->std[c];
		scale[c] = (float)(1 / (255 * std));
		shift[c] = (float)(-(double)x->form->mean[c] / std);
	}
	et_onnx_constant(x->m, "/input/scale", ET_F32, 3, shape, scale);
	et_onnx_constant(x->m, "/input/shift", ET_F32, 3, shape, shift);
	et_onnx_node(x->m, "Mul", "input/scaled", (const char *[]){pixels, "/input/scale"}, 2,
		     "/input/scaled");
	et_onnx_node(x->m, "Add", "input/normalised",
		     (const char *[]){"/input/scaled", "/input/shift"}, 2, "/input/normalised");
	return "/input/normalised";
}

static void add_input(struct et_graph *x)
{
	struct et_shape s = x->net->input;
	const int64_t shape[] = {-1, s.c, s.h, s.w};

	et_onnx_input(x->m, "input", 4, shape);
	x->value[0].full = x->form->mean ? normalise(x, "input") : "input";
}

static bool is_vector(const struct et_graph *x)
{
	const struct et_node *last = &x->net->nodes[x->net->n - 1];
	return last->out.h == 1 && last->out.w == 1;
}

/* Logits of one vector an image are [N,classes], whatever their layer made. */
static void add_output(struct et_graph *x)
{
	const struct et_node *last = &x->net->nodes[x->net->n - 1];
	bool vector = is_vector(x);
	const int64_t shape[] = {-1, last->out.c, last->out.h, last->out.w};
	const char *name = x->form->softmax ? "probabilities" : "logits";

	if (!x->result) {
		const char *end = vector ? flat_name(x, x->net->n) : full_name(x, x->net->n);
		et_onnx_node(x->m, x->form->softmax ? "Softmax" : "Identity", name, &end, 1, name);
		if (x->form->softmax)
			et_onnx_int(x->m, "axis", 1);
	}
	et_onnx_output(x->m, name, vector ? 2 : 4, shape);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int write_graph(struct et_graph *x, struct et_writer *w, const char *const *meta,
		       size_t n_meta, struct et_err *err)
{
	plan(x);
	/* A layer's own node makes the output if that has the form which is wanted. */
	if (!x->form->softmax && x->same[x->net->n] && x->is_flat[x->net->n] == is_vector(x))
		x->result = "logits";
	add_input(x);
	for (int i = 0; i < x->net->n; i++)
		x->net->nodes[i].type->onnx(x, &x->net->nodes[i]);
	add_output(x);
	for (size_t i = 0; i < n_meta; i++)
		et_onnx_meta(x->m, meta[2 * i], meta[2 * i + 1]);
	if (x->no_memory)
		return et_fail(err, ET_ENOMEM, "out of memory");
	int status = et_onnx_write(x->m, w, x->form->version, et_graph_put, x, err);
	if (x->lost)
		return et_fail(err, ET_EDATA,
			       "%s has a value that is not finite: the network cannot be used",
			       x->lost);
	return status;
}

int et_net_write_onnx(const struct et_net *net, struct et_writer *w,
		      const struct et_onnx_form *form, const char *const *meta, size_t n_meta,
		      struct et_err *err)
{
	size_t n = (size_t)net->n, largest = 1;

	for (int i = 0; i < net->n_params; i++)
		largest = et_max(largest, net->params[i].count);
	for (int i = 0; i < net->n; i++)
		largest = et_max(largest, (size_t)net->nodes[i].out.c);
	struct et_graph x = {.net = net,
			     .form = form,
			     .m = et_onnx_new(form->name),
			     .value = et_calloc(n + 1, sizeof(*x.value)),
			     .same = et_calloc(n + 1, sizeof(*x.same)),
			     .is_flat = et_calloc(n + 1, sizeof(*x.is_flat)),
			     .norm = et_calloc(n, sizeof(*x.norm)),
			     .buf = et_calloc(largest, sizeof(*x.buf))};
	int status = x.m && x.value && x.same && x.is_flat && x.norm && x.buf
			     ? write_graph(&x, w, meta, n_meta, err)
			     : et_fail(err, ET_ENOMEM, "out of memory");
	for (size_t i = 0; i < x.n_texts; i++)
		free(x.texts[i]);
	free(x.texts);
	free(x.value);
	free(x.same);
	free(x.is_flat);
	free(x.norm);
	free(x.buf);
	et_onnx_free(x.m);
	return status;
}

/*
 * ONNX files: protobuf by hand, in the order of the field numbers, as the reference's library
 * serialises them. Messages are made in buffers, whose lengths are known then; the values of
 * weights are the one thing that is only counted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/io.h"
#include "io/scan.h"

#define LENGTH_MAX INT32_MAX /* of a protobuf */

enum wire { WIRE_VARINT = 0, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

/* Field numbers of onnx.proto. */
enum { MODEL_IR = 1, MODEL_PRODUCER, MODEL_VERSION, MODEL_GRAPH = 7, MODEL_OPSET, MODEL_META = 14 };
enum { OPSET_VERSION = 2 };
enum { ENTRY_KEY = 1, ENTRY_VALUE };
enum { GRAPH_NODE = 1, GRAPH_NAME, GRAPH_CONSTANT = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT };
enum { NODE_INPUT = 1, NODE_OUTPUT, NODE_NAME, NODE_OP, NODE_ATTRIBUTE };
enum { ATTR_NAME = 1, ATTR_F, ATTR_I, ATTR_S, ATTR_INTS = 8, ATTR_TYPE = 20 };
enum { TYPE_FLOAT = 1, TYPE_INT = 2, TYPE_STRING = 3, TYPE_INTS = 7 }; /* of attributes */
enum { TENSOR_DIMS = 1, TENSOR_DTYPE, TENSOR_NAME = 8, TENSOR_RAW };
enum { DTYPE_FLOAT = 1, DTYPE_INT64 = 7 };
enum { VALUE_NAME = 1, VALUE_TYPE, TYPE_TENSOR = 1, TENSOR_ELEM = 1, TENSOR_SHAPE, SHAPE_DIM = 1 };
enum { DIM_VALUE = 1, DIM_PARAM };

/* Bytes that grow. */
struct bytes {
	unsigned char *p;
	size_t n, cap;
};

struct weights {
	struct bytes head; /* the message up to its values */
	uint64_t size;	   /* of the values */
	size_t id, name;   /* index among names */
};

struct et_onnx {
	struct bytes nodes, constants, inputs, outputs, meta; /* fields of graph and model */
	struct bytes node;				      /* the last one, still open */
	bool open;
	struct bytes part, inner, core; /* scratch, from the outer message to the inner */
	struct weights *weights;
	size_t n_weights, cap_weights;
	char **names; /* of values, to find two of one name */
	size_t n_names, cap_names;
	char *graph;
	bool no_memory;
	char bad_text[100]; /* that is not UTF-8 */
};

/* ---- protobuf -------------------------------------------------------------------------------- */

static bool grow(struct et_onnx *m, void **array, size_t need, size_t *cap, size_t size)
{
	if (need <= *cap)
		return true;
	size_t more = et_max(need, *cap ? 2 * *cap : 64), bytes;
	void *p = et_mul(more, size, &bytes) ? realloc(*array, bytes) : NULL;
	if (!p) {
		m->no_memory = true;
		return false;
	}
	*array = p;
	*cap = more;
	return true;
}

static void put(struct et_onnx *m, struct bytes *b, const void *data, size_t n)
{
	void *p = b->p;
	if (!n || !grow(m, &p, b->n + n, &b->cap, 1))
		return;
	b->p = p;
	memcpy(b->p + b->n, data, n);
	b->n += n;
}

static size_t varint(uint64_t v, unsigned char out[10])
{
	size_t n = 0;
	for (; v >= 0x80; v >>= 7)
		out[n++] = (unsigned char)(v | 0x80);
	out[n++] = (unsigned char)v;
	return n;
}

static void put_varint(struct et_onnx *m, struct bytes *b, uint64_t v)
{
	unsigned char out[10];
	put(m, b, out, varint(v, out));
}

static void put_tag(struct et_onnx *m, struct bytes *b, int field, enum wire wire)
{
	put_varint(m, b, (uint64_t)field << 3 | wire);
}

static void put_int(struct et_onnx *m, struct bytes *b, int field, int64_t v)
{
	put_tag(m, b, field, WIRE_VARINT);
	put_varint(m, b, (uint64_t)v);
}

static void put_bytes(struct et_onnx *m, struct bytes *b, int field, const void *data, size_t n)
{
	put_tag(m, b, field, WIRE_BYTES);
	put_varint(m, b, n);
	put(m, b, data, n);
}

static void put_message(struct et_onnx *m, struct bytes *b, int field, const struct bytes *message)
{
	put_bytes(m, b, field, message->p, message->n);
}

static void put_text(struct et_onnx *m, struct bytes *b, int field, const char *s)
{
	size_t n = strlen(s);
	uint32_t cp;
	for (size_t i = 0, len; i < n; i += len) {
		len = et_utf8_next(s + i, n - i, &cp);
		if (len)
			continue;
		et_scan_shown(s, m->bad_text);
		break;
	}
	put_bytes(m, b, field, s, n);
}

/* ---- the graph ------------------------------------------------------------------------------- */

struct et_onnx *et_onnx_new(const char *name)
{
	struct et_onnx *m = et_calloc(1, sizeof(*m));
	if (m && !(m->graph = et_strdup(name))) {
		free(m);
		m = NULL;
	}
	return m;
}

void et_onnx_free(struct et_onnx *m)
{
	if (!m)
		return;
	struct bytes *const all[] = {&m->nodes, &m->constants, &m->inputs, &m->outputs, &m->meta,
				     &m->node,	&m->part,      &m->inner,  &m->core};
	for (size_t i = 0; i < ET_COUNT(all); i++)
		free(all[i]->p);
	for (size_t i = 0; i < m->n_weights; i++)
		free(m->weights[i].head.p);
	for (size_t i = 0; i < m->n_names; i++)
		free(m->names[i]);
	free(m->weights);
	free(m->names);
	free(m->graph);
	free(m);
}

static void add_name(struct et_onnx *m, const char *name)
{
	void *p = m->names;
	if (!grow(m, &p, m->n_names + 1, &m->cap_names, sizeof(*m->names)))
		return;
	m->names = p;
	m->names[m->n_names] = et_strdup(name);
	if (m->names[m->n_names])
		m->n_names++;
	else
		m->no_memory = true;
}

/* A ValueInfoProto. */
static void add_value(struct et_onnx *m, struct bytes *to, int field, const char *name, int rank,
		      const int64_t *shape)
{
	m->core.n = m->inner.n = m->part.n = 0;
	for (int i = 0; i < rank; i++) {
		m->inner.n = 0;
		if (shape[i] < 0)
			put_text(m, &m->inner, DIM_PARAM, "N");
		else
			put_int(m, &m->inner, DIM_VALUE, shape[i]);
		put_message(m, &m->core, SHAPE_DIM, &m->inner);
	}
	m->inner.n = 0;
	put_int(m, &m->inner, TENSOR_ELEM, DTYPE_FLOAT);
	put_message(m, &m->inner, TENSOR_SHAPE, &m->core);
	m->core.n = 0;
	put_message(m, &m->core, TYPE_TENSOR, &m->inner);
	put_text(m, &m->part, VALUE_NAME, name);
	put_message(m, &m->part, VALUE_TYPE, &m->core);
	put_message(m, to, field, &m->part);
}

void et_onnx_input(struct et_onnx *m, const char *name, int rank, const int64_t *shape)
{
	add_value(m, &m->inputs, GRAPH_INPUT, name, rank, shape);
	add_name(m, name);
}

void et_onnx_output(struct et_onnx *m, const char *name, int rank, const int64_t *shape)
{
	add_value(m, &m->outputs, GRAPH_OUTPUT, name, rank, shape);
}

static void close_node(struct et_onnx *m)
{
	if (m->open)
		put_message(m, &m->nodes, GRAPH_NODE, &m->node);
	m->open = false;
	m->node.n = 0;
}

void et_onnx_node(struct et_onnx *m, const char *op, const char *name, const char *const *in,
		  size_t n_in, const char *out)
{
	close_node(m);
	for (size_t i = 0; i < n_in; i++)
		put_text(m, &m->node, NODE_INPUT, in[i]);
	put_text(m, &m->node, NODE_OUTPUT, out);
	put_text(m, &m->node, NODE_NAME, name);
	put_text(m, &m->node, NODE_OP, op);
	m->open = true;
	add_name(m, out);
}

static void begin_attribute(struct et_onnx *m, const char *name)
{
	m->part.n = 0;
	put_text(m, &m->part, ATTR_NAME, name);
}

static void end_attribute(struct et_onnx *m, int type)
{
	put_int(m, &m->part, ATTR_TYPE, type);
	put_message(m, &m->node, NODE_ATTRIBUTE, &m->part);
}

void et_onnx_int(struct et_onnx *m, const char *name, int64_t v)
{
	begin_attribute(m, name);
	put_int(m, &m->part, ATTR_I, v);
	end_attribute(m, TYPE_INT);
}

void et_onnx_ints(struct et_onnx *m, const char *name, const int64_t *v, size_t n)
{
	begin_attribute(m, name);
	for (size_t i = 0; i < n; i++)
		put_int(m, &m->part, ATTR_INTS, v[i]);
	end_attribute(m, TYPE_INTS);
}

void et_onnx_float(struct et_onnx *m, const char *name, float v)
{
	uint32_t bits;
	unsigned char out[4];

	memcpy(&bits, &v, sizeof(bits));
	for (int i = 0; i < 4; i++)
		out[i] = (unsigned char)(bits >> (8 * i));
	begin_attribute(m, name);
	put_tag(m, &m->part, ATTR_F, WIRE_FIXED32);
	put(m, &m->part, out, sizeof(out));
	end_attribute(m, TYPE_FLOAT);
}

void et_onnx_text(struct et_onnx *m, const char *name, const char *v)
{
	begin_attribute(m, name);
	put_text(m, &m->part, ATTR_S, v);
	end_attribute(m, TYPE_STRING);
}

/* A TensorProto up to its values; returns their bytes. */
static uint64_t tensor_head(struct et_onnx *m, struct bytes *to, const char *name, int dtype,
			    size_t size, int rank, const int64_t *shape)
{
	const uint64_t most = UINT64_C(1) << 40; /* far beyond what a file may have */
	uint64_t bytes = size;
	for (int i = 0; i < rank; i++) {
		put_int(m, to, TENSOR_DIMS, shape[i]);
		if (__builtin_mul_overflow(bytes, (uint64_t)shape[i], &bytes) || bytes > most)
			bytes = most;
	}
	put_int(m, to, TENSOR_DTYPE, dtype);
	put_text(m, to, TENSOR_NAME, name);
	put_tag(m, to, TENSOR_RAW, WIRE_BYTES);
	put_varint(m, to, bytes);
	add_name(m, name);
	return bytes;
}

void et_onnx_constant(struct et_onnx *m, const char *name, enum et_dtype dtype, int rank,
		      const int64_t *shape, const void *values)
{
	bool wide = dtype == ET_I64;
	m->part.n = 0;
	uint64_t bytes = tensor_head(m, &m->part, name, wide ? DTYPE_INT64 : DTYPE_FLOAT,
				     wide ? sizeof(int64_t) : sizeof(float), rank, shape);
	put(m, &m->part, values, (size_t)bytes);
	put_message(m, &m->constants, GRAPH_CONSTANT, &m->part);
}

void et_onnx_weights(struct et_onnx *m, const char *name, int rank, const int64_t *shape, size_t id)
{
	void *p = m->weights;
	if (!grow(m, &p, m->n_weights + 1, &m->cap_weights, sizeof(*m->weights)))
		return;
	m->weights = p;
	struct weights *t = &m->weights[m->n_weights++];
	*t = (struct weights){.id = id, .name = m->n_names};
	t->size = tensor_head(m, &t->head, name, DTYPE_FLOAT, sizeof(float), rank, shape);
}

void et_onnx_meta(struct et_onnx *m, const char *key, const char *value)
{
	m->part.n = 0;
	put_text(m, &m->part, ENTRY_KEY, key);
	put_text(m, &m->part, ENTRY_VALUE, value);
	put_message(m, &m->meta, MODEL_META, &m->part);
}

/* ---- the file -------------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;
	return strcmp(*x, *y);
}

static int check_names(const struct et_onnx *m, struct et_err *err)
{
	char shown[100];
	char **sorted = et_calloc(m->n_names + 1, sizeof(*sorted));
	if (!sorted)
		return et_fail(err, ET_ENOMEM, "out of memory writing ONNX");
	memcpy(sorted, m->names, m->n_names * sizeof(*sorted));
	qsort(sorted, m->n_names, sizeof(*sorted), by_text);
	int rc = ET_OK;
	for (size_t i = 1; i < m->n_names && !rc; i++)
		if (strcmp(sorted[i - 1], sorted[i]) == 0)
			rc = et_fail(err, ET_EDATA,
				     "two values of the ONNX graph would be named \"%s\"",
				     et_scan_shown(sorted[i], shown));
	free(sorted);
	return rc;
}

/* Bytes of a field of that many bytes. */
static uint64_t field_length(uint64_t n)
{
	unsigned char ignored[10];
	return 1 + varint(n, ignored) + n; /* all numbers of fields that nest are below 16 */
}

static uint64_t weights_length(const struct weights *t)
{
	return t->head.n + t->size;
}

static int put_weights(const struct et_onnx *m, const struct weights *t, struct et_writer *w,
		       int (*values)(void *arg, size_t id, struct et_writer *w), void *arg,
		       struct et_err *err)
{
	unsigned char length[10], tag = GRAPH_CONSTANT << 3 | WIRE_BYTES;
	char shown[100];

	et_writer_put(w, &tag, 1);
	et_writer_put(w, length, varint(weights_length(t), length));
	et_writer_put(w, t->head.p, t->head.n);
	uint64_t before = w->bytes;
	ET_TRY(values(arg, t->id, w));
	if (w->bytes - before != t->size)
		return et_fail(err, ET_EINTERNAL,
			       "tensor \"%s\": expected %ju bytes to be written, found %ju",
			       et_scan_shown(m->names[t->name], shown), (uintmax_t)t->size,
			       (uintmax_t)(w->bytes - before));
	return ET_OK;
}

int et_onnx_write(struct et_onnx *m, struct et_writer *w, const char *version,
		  int (*values)(void *arg, size_t id, struct et_writer *w), void *arg,
		  struct et_err *err)
{
	struct bytes *head = &m->part, *tail = &m->inner, *name = &m->core;
	char text[32];

	close_node(m);
	head->n = tail->n = name->n = 0;
	put_text(m, name, GRAPH_NAME, m->graph);
	uint64_t graph = m->nodes.n + name->n + m->constants.n + m->inputs.n + m->outputs.n;
	for (size_t i = 0; i < m->n_weights; i++)
		graph += field_length(weights_length(&m->weights[i]));
	put_int(m, head, MODEL_IR, ET_ONNX_IR);
	put_text(m, head, MODEL_PRODUCER, "edgetrain");
	put_text(m, head, MODEL_VERSION, version);
	put_tag(m, head, MODEL_GRAPH, WIRE_BYTES);
	put_varint(m, head, graph);
	put_tag(m, tail, MODEL_OPSET, WIRE_BYTES);
	put_varint(m, tail, 2); /* of the one field that follows */
	put_int(m, tail, OPSET_VERSION, ET_ONNX_OPSET);
	put(m, tail, m->meta.p, m->meta.n);
	if (m->no_memory)
		return et_fail(err, ET_ENOMEM, "out of memory writing ONNX");
	if (*m->bad_text)
		return et_fail(err, ET_EDATA, "\"%s\" is not UTF-8 and cannot be stored in ONNX",
			       m->bad_text);
	ET_TRY(check_names(m, err));
	if (head->n + graph + tail->n > LENGTH_MAX)
		return et_fail(err, ET_EDATA,
			       "the network would make an ONNX file of %s; a protobuf has at most "
			       "2 GB",
			       et_human_bytes(head->n + graph + tail->n, text));
	et_writer_put(w, head->p, head->n);
	et_writer_put(w, m->nodes.p, m->nodes.n);
	et_writer_put(w, name->p, name->n);
	et_writer_put(w, m->constants.p, m->constants.n);
	/* After a failed write there is no point in going on: the caller's commit reports it. */
	for (size_t i = 0; i < m->n_weights && !w->failed; i++)
		ET_TRY(put_weights(m, &m->weights[i], w, values, arg, err));
	et_writer_put(w, m->inputs.p, m->inputs.n);
	et_writer_put(w, m->outputs.p, m->outputs.n);
	et_writer_put(w, tail->p, tail->n);
	return ET_OK;
}

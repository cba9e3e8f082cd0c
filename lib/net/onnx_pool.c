/* ONNX: pooling and resizing, in forms of which all runtimes make the same. */
#include <math.h>
#include <stdlib.h>

#include "net/onnx.h"

/* ---- windows --------------------------------------------------------------------------------- */

/*
 * Padding behind a side. Where ceil_mode adds a window, it is padded so far that the window fits:
 * runtimes disagree about ONNX's own ceil_mode.
 */
static int pad_after(int in, int out, int kernel, int stride, int pad)
{
	int need = (out - 1) * stride + kernel - in - pad;
	return need > pad ? need : pad;
}

static void window(struct et_graph *x, const struct et_pool *g, int below, int right)
{
	et_onnx_ints(x->m, "kernel_shape", (int64_t[]){g->kh, g->kw}, 2);
	et_onnx_ints(x->m, "pads", (int64_t[]){g->ph, g->pw, below, right}, 4);
	et_onnx_ints(x->m, "strides", (int64_t[]){g->sh, g->sw}, 2);
}

void et_form_maxpool(struct et_graph *x, const struct et_node *node)
{
	const struct et_pool *g = &node->u.pool;

	et_graph_op1(x, node, "MaxPool", NULL, et_graph_full(x, node, 0));
	window(x, g, pad_after(g->h, g->p, g->kh, g->sh, g->ph),
	       pad_after(g->w, g->q, g->kw, g->sw, g->pw));
}

/* A sum over whole windows with zeros around: a convolution of every channel by itself. */
static void average_by_weights(struct et_graph *x, const struct et_node *node, const char *in)
{
	const struct et_pool *g = &node->u.pool;
	const int64_t shape[] = {g->c, 1, g->kh, g->kw};
	size_t n = (size_t)g->c * (size_t)(g->kh * g->kw);
	float *w = et_calloc(n, sizeof(*w));

	if (!w) {
		x->no_memory = true;
		return;
	}
	for (size_t i = 0; i < n; i++)
		w[i] = 1 / (float)(g->kh * g->kw);
	const char *name = et_graph_constant(x, node, "weight", ET_F32, 4, shape, w);
	free(w);
	et_graph_op(x, node, "Conv", NULL, (const char *[]){in, name}, 2);
	et_onnx_int(x->m, "group", g->c);
	window(x, g, g->ph, g->pw);
}

/* ---- maps of rows and columns ---------------------------------------------------------------- */

/*
 * y = A x B^T of every channel, with a [p,h] and b [q,w]: whatever acts on rows and columns
 * separately, by means that every runtime has. Two products with a constant on the right.
 */
static void map_sides(struct et_graph *x, const struct et_node *node, const float *a,
		      const float *b)
{
	struct et_shape s = et_in_shape(x->net, node, 0), o = node->out;
	size_t rows = (size_t)s.h * (size_t)o.h, cols = (size_t)s.w * (size_t)o.w;
	float *turned = et_calloc(et_max(rows, cols), sizeof(*turned));
	const int64_t swap[] = {0, 1, 3, 2};
	const char *in = et_graph_full(x, node, 0);

	if (!turned) {
		x->no_memory = true;
		return;
	}
	for (int i = 0; i < o.w; i++)
		for (int j = 0; j < s.w; j++)
			turned[j * o.w + i] = b[i * s.w + j];
	const char *right =
		et_graph_constant(x, node, "columns", ET_F32, 2, (int64_t[]){s.w, o.w}, turned);
	for (int i = 0; i < o.h; i++)
		for (int j = 0; j < s.h; j++)
			turned[j * o.h + i] = a[i * s.h + j];
	const char *down =
		et_graph_constant(x, node, "rows", ET_F32, 2, (int64_t[]){s.h, o.h}, turned);
	free(turned);
	const char *wide = et_graph_op(x, node, "MatMul", "wide", (const char *[]){in, right}, 2);
	const char *tall = et_graph_op1(x, node, "Transpose", "tall", wide);
	et_onnx_ints(x->m, "perm", swap, 4);
	const char *both = et_graph_op(x, node, "MatMul", "both", (const char *[]){tall, down}, 2);
	et_graph_op1(x, node, "Transpose", NULL, both);
	et_onnx_ints(x->m, "perm", swap, 4);
}

/* Fills a matrix [out,in] of means: output o is that of inputs floor(o*in/out) to
 * ceil((o+1)*in/out).
 */
static void mean_rows(int out, int in, float *a)
{
	for (int o = 0; o < out; o++) {
		int begin = (int)((int64_t)o * in / out);
		int end = (int)(((int64_t)(o + 1) * in + out - 1) / out);
		for (int i = begin; i < end; i++)
			a[o * in + i] = 1 / (float)(end - begin);
	}
}

/* PyTorch's mean over a window with its padding, but not over what ceil_mode adds behind that. */
static void window_rows(int out, int in, int kernel, int stride, int pad, float *a)
{
	for (int o = 0; o < out; o++) {
		int begin = o * stride - pad, end = begin + kernel;
		float part = 1 / (float)((end < in + pad ? end : in + pad) - begin);
		for (int i = begin > 0 ? begin : 0; i < end && i < in; i++)
			a[o * in + i] = part;
	}
}

static void nearest_rows(int out, int in, float *a)
{
	float scale = (float)in / (float)out;

	for (int o = 0; o < out; o++) {
		int i = in == out ? o : (int)floorf((float)o * scale);
		a[o * in + (i < in ? i : in - 1)] = 1;
	}
}

/* The two matrices of a node, to be filled; false when there is no memory. */
static bool open_sides(struct et_graph *x, const struct et_node *node, float **a, float **b)
{
	struct et_shape s = et_in_shape(x->net, node, 0), o = node->out;

	*a = et_calloc((size_t)o.h * (size_t)s.h, sizeof(**a));
	*b = et_calloc((size_t)o.w * (size_t)s.w, sizeof(**b));
	x->no_memory |= !*a || !*b;
	return *a && *b;
}

static void map_by(struct et_graph *x, const struct et_node *node,
		   void (*fill)(int out, int in, float *a))
{
	struct et_shape s = et_in_shape(x->net, node, 0), o = node->out;
	float *a, *b;

	if (open_sides(x, node, &a, &b)) {
		fill(o.h, s.h, a);
		fill(o.w, s.w, b);
		map_sides(x, node, a, b);
	}
	free(a);
	free(b);
}

static void map_windows(struct et_graph *x, const struct et_node *node)
{
	const struct et_pool *g = &node->u.pool;
	float *a, *b;

	if (open_sides(x, node, &a, &b)) {
		window_rows(g->p, g->h, g->kh, g->sh, g->ph, a);
		window_rows(g->q, g->w, g->kw, g->sw, g->pw, b);
		map_sides(x, node, a, b);
	}
	free(a);
	free(b);
}

/*
 * OpenCV counts no padding, whatever count_include_pad says, so that AveragePool is only for
 * windows which count none.
 */
void et_form_avgpool(struct et_graph *x, const struct et_node *node)
{
	const struct et_pool *g = &node->u.pool;
	int below = pad_after(g->h, g->p, g->kh, g->sh, g->ph);
	int right = pad_after(g->w, g->q, g->kw, g->sw, g->pw);
	bool more = below > g->ph || right > g->pw, padded = g->ph || g->pw;
	const char *in = et_graph_full(x, node, 0);

	if (g->include_pad && padded && more) {
		map_windows(x, node);
	} else if (g->include_pad && padded) {
		average_by_weights(x, node, in);
	} else {
		et_graph_op1(x, node, "AveragePool", NULL, in);
		window(x, g, below, right);
	}
}

/* ONNX has no adaptive pooling. */
void et_form_adaptive(struct et_graph *x, const struct et_node *node)
{
	struct et_shape s = et_in_shape(x->net, node, 0), o = node->out;

	if (o.h == 1 && o.w == 1) {
		et_graph_op1(x, node, "GlobalAveragePool", NULL, et_graph_full(x, node, 0));
	} else if (s.h % o.h == 0 && s.w % o.w == 0) {
		const int64_t side[] = {s.h / o.h, s.w / o.w};
		et_graph_op1(x, node, "AveragePool", NULL, et_graph_full(x, node, 0));
		et_onnx_ints(x->m, "kernel_shape", side, 2);
		et_onnx_ints(x->m, "strides", side, 2);
	} else {
		map_by(x, node, mean_rows);
	}
}

/* ---- resizing -------------------------------------------------------------------------------- */

/*
 * A factor of which all runtimes make `out` from `in`: they round down. Sizes themselves would need
 * the number of images.
 */
static float factor_of(int in, int out)
{
	float f = (float)out / (float)in;
	while (floorf(f * (float)in) < (float)out || floor((double)f * in) < out)
		f = nextafterf(f, INFINITY);
	return f;
}

/* Does o / factor, rounded down, give the pixels that are taken here? */
static bool nearest_exact(int in, int out, float factor)
{
	float scale = (float)in / (float)out;

	for (int o = 0; o < out; o++) {
		int here = in == out ? o : (int)floorf((float)o * scale);
		here = here < in ? here : in - 1;
		if ((int)floorf((float)o / factor) != here ||
		    (int)floorf((float)o * (1 / factor)) != here ||
		    (int)floor(o / (double)factor) != here)
			return false;
	}
	return true;
}

void et_form_upsample(struct et_graph *x, const struct et_node *node)
{
	struct et_shape s = et_in_shape(x->net, node, 0), o = node->out;
	const float factor[] = {1, 1, factor_of(s.h, o.h), factor_of(s.w, o.w)};
	bool nearest = node->u.up.mode == ET_UPSAMPLE_NEAREST;
	const int64_t four = 4;

	if (nearest &&
	    !(nearest_exact(s.h, o.h, factor[2]) && nearest_exact(s.w, o.w, factor[3]))) {
		map_by(x, node, nearest_rows);
		return;
	}
	const char *in[] = {et_graph_full(x, node, 0), "",
			    et_graph_constant(x, node, "scales", ET_F32, 1, &four, factor)};
	et_graph_op(x, node, "Resize", NULL, in, 3);
	et_onnx_text(x->m, "coordinate_transformation_mode", nearest ? "asymmetric" : "half_pixel");
	et_onnx_text(x->m, "mode", nearest ? "nearest" : "linear");
	if (nearest)
		et_onnx_text(x->m, "nearest_mode", "floor");
}

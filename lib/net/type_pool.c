/* Pooling and resizing. */
#include <math.h>
#include <string.h>

#include "net/onnx.h"
#include "net/spec.h"

static const char *const max_keys[] = {"kernel_size", "stride", "padding", "ceil_mode", NULL};
static const char *const avg_keys[] = {"kernel_size",	    "stride", "padding", "ceil_mode",
				       "count_include_pad", NULL};

static int pool_parse(const struct et_spec_builder *b, const struct cJSON *o, const char *where,
		      union et_attr *u, struct et_err *err)
{
	(void)b;
	int kernel[2], stride[2], padding[2] = {0, 0};
	struct et_pool *g = &u->pool;

	int found = et_json_pair(o, where, "kernel_size", 1, 255, kernel, err);
	ET_TRY(found);
	if (!found)
		return et_fail(err, ET_EDATA, "%s: kernel_size is missing", where);
	stride[0] = kernel[0];
	stride[1] = kernel[1];
	ET_TRY(et_json_pair(o, where, "stride", 1, 255, stride, err));
	ET_TRY(et_json_pair(o, where, "padding", 0, 127, padding, err));
	*g = (struct et_pool){.kh = kernel[0],
			      .kw = kernel[1],
			      .sh = stride[0],
			      .sw = stride[1],
			      .ph = padding[0],
			      .pw = padding[1],
			      .include_pad = true};
	ET_TRY(et_json_bool(o, where, "ceil_mode", &g->ceil_mode, err));
	return ET_OK;
}

static int avg_parse(const struct et_spec_builder *b, const struct cJSON *o, const char *where,
		     union et_attr *u, struct et_err *err)
{
	ET_TRY(pool_parse(b, o, where, u, err));
	ET_TRY(et_json_bool(o, where, "count_include_pad", &u->pool.include_pad, err));
	return ET_OK;
}

static int pool_shape(union et_attr *u, const struct et_shape *in, int n_in, struct et_shape *out,
		      struct et_err *err)
{
	(void)n_in;
	u->pool.h = in[0].h;
	u->pool.w = in[0].w;
	u->pool.c = in[0].c;
	ET_TRY(et_pool_shape(&u->pool, err));
	*out = (struct et_shape){u->pool.p, u->pool.q, in[0].c};
	return ET_OK;
}

static size_t max_saved(const struct et_net *net, const struct et_node *node, int n)
{
	(void)net;
	return (size_t)n * et_shape_count(node->out);
}

static void max_forward(struct et_exec *x, struct et_node *node)
{
	et_maxpool_forward(&x->net->ctx, &node->u.pool, x->n, et_in(x, node, 0), et_out(x, node),
			   et_saved(x, node));
}

static void max_backward(struct et_exec *x, struct et_node *node)
{
	float *dx = et_dx_begin(x, node, 0);
	et_maxpool_backward(&x->net->ctx, &node->u.pool, x->n, et_dy(x, node), et_saved(x, node),
			    dx);
	et_dx_end(x, node, 0);
}

static void avg_forward(struct et_exec *x, struct et_node *node)
{
	et_avgpool_forward(&x->net->ctx, &node->u.pool, x->n, et_in(x, node, 0), et_out(x, node));
}

static void avg_backward(struct et_exec *x, struct et_node *node)
{
	float *dx = et_dx_begin(x, node, 0);
	et_avgpool_backward(&x->net->ctx, &node->u.pool, x->n, et_dy(x, node), dx);
	et_dx_end(x, node, 0);
}

static const char *const adaptive_keys[] = {"output_size", NULL};

static int adaptive_parse(const struct et_spec_builder *b, const struct cJSON *o, const char *where,
			  union et_attr *u, struct et_err *err)
{
	(void)b;
	int size[2] = {1, 1};
	int found = et_json_pair(o, where, "output_size", 1, 8192, size, err);
	ET_TRY(found);
	if (!found)
		return et_fail(err, ET_EDATA, "%s: output_size is missing", where);
	u->adaptive.p = size[0];
	u->adaptive.q = size[1];
	return ET_OK;
}

static int global_parse(const struct et_spec_builder *b, const struct cJSON *o, const char *where,
			union et_attr *u, struct et_err *err)
{
	(void)b;
	(void)o;
	(void)where;
	(void)err;
	u->adaptive.p = u->adaptive.q = 1;
	return ET_OK;
}

static int adaptive_shape(union et_attr *u, const struct et_shape *in, int n_in,
			  struct et_shape *out, struct et_err *err)
{
	(void)n_in;
	(void)err;
	*out = (struct et_shape){u->adaptive.p, u->adaptive.q, in[0].c};
	return ET_OK;
}

static void adaptive_forward(struct et_exec *x, struct et_node *node)
{
	struct et_shape in = et_in_shape(x->net, node, 0);
	et_adaptive_forward(&x->net->ctx, x->n, in.h, in.w, in.c, node->out.h, node->out.w,
			    et_in(x, node, 0), et_out(x, node));
}

static void adaptive_backward(struct et_exec *x, struct et_node *node)
{
	struct et_shape in = et_in_shape(x->net, node, 0);
	const struct et_grid *g = et_patches(x->net, node->in[0]);
	float *dx = et_dx_begin(x, node, 0);
	if (g)
		et_patch_fill(&x->net->ctx, g, x->n, in.c, 1 / (float)(in.h * in.w), et_dy(x, node),
			      dx);
	else
		et_adaptive_backward(&x->net->ctx, x->n, in.h, in.w, in.c, node->out.h, node->out.w,
				     et_dy(x, node), dx);
	et_dx_end(x, node, 0);
}

static const char *const up_keys[] = {"size", "scale_factor", "mode", NULL};

static int up_parse(const struct et_spec_builder *b, const struct cJSON *o, const char *where,
		    union et_attr *u, struct et_err *err)
{
	int size[2] = {0, 0};
	const char *mode = "nearest";

	int by_size = et_spec_size(b, o, where, size, err);
	ET_TRY(by_size);
	int by_scale = et_json_num(o, where, "scale_factor", 0.01, 256, &u->up.scale, err);
	ET_TRY(by_scale);
	if (by_size == by_scale)
		return et_fail(err, ET_EDATA, "%s: upsample2d needs one of size and scale_factor",
			       where);
	ET_TRY(et_json_str(o, where, "mode", &mode, err));
	if (strcmp(mode, "nearest") == 0)
		u->up.mode = ET_UPSAMPLE_NEAREST;
	else if (strcmp(mode, "bilinear") == 0)
		u->up.mode = ET_UPSAMPLE_BILINEAR;
	else
		return et_fail(err, ET_EDATA,
			       "%s: mode: expected nearest or bilinear, found '%.100s'", where,
			       mode);
	u->up.p = size[0];
	u->up.q = size[1];
	return ET_OK;
}

static int up_shape(union et_attr *u, const struct et_shape *in, int n_in, struct et_shape *out,
		    struct et_err *err)
{
	(void)n_in;
	(void)err;
	*out = (struct et_shape){u->up.p, u->up.q, in[0].c};
	if (!u->up.p) {
		out->h = (int)floor(in[0].h * u->up.scale);
		out->w = (int)floor(in[0].w * u->up.scale);
	}
	return ET_OK;
}

static void up_forward(struct et_exec *x, struct et_node *node)
{
	struct et_shape in = et_in_shape(x->net, node, 0);
	et_upsample_forward(&x->net->ctx, node->u.up.mode, x->n, in.h, in.w, in.c, node->out.h,
			    node->out.w, et_in(x, node, 0), et_out(x, node));
}

static void up_backward(struct et_exec *x, struct et_node *node)
{
	struct et_shape in = et_in_shape(x->net, node, 0);
	float *dx = et_dx_begin(x, node, 0);
	et_upsample_backward(&x->net->ctx, node->u.up.mode, x->n, in.h, in.w, in.c, node->out.h,
			     node->out.w, et_dy(x, node), dx);
	et_dx_end(x, node, 0);
}

const struct et_type et_type_maxpool2d = {
	.name = "maxpool2d",
	.keys = max_keys,
	.min_in = 1,
	.max_in = 1,
	.parse = pool_parse,
	.shape = pool_shape,
	.saved = max_saved,
	.forward = max_forward,
	.backward = max_backward,
	.onnx = et_form_maxpool,
};

const struct et_type et_type_avgpool2d = {
	.name = "avgpool2d",
	.keys = avg_keys,
	.min_in = 1,
	.max_in = 1,
	.parse = avg_parse,
	.shape = pool_shape,
	.forward = avg_forward,
	.backward = avg_backward,
	.onnx = et_form_avgpool,
};

const struct et_type et_type_global_avgpool2d = {
	.name = "global_avgpool2d",
	.min_in = 1,
	.max_in = 1,
	.parse = global_parse,
	.shape = adaptive_shape,
	.forward = adaptive_forward,
	.backward = adaptive_backward,
	.onnx = et_form_adaptive,
};

const struct et_type et_type_adaptive_avgpool2d = {
	.name = "adaptive_avgpool2d",
	.keys = adaptive_keys,
	.min_in = 1,
	.max_in = 1,
	.parse = adaptive_parse,
	.shape = adaptive_shape,
	.forward = adaptive_forward,
	.backward = adaptive_backward,
	.onnx = et_form_adaptive,
};

const struct et_type et_type_upsample2d = {
	.name = "upsample2d",
	.keys = up_keys,
	.min_in = 1,
	.max_in = 1,
	.parse = up_parse,
	.shape = up_shape,
	.forward = up_forward,
	.backward = up_backward,
	.onnx = et_form_upsample,
};

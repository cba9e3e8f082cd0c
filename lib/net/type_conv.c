/* conv2d and linear: a linear layer is the 1x1 convolution of a 1x1 picture. */
#include <string.h>

#include "net/onnx.h"
#include "net/spec.h"

#define CHANNELS_MAX (1 << 20)
#define KERNEL_MAX   63

static const char *const conv_keys[] = {"out_channels", "min_width_mult", "kernel_size",
					"stride",	"padding",	  "dilation",
					"groups",	"bias",		  NULL};

static int parse_conv(const struct et_spec_builder *b, const struct cJSON *o, const char *where,
		      union et_attr *u, struct et_err *err)
{
	struct et_conv *g = &u->conv.g;
	int64_t out = 0, groups = 1;
	int kernel[2] = {0, 0}, stride[2] = {1, 1}, padding[2] = {0, 0}, dilation[2] = {1, 1};

	int has_out = et_spec_channels(b, o, where, CHANNELS_MAX, &out, err);
	ET_TRY(has_out);
	int has_kernel = et_json_pair(o, where, "kernel_size", 1, KERNEL_MAX, kernel, err);
	ET_TRY(has_kernel);
	if (!has_out || !has_kernel)
		return et_fail(err, ET_EDATA, "%s: %s is missing", where,
			       has_out ? "kernel_size" : "out_channels");
	ET_TRY(et_json_pair(o, where, "stride", 1, 64, stride, err));
	ET_TRY(et_json_pair(o, where, "padding", 0, 256, padding, err));
	ET_TRY(et_json_pair(o, where, "dilation", 1, 64, dilation, err));
	ET_TRY(et_json_int(o, where, "groups", 1, CHANNELS_MAX, &groups, err));
	u->conv.bias = true;
	ET_TRY(et_json_bool(o, where, "bias", &u->conv.bias, err));
	*g = (struct et_conv){.k = (int)out,
			      .kh = kernel[0],
			      .kw = kernel[1],
			      .sh = stride[0],
			      .sw = stride[1],
			      .ph = padding[0],
			      .pw = padding[1],
			      .dh = dilation[0],
			      .dw = dilation[1],
			      .groups = (int)groups};
	return ET_OK;
}

static int shape_conv(union et_attr *u, const struct et_shape *in, int n_in, struct et_shape *out,
		      struct et_err *err)
{
	struct et_conv *g = &u->conv.g;
	(void)n_in;

	g->h = in[0].h;
	g->w = in[0].w;
	g->c = in[0].c;
	ET_TRY(et_conv_shape(g, err));
	if ((double)g->k * g->kh * g->kw * (g->c / g->groups) > (double)(1u << 30))
		return et_fail(err, ET_EDATA, "%d x %d weights of %dx%d are too many", g->k,
			       g->c / g->groups, g->kh, g->kw);
	*out = (struct et_shape){g->p, g->q, g->k};
	return ET_OK;
}

static const char *const linear_keys[] = {"out_features", "bias", NULL};

static int parse_linear(const struct et_spec_builder *b, const struct cJSON *o, const char *where,
			union et_attr *u, struct et_err *err)
{
	int64_t out = 0;

	int found = et_spec_width(b, o, where, "out_features", CHANNELS_MAX, &out, err);
	ET_TRY(found);
	if (!found)
		return et_fail(err, ET_EDATA, "%s: out_features is missing", where);
	u->conv.bias = true;
	ET_TRY(et_json_bool(o, where, "bias", &u->conv.bias, err));
	u->conv.g = (struct et_conv){
		.k = (int)out, .kh = 1, .kw = 1, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .groups = 1};
	return ET_OK;
}

static int shape_linear(union et_attr *u, const struct et_shape *in, int n_in, struct et_shape *out,
			struct et_err *err)
{
	if (in[0].h != 1 || in[0].w != 1)
		return et_fail(err, ET_EDATA,
			       "linear takes one vector an image, found %dx%d of %d channels: add "
			       "flatten before it",
			       in[0].h, in[0].w, in[0].c);
	return shape_conv(u, in, n_in, out, err);
}

/* x is wanted again, or what the mode makes of it, by the gradient of the weights alone. */
static unsigned keeps(const struct et_node *node)
{
	return node->trains && !node->hooks.save ? ET_KEEP_IN0 : 0;
}

/* Both products over x as they are: no mode makes something else of it. */
static bool prologue(const struct et_node *node)
{
	const struct et_hooks *h = &node->hooks;
	return !h->save && !h->backward && !h->step && et_conv_takes_prologue(&node->u.conv.g);
}

/* Both products are exact, wanted, and can be made in one walk. */
static bool walks(const struct et_net *net, const struct et_node *node)
{
	const struct et_hooks *h = &node->hooks;
	bool exact = !h->save && !h->delta && !h->weight_dx && !h->backward && !h->step;

	return exact && node->trains && net->needs_grad[node->in[0]] &&
	       node->param[ET_P_BIAS] < 0 && !net->want_probes && !et_patches(net, node->in[0]) &&
	       (et_conv_walks_both(&node->u.conv.g) || et_conv_depthwise(&node->u.conv.g));
}

static size_t saved(const struct et_net *net, const struct et_node *node, int n)
{
	(void)net;
	return node->trains && node->hooks.save ? et_hooks_need(&node->hooks, &node->layer, n).saved
						: 0;
}

/* Does batch norm beside the layer count on the one walk? */
static bool in_one(const struct et_exec *x, const struct et_node *node)
{
	const struct et_fused *f = et_fused_of(x, node);
	return f->through >= 0 || f->sums >= 0;
}

/* Scratch of backward: of every way that a pass may take. */
static void measure_backward(struct et_exec *x, const struct et_node *node)
{
	const struct et_conv *g = &node->u.conv.g;
	const struct et_hooks *h = &node->hooks;
	struct et_ctx *c = &x->net->ctx;
	const struct et_grid *in = et_patches(x->net, node->index + 1);

	et_channel_sum(c, (size_t)x->n * (size_t)g->p * (size_t)g->q, g->k, NULL, NULL, x->work);
	if (in)
		et_patch_total(c, in, x->n, g->k, NULL, NULL, x->work);
	et_probe_dx(x, node, NULL, NULL);
	if (h->delta) {
		struct et_call call = et_call_of(x, node, h->delta);
		h->delta->mode->delta(&call, NULL);
	}
	if (h->backward) {
		struct et_call call = et_call_of(x, node, h->backward);
		struct et_backward b = {.in_patches = in,
					.out_patches = et_patches(x->net, node->in[0])};
		h->backward->mode->backward(&call, &b);
		return;
	}
	if (x->net->params[node->param[ET_P_WEIGHT]].fused) {
		struct et_call call = et_call_of(x, node, h->step);
		h->step->mode->step(&call, NULL, NULL, NULL, NULL, NULL, NULL);
		return;
	}
	size_t mark = et_arena_mark(x->work);
	if (h->weight_dx) {
		struct et_call call = et_call_of(x, node, h->weight_dx);
		et_arena_alloc(x->work, et_conv_weights(g), sizeof(float));
		h->weight_dx->mode->weight_dx(&call, NULL, NULL);
	}
	const struct et_prologue pro = {0};
	const struct et_prologue *before = et_by_prologue(x, node) ? &pro : NULL;
	if (h->both || in_one(x, node)) {
		const struct et_bn_grad through = {0};
		const struct et_bn_sums sums = {0};
		const struct et_fused *f = et_fused_of(x, node);
		const struct et_conv_pair pair = {.pro = before,
						  .through = f->through >= 0 ? &through : NULL,
						  .sums = f->sums >= 0 ? &sums : NULL};
		et_conv_both(c, g, x->n, &pair, x->work);
	}
	et_conv_data(c, g, x->n, NULL, NULL, NULL, x->work);
	et_conv_weight(c, g, x->n, NULL, before, NULL, NULL, x->work);
	et_arena_release(x->work, mark);
}

static void prepare_mode(struct et_exec *x, const struct et_node *node, const float *in, void *save)
{
	const struct et_hooks *h = &node->hooks;

	for (int axis = 0; axis < ET_AXES; axis++) {
		const struct et_technique *t = &h->on.on[axis];
		bool first = !x->pass || x->pass->first == 0;
		if (t->mode && t->mode->prepare && first) {
			struct et_call call = et_call_of(x, node, t);
			t->mode->prepare(&call, et_value(x, node, ET_P_WEIGHT));
		}
	}
	if (h->save) {
		struct et_call call = et_call_of(x, node, h->save);
		h->save->mode->save(&call, in, save);
	}
}

static void measure(struct et_exec *x, const struct et_node *node, bool training)
{
	const struct et_conv *g = &node->u.conv.g;
	struct et_ctx *c = &x->net->ctx;
	/* Scale and shift of a fused batch norm. */
	size_t mark = et_arena_mark(x->work);
	et_arena_alloc(x->work, 2 * (size_t)g->k, sizeof(float));
	const struct et_prologue pro = {0};
	const struct et_moments moments = {0};
	const struct et_epilogue epi = {.moments = et_fused_of(x, node)->moments >= 0 ? &moments
										      : NULL};
	et_conv_forward(c, g, x->n, NULL, et_by_prologue(x, node) ? &pro : NULL, NULL, &epi, NULL,
			x->work);
	et_arena_release(x->work, mark);
	if (!training || !node->active)
		return;
	if (node->trains)
		prepare_mode(x, node, NULL, NULL);
	mark = et_arena_mark(x->work);
	x->back = true;
	measure_backward(x, node);
	x->back = false;
	et_arena_release(x->work, mark);
}

static void forward(struct et_exec *x, struct et_node *node)
{
	const struct et_conv *g = &node->u.conv.g;
	const struct et_fused *f = et_fused_of(x, node);
	size_t mark = et_arena_mark(x->work);
	float *scale = et_arena_alloc(x->work, 2 * (size_t)g->k, sizeof(float)),
	      *shift = scale + g->k;
	const float *bias = et_value(x, node, ET_P_BIAS);
	struct et_epilogue epi = {.shift = bias, .act = f->act};
	struct et_moments moments;
	struct et_prologue pro;
	const float *in;
	const struct et_prologue *before = et_in_prologue(x, node, &pro, &in);

	if (f->bn >= 0) {
		et_bn_constants(x->net, &x->net->nodes[f->bn], scale, shift);
		for (int k = 0; bias && k < g->k; k++)
			shift[k] += bias[k] * scale[k];
		epi.scale = scale;
		epi.shift = shift;
	}
	if (f->residual >= 0)
		epi.residual = et_tensor(x, f->residual);
	if (f->moments >= 0) {
		struct et_norm_kept k = et_norm_kept(x, &x->net->nodes[f->moments]);
		moments = (struct et_moments){k.mean, k.invstd};
		epi.moments = &moments;
	}
	et_conv_forward(&x->net->ctx, g, x->n, in, before, et_value(x, node, ET_P_WEIGHT), &epi,
			et_tensor(x, f->out), x->work);
	et_arena_release(x->work, mark);
	if (x->pass->training && node->trains)
		prepare_mode(x, node, et_in(x, node, 0), et_saved(x, node));
}

static void bias_backward(struct et_exec *x, struct et_node *node, const float *dy)
{
	const struct et_conv *g = &node->u.conv.g;
	const struct et_grid *in = et_patches(x->net, node->index + 1);
	float *db = et_value_grad(x, node, ET_P_BIAS);

	if (db && in)
		et_patch_total(&x->net->ctx, in, x->n, g->k, dy, db, x->work);
	else if (db)
		et_channel_sum(&x->net->ctx, (size_t)x->n * (size_t)g->p * (size_t)g->q, g->k, dy,
			       db, x->work);
}

/* Both products in one walk, with what batch norm on either side has to do there. */
static void walk(struct et_exec *x, struct et_node *node, struct et_conv_pair *pair)
{
	const struct et_fused *f = et_fused_of(x, node);
	const struct et_node *nodes = x->net->nodes;
	struct et_bn_grad through;
	struct et_bn_sums sums;
	struct et_prologue after;

	if (f->through >= 0) {
		struct et_norm_kept k = et_norm_kept(x, &nodes[f->through]);
		after = (struct et_prologue){k.scale, k.shift,
					     et_fused_of(x, &nodes[f->through])->act};
		through =
			(struct et_bn_grad){et_in(x, &nodes[f->through], 0), &after, k.a, k.b, k.d};
		pair->through = &through;
	}
	if (f->sums >= 0) {
		struct et_norm_kept k = et_norm_kept(x, &nodes[f->sums]);
		sums = (struct et_bn_sums){k.mean, pair->pro, k.s1, k.s2};
		pair->sums = &sums;
	}
	et_conv_both(&x->net->ctx, &node->u.conv.g, x->n, pair, x->work);
}

/* The exact products, but for what a mode takes for w in dx. */
static void products(struct et_exec *x, struct et_node *node, const float *dy, float *dx, float *dw)
{
	const struct et_conv *g = &node->u.conv.g;
	const struct et_technique *t = node->hooks.weight_dx;
	struct et_conv_pair pair = {
		.w = et_value(x, node, ET_P_WEIGHT), .dy = dy, .dx = dx, .dw = dw};
	struct et_prologue pro;

	if (dw)
		pair.pro = et_in_prologue(x, node, &pro, &pair.in);
	if (in_one(x, node)) {
		walk(x, node, &pair);
		return;
	}
	if (dx && dw && node->walks) {
		struct et_call call = et_call_of(x, node, node->hooks.both);
		node->hooks.both->mode->both(&call, &pair);
		return;
	}
	size_t mark = et_arena_mark(x->work);
	if (dx && t) {
		struct et_call call = et_call_of(x, node, t);
		float *b = et_arena_alloc(x->work, et_conv_weights(g), sizeof(float));
		t->mode->weight_dx(&call, pair.w, b);
		pair.w = b;
	}
	if (dx && dw)
		et_conv_backward(&x->net->ctx, g, x->n, &pair, x->work);
	else if (dw)
		et_conv_weight(&x->net->ctx, g, x->n, pair.in, pair.pro, dy, dw, x->work);
	else if (dx)
		et_conv_data(&x->net->ctx, g, x->n, dy, pair.w, dx, x->work);
	et_arena_release(x->work, mark);
}

/* Backward and the update in one pass. */
static void fused_backward(struct et_exec *x, struct et_node *node, const float *dy, float *dx)
{
	struct et_param *p = &x->net->params[node->param[ET_P_WEIGHT]];
	const struct et_technique *t = node->hooks.step;
	struct et_call call = et_call_of(x, node, t);

	if (!t->mode->step(&call, et_in(x, node, 0), dy, dx, p->value, p->m1, x->pass->rule))
		x->net->lost = p->name;
}

static void backward(struct et_exec *x, struct et_node *node)
{
	const struct et_hooks *h = &node->hooks;
	float *dy = et_dy(x, node), *dw = et_value_grad(x, node, ET_P_WEIGHT);
	float *dx = et_dx_begin(x, node, 0);
	size_t mark = et_arena_mark(x->work);
	const float *exact = et_probe_dx(x, node, dy, dx);

	bias_backward(x, node, dy);
	if (h->delta) {
		struct et_call call = et_call_of(x, node, h->delta);
		h->delta->mode->delta(&call, dy);
	}
	et_probe_dy(x, node, dy);
	if (h->backward) {
		struct et_call call = et_call_of(x, node, h->backward);
		struct et_backward b = {.saved = h->save ? et_saved(x, node) : et_in(x, node, 0),
					.w = et_value(x, node, ET_P_WEIGHT),
					.dy = dy,
					.dx = dx,
					.dw = dw,
					.in_patches = et_patches(x->net, node->index + 1),
					.out_patches = et_patches(x->net, node->in[0])};
		h->backward->mode->backward(&call, &b);
	} else if (x->net->params[node->param[ET_P_WEIGHT]].fused) {
		fused_backward(x, node, dy, dx);
	} else {
		products(x, node, dy, dx, dw);
	}
	et_probe_compare(x, node, dx, exact);
	et_arena_release(x->work, mark);
	et_dx_end(x, node, 0);
}

static double mac(const struct et_node *node)
{
	return et_conv_mac(&node->u.conv.g);
}

const struct et_type et_type_conv2d = {
	.name = "conv2d",
	.keys = conv_keys,
	.min_in = 1,
	.max_in = 1,
	.parse = parse_conv,
	.shape = shape_conv,
	.keeps = keeps,
	.saved = saved,
	.measure = measure,
	.forward = forward,
	.backward = backward,
	.mac = mac,
	.prologue = prologue,
	.walks = walks,
	.onnx = et_form_conv,
};

const struct et_type et_type_linear = {
	.name = "linear",
	.keys = linear_keys,
	.min_in = 1,
	.max_in = 1,
	.parse = parse_linear,
	.shape = shape_linear,
	.keeps = keeps,
	.saved = saved,
	.measure = measure,
	.forward = forward,
	.backward = backward,
	.mac = mac,
	.prologue = prologue,
	.onnx = et_form_linear,
};

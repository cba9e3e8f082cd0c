/* One pass over the net: forward, loss, backward; and what layers get to see of it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "net/program.h"

/* ---- pointers for layers --------------------------------------------------------------------- */

static float *slot(const struct et_exec *x, int s)
{
	return s < 0 ? NULL : (float *)(void *)(x->net->live.base + x->program->slots[s].at);
}

float *et_tensor(const struct et_exec *x, int tensor)
{
	struct et_shape s = tensor ? x->net->nodes[tensor - 1].out : x->net->input;

	if (x->back && x->program->lazy[tensor].bn >= 0)
		return slot(x, x->program->lazy[tensor].slot);
	/* The input is the caller's; no layer writes to it. */
	float *all = tensor ? slot(x, x->program->y[tensor]) : (float *)(uintptr_t)x->pass->x;

	return all && x->program->whole[tensor] ? all + (size_t)x->image * et_shape_count(s) : all;
}

const float *et_in(const struct et_exec *x, const struct et_node *node, int i)
{
	return et_tensor(x, node->in[i]);
}

bool et_by_prologue(const struct et_exec *x, const struct et_node *node)
{
	const struct et_lazy *lazy = &x->program->lazy[node->in[0]];
	bool able = node->type->prologue && node->type->prologue(node);

	/* Written out for others, it is read as it is; behind forward it is there no more. */
	return lazy->bn >= 0 && able && (x->back || !lazy->written);
}

const struct et_prologue *et_in_prologue(const struct et_exec *x, const struct et_node *node,
					 struct et_prologue *pro, const float **in)
{
	if (!et_by_prologue(x, node)) {
		*in = et_in(x, node, 0);
		return NULL;
	}
	const struct et_node *bn = &x->net->nodes[x->program->lazy[node->in[0]].bn];
	struct et_norm_kept k = et_norm_kept(x, bn);
	*pro = (struct et_prologue){k.scale, k.shift, et_fused_of(x, bn)->act};
	*in = et_in(x, bn, 0);
	return pro;
}

float *et_out(const struct et_exec *x, const struct et_node *node)
{
	return et_tensor(x, node->index + 1);
}

void *et_saved(const struct et_exec *x, const struct et_node *node)
{
	return slot(x, x->program->save[node->index]);
}

float *et_dy(const struct et_exec *x, const struct et_node *node)
{
	int through = et_fused_of(x, node)->through;

	if (through >= 0) /* which has written nothing */
		node = &x->net->nodes[through];
	return slot(x, x->program->g[et_dy_tensor(x->program, node)]);
}

const struct et_grid *et_patches(const struct et_net *net, int tensor)
{
	return net->grid[tensor].gh ? &net->grid[tensor] : NULL;
}

/* Values of a tensor's gradient for the images of this pass. */
static size_t gradient_count(const struct et_exec *x, int t)
{
	const struct et_grid *g = et_patches(x->net, t);
	struct et_shape s = t ? x->net->nodes[t - 1].out : x->net->input;

	if (g) {
		s.h = g->gh;
		s.w = g->gw;
	}
	return (size_t)x->n * et_shape_count(s);
}

size_t et_dy_count(const struct et_exec *x, const struct et_node *node)
{
	return gradient_count(x, node->index + 1);
}

float *et_dx_begin(const struct et_exec *x, const struct et_node *node, int i)
{
	const struct et_program *p = x->program;
	int at = p->first[node->index] + i;

	switch (p->dx[at]) {
	case ET_DX_OWN:
		return slot(x, p->g[node->in[i]]);
	case ET_DX_TEMP:
		return slot(x, p->temp[at]);
	case ET_DX_ALIAS:
	case ET_DX_DY:
		return et_dy(x, node);
	case ET_DX_NONE:
		break;
	}
	return NULL;
}

void et_dx_end(const struct et_exec *x, const struct et_node *node, int i)
{
	const struct et_program *p = x->program;
	enum et_dx how = p->dx[p->first[node->index] + i];

	if (how == ET_DX_TEMP || how == ET_DX_DY) {
		float *sum = slot(x, p->g[node->in[i]]);
		et_add_forward(&x->net->ctx, gradient_count(x, node->in[i]), sum,
			       et_dx_begin(x, node, i), sum);
	}
}

const float *et_value(const struct et_exec *x, const struct et_node *node, int which)
{
	int p = node->param[which];
	return p < 0 ? NULL : x->net->params[p].value;
}

float *et_value_grad(const struct et_exec *x, const struct et_node *node, int which)
{
	int p = node->param[which];
	return p < 0 ? NULL : x->net->params[p].grad;
}

const struct et_fused *et_fused_of(const struct et_exec *x, const struct et_node *node)
{
	return &x->program->fused[node->index];
}

/* ---- passes ---------------------------------------------------------------------------------- */

static struct et_exec exec_open(struct et_net *net, const struct et_pass *pass)
{
	return (struct et_exec){.net = net,
				.program = pass->training ? net->train : net->eval,
				.pass = pass,
				.work = &net->work,
				.n = pass->n};
}

static bool finite_all(const float *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isfinite(v[i]))
			return false;
	return true;
}

static bool finite_output(const struct et_exec *x, int node)
{
	int out = x->program->fused[node].out;
	size_t each = et_shape_count(x->net->nodes[out - 1].out);

	const float *y = et_tensor(x, out);

	/* Not written out: the layer that applies it as it reads will show it. */
	return !y || finite_all(y, (size_t)x->n * each);
}

/* x->n images through the nodes of one segment, by chunks. *bad (may be NULL) becomes the first
 * node before it of which some image's output is not finite. */
static void run_segment(struct et_exec *x, int from, int to, int chunk, int *bad)
{
	int n = x->n;

	for (x->image = 0; x->image < n; x->image += chunk) {
		x->n = n - x->image < chunk ? n - x->image : chunk;
		for (int i = from; i < to; i++) {
			if (x->program->skip[i])
				continue;
			x->net->nodes[i].type->forward(x, &x->net->nodes[i]);
			if (bad && i < *bad && !finite_output(x, i))
				*bad = i;
		}
	}
	x->image = 0;
	x->n = n;
}

/* Nodes from the beginning of a segment to the end of one. */
static void run_nodes(struct et_exec *x, int from, int to)
{
	const struct et_program *p = x->program;

	for (const struct et_segment *s = et_segment_of(p, from); from < to; from = s++->end)
		run_segment(x, from, s->end, s->chunk, NULL);
}

/* Rows of the unknown images stand at the beginning of a cut tensor: each to its place, from the
 * last, and the known ones between them. */
static void place_features(const struct et_exec *x, int t, size_t at, int unknown)
{
	const struct et_pass *pass = x->pass;
	size_t row = et_shape_count(x->net->nodes[t - 1].out), bytes = row * sizeof(float);
	float *y = et_tensor(x, t);

	for (int i = pass->n - 1; i >= 0; i--) {
		float *mine = y + (size_t)i * row, *kept = pass->feature[i];
		if (pass->known[i]) {
			memcpy(mine, kept + at, bytes);
			continue;
		}
		unknown--;
		if (unknown != i)
			memcpy(mine, y + (size_t)unknown * row, bytes);
		if (kept)
			memcpy(kept + at, mine, bytes);
	}
}

/* The constant beginning, or what is known of it. */
static void run_prefix(struct et_exec *x)
{
	const struct et_program *p = x->program;
	size_t at = 0;
	int unknown = 0;

	for (int i = 0; i < x->pass->n; i++)
		unknown += !x->pass->known[i];
	x->n = unknown;
	if (unknown)
		run_nodes(x, 0, p->prefix);
	x->n = x->pass->n;
	for (int k = 0; k < p->n_cut; k++) {
		place_features(x, p->cut[k], at, unknown);
		at += et_shape_count(x->net->nodes[p->cut[k] - 1].out);
	}
}

/* From where on nodes are to be run, after the beginning was where that is kept. */
static int begin_pass(struct et_exec *x)
{
	if (!x->pass->feature || !x->program->features)
		return 0;
	run_prefix(x);
	return x->program->prefix;
}

const float *et_net_forward(struct et_net *net, const struct et_pass *pass)
{
	struct et_exec x = exec_open(net, pass);

	run_nodes(&x, begin_pass(&x), net->n);
	return et_tensor(&x, net->n);
}

/* What was not kept and this node's backward is the first to read. */
static void make_again(const struct et_exec *x, const struct et_node *node)
{
	for (int k = 0; k < node->n_in; k++) {
		const struct et_lazy *lazy = &x->program->lazy[node->in[k]];
		bool twice = k && node->in[k] == node->in[0];
		if (lazy->bn >= 0 && lazy->again == node->index && !twice)
			et_norm_apply(x, &x->net->nodes[lazy->bn], slot(x, lazy->slot));
	}
}

/* ---- updates in backward --------------------------------------------------------------------- */

static void clear(void *arg, size_t begin, size_t end, int thread)
{
	(void)thread;
	memset((float *)arg + begin, 0, (end - begin) * sizeof(float));
}

void et_gradients_open(const struct et_exec *x, const struct et_node *node)
{
	int s = x->program->dw[node->index];
	float *at = slot(x, s);

	if (s < 0)
		return;
	et_parallel(&x->net->ctx, x->program->slots[s].bytes / sizeof(float), ET_GRAIN, clear, at);
	for (size_t k = 0; k < ET_COUNT(node->param); k++) {
		struct et_param *p = node->param[k] < 0 ? NULL : &x->net->params[node->param[k]];
		if (!p || !p->at_once)
			continue;
		p->grad = at;
		at += et_dw_stride(p);
	}
}

void et_gradients_close(const struct et_exec *x, const struct et_node *node, bool use)
{
	double begun = et_now();

	if (x->program->dw[node->index] < 0)
		return;
	for (size_t k = 0; k < ET_COUNT(node->param); k++) {
		struct et_param *p = node->param[k] < 0 ? NULL : &x->net->params[node->param[k]];
		if (!p || !p->at_once)
			continue;
		if (use && !et_net_apply(x->net, p, x->pass->rule))
			x->net->lost = p->name;
		p->grad = NULL;
	}
	x->net->update_s += et_now() - begun;
}

void et_net_loss(struct et_net *net, const struct et_pass *pass, const int32_t *label, double norm,
		 bool backward, struct et_loss_sum *sum)
{
	struct et_exec x = exec_open(net, pass);
	struct et_node *end = &net->nodes[net->n - 1];
	size_t rows = (size_t)pass->n * (size_t)end->out.h * (size_t)end->out.w;
	bool grad = backward && net->needs_grad[net->n];

	et_loss_forward(&net->ctx, &net->loss, rows, et_tensor(&x, net->n), label, norm,
			grad ? et_dy(&x, end) : NULL, sum, x.work);
	net->update_s = 0;
	if (pass->rule && !isfinite(sum->loss))
		return; /* the weights must stay what they were */
	x.back = true;
	for (int i = net->n - 1; grad && i >= 0; i--) {
		if (!net->nodes[i].active || x.program->absorbed[i])
			continue;
		make_again(&x, &net->nodes[i]);
		et_gradients_open(&x, &net->nodes[i]);
		net->nodes[i].type->backward(&x, &net->nodes[i]);
		et_gradients_close(&x, &net->nodes[i], true);
	}
}

void et_net_zero_grad(struct et_net *net)
{
	for (int i = 0; i < net->n_params; i++)
		if (net->params[i].grad)
			memset(net->params[i].grad, 0,
			       et_param_grads(&net->params[i]) * sizeof(float));
}

const float *et_net_input_grad(const struct et_net *net)
{
	const struct et_program *p = net->train;
	return p && p->g[0] >= 0
		       ? (const float *)(const void *)(net->live.base + p->slots[p->g[0]].at)
		       : NULL;
}

/* ---- looking for NaN ------------------------------------------------------------------------- */

bool et_net_find_nonfinite(struct et_net *net, const struct et_pass *pass, char *buf, size_t n)
{
	struct et_exec x = exec_open(net, pass);

	int pictures = 0;
	for (int i = 0; i < pass->n; i++)
		pictures += !pass->feature || !pass->known[i];
	if (!finite_all(pass->x, (size_t)pictures * et_shape_count(net->input))) {
		snprintf(buf, n, "the input pictures");
		return true;
	}
	for (int i = 0; i < net->n; i++) {
		struct et_node *node = &net->nodes[i];
		/* Running statistics that the pass itself writes are results, not causes. */
		int kinds = pass->training && node->bn_batch ? ET_P_MEAN : ET_P_TRACKED;
		for (int k = 0; k < kinds; k++) {
			const struct et_param *p =
				node->param[k] < 0 ? NULL : &net->params[node->param[k]];
			if (p && !finite_all(p->value, p->count)) {
				snprintf(buf, n, "parameter %s", p->name);
				return true;
			}
		}
	}
	int from = begin_pass(&x), bad = net->n;
	const struct et_segment *s = et_segment_of(x.program, from);
	for (; from < net->n && bad == net->n; from = s++->end)
		run_segment(&x, from, s->end, s->chunk, &bad);
	if (bad == net->n)
		return false;
	snprintf(buf, n, "layer %s: output", net->nodes[bad].name);
	return true;
}

/* From a spec to a net: nodes and parameters; then the reservation of its arenas. */
#include <stdlib.h>
#include <string.h>

#include "net/program.h"

static int add_param(struct et_net *net, struct et_node *node, int which, const char *suffix,
		     struct et_param p)
{
	p.name = et_asprintf("%s.%s", node->name, suffix);
	if (!p.name)
		return ET_ENOMEM;
	p.node = node->index;
	p.taps = 1;
	node->param[which] = net->n_params;
	net->params[net->n_params++] = p;
	return ET_OK;
}

static struct et_param vector_param(enum et_param_kind kind, int count, float first)
{
	return (struct et_param){.kind = kind,
				 .rank = 1,
				 .shape = {(uint64_t)count},
				 .count = (size_t)count,
				 .inner = (size_t)count,
				 .first = first};
}

static int conv_params(struct et_net *net, struct et_node *node)
{
	const struct et_conv *g = &node->u.conv.g;
	struct et_param w = {.kind = ET_PARAM_WEIGHT, .geo = g, .count = et_conv_weights(g)};
	uint64_t cn = (uint64_t)(g->c / g->groups);

	w.inner = w.count;
	node->layer = (struct et_layer){.name = node->name,
					.index = node->index,
					.g = *g,
					.linear = node->type == &et_type_linear};
	w.rank = node->layer.linear ? 2 : 4;
	w.shape[0] = (uint64_t)g->k;
	w.shape[1] = cn;
	w.shape[2] = (uint64_t)g->kh;
	w.shape[3] = (uint64_t)g->kw;
	ET_TRY(add_param(net, node, ET_P_WEIGHT, "weight", w));
	if (node->u.conv.bias)
		ET_TRY(add_param(net, node, ET_P_BIAS, "bias",
				 vector_param(ET_PARAM_VECTOR, g->k, 0)));
	return ET_OK;
}

static int norm_params(struct et_net *net, struct et_node *node)
{
	int c = node->out.c;
	struct et_param tracked = {.kind = ET_PARAM_COUNTER};

	ET_TRY(add_param(net, node, ET_P_WEIGHT, "weight", vector_param(ET_PARAM_VECTOR, c, 1)));
	ET_TRY(add_param(net, node, ET_P_BIAS, "bias", vector_param(ET_PARAM_VECTOR, c, 0)));
	ET_TRY(add_param(net, node, ET_P_MEAN, "running_mean",
			 vector_param(ET_PARAM_RUNNING, c, 0)));
	ET_TRY(add_param(net, node, ET_P_VAR, "running_var", vector_param(ET_PARAM_RUNNING, c, 1)));
	return add_param(net, node, ET_P_TRACKED, "num_batches_tracked", tracked);
}

static int build_node(struct et_net *net, int i, const struct et_layer_desc *d)
{
	struct et_node *node = &net->nodes[i];

	*node = (struct et_node){.type = d->type,
				 .name = d->name,
				 .index = i,
				 .n_in = d->n_in,
				 .out = d->out,
				 .u = d->u};
	for (size_t k = 0; k < ET_COUNT(node->param); k++)
		node->param[k] = -1;
	node->in = et_calloc((size_t)d->n_in, sizeof(int));
	if (!node->in)
		return ET_ENOMEM;
	for (int k = 0; k < d->n_in; k++)
		node->in[k] = d->in[k] + 1;
	if (d->type == &et_type_conv2d || d->type == &et_type_linear)
		return conv_params(net, node);
	if (d->type == &et_type_batchnorm2d)
		return norm_params(net, node);
	return ET_OK;
}

int et_net_build(struct et_net *net, const struct et_spec *spec, const struct et_ctx *ctx,
		 struct et_err *err)
{
	memset(net, 0, sizeof(*net));
	net->ctx = *ctx;
	net->input = spec->input;
	net->classes = spec->classes;
	net->loss = (struct et_loss){.k = spec->classes, .ignore = spec->ignore_index};
	net->n = spec->n;
	net->nodes = et_calloc((size_t)spec->n, sizeof(*net->nodes));
	net->params = et_calloc((size_t)spec->n * 5, sizeof(*net->params));
	net->needs_grad = et_calloc((size_t)spec->n + 1, sizeof(bool));
	net->grid = et_calloc((size_t)spec->n + 1, sizeof(*net->grid));
	if (!net->nodes || !net->params || !net->needs_grad || !net->grid) {
		et_net_free(net);
		return et_fail(err, ET_ENOMEM, "out of memory");
	}
	for (int i = 0; i < spec->n; i++)
		if (build_node(net, i, &spec->layers[i])) {
			et_net_free(net);
			return et_fail(err, ET_ENOMEM, "out of memory");
		}
	net->head = -1;
	for (int i = 0; i < net->n_params; i++)
		if (net->params[i].kind == ET_PARAM_WEIGHT)
			net->head = net->params[i].node;
	return ET_OK;
}

void et_net_free(struct et_net *net)
{
	for (int i = 0; net->nodes && i < net->n; i++)
		free(net->nodes[i].in);
	for (int i = 0; i < net->n_params; i++)
		free(net->params[i].name);
	free(net->nodes);
	free(net->params);
	free(net->needs_grad);
	free(net->grid);
	et_program_free(net->train);
	et_program_free(net->eval);
	et_arena_close(&net->hold);
	et_arena_close(&net->live);
	et_arena_close(&net->work);
	memset(net, 0, sizeof(*net));
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* Lays values, gradients and moments out in `hold`; the same calls measure and reserve. */
static void lay_out(struct et_net *net, int moments, struct et_arena *hold)
{
	size_t at = et_arena_mark(hold);

	for (int i = 0; i < net->n_params; i++)
		if (net->params[i].count)
			net->params[i].value =
				et_arena_alloc(hold, net->params[i].count, sizeof(float));
	net->bytes_weights = et_arena_mark(hold) - at;
	at = et_arena_mark(hold);
	for (int i = 0; i < net->n_params; i++) {
		struct et_param *p = &net->params[i];
		p->grad = p->train && !p->fused && !p->at_once
				  ? et_arena_alloc(hold, et_param_grads(p), sizeof(float))
				  : NULL;
	}
	for (int i = 0; i < net->n; i++)
		if (net->nodes[i].state_bytes)
			net->nodes[i].state = et_arena_alloc(hold, net->nodes[i].state_bytes, 1);
	net->bytes_grads = et_arena_mark(hold) - at;
	at = et_arena_mark(hold);
	for (int i = 0; i < net->n_params; i++) {
		struct et_param *p = &net->params[i];
		p->m1 = p->train && moments > 0 ? et_arena_alloc(hold, p->count, sizeof(float))
						: NULL;
		p->m2 = p->train && moments > 1 ? et_arena_alloc(hold, p->count, sizeof(float))
						: NULL;
	}
	net->bytes_optimizer = et_arena_mark(hold) - at;
}

static void fill(const struct et_net *net, const struct et_program *p, bool training,
		 struct et_memory *m)
{
	*m = (struct et_memory){.weights = net->bytes_weights,
				.gradients = training ? net->bytes_grads : 0,
				.optimizer = training ? net->bytes_optimizer : 0,
				.saved = p->saved,
				.activations = p->live - p->saved,
				.work = p->work};
	m->total = m->weights + m->gradients + m->optimizer + p->live + m->work;
}

int et_net_plan(struct et_net *net, int train_batch, int eval_batch, int moments,
		struct et_memory *train, struct et_memory *eval, struct et_err *err)
{
	struct et_arena hold = et_arena_measure();

	et_net_plan_modes(net, train_batch);
	et_program_free(net->train);
	et_program_free(net->eval);
	net->train = net->eval = NULL;
	net->moments = train_batch ? moments : 0;
	if (train_batch)
		ET_TRY(et_program_make(&net->train, net, true, train_batch, err));
	if (eval_batch)
		ET_TRY(et_program_make(&net->eval, net, false, eval_batch, err));
	lay_out(net, net->moments, &hold);
	if (hold.failed)
		return et_fail(err, ET_EFIT, "the weights exceed the addresses of this machine");
	net->hold_bytes = hold.peak;
	if (train && net->train)
		fill(net, net->train, true, train);
	if (eval && net->eval)
		fill(net, net->eval, false, eval);
	return ET_OK;
}

void et_net_count(const struct et_net *net, double *forward, double *backward, int *trained)
{
	*forward = *backward = 0;
	*trained = 0;
	for (int i = 0; i < net->n; i++) {
		const struct et_node *node = &net->nodes[i];
		double mac = node->type->mac ? node->type->mac(node) : 0;
		*forward += mac;
		if (node->active && node->layer.name) {
			struct et_need need = et_hooks_need(&node->hooks, &node->layer, 1);
			*backward += (node->trains ? need.dw : 0) +
				     (net->needs_grad[node->in[0]] ? need.dx : 0);
		}
		*trained += node->layer.name && node->trains;
	}
}

/* One block, which the programs share out: measured first, since the arena may add to it. */
static int open_live(struct et_net *net, size_t bytes, struct et_err *err)
{
	struct et_arena measure = et_arena_measure();

	et_arena_alloc(&measure, bytes, 1);
	ET_TRY(et_arena_open(&net->live, measure.peak, err));
	et_arena_alloc(&net->live, bytes, 1);
	return ET_OK;
}

int et_net_alloc(struct et_net *net, struct et_err *err)
{
	size_t live = 0, work = 0;

	if (net->train) {
		live = net->train->live;
		work = net->train->work;
	}
	if (net->eval) {
		live = et_max(live, net->eval->live);
		work = et_max(work, net->eval->work);
	}
	ET_TRY(et_arena_open(&net->hold, net->hold_bytes, err));
	ET_TRY(open_live(net, live, err));
	ET_TRY(et_arena_open(&net->work, work, err));
	lay_out(net, net->moments, &net->hold);
	if (net->hold.failed)
		return et_fail(err, ET_EINTERNAL, "the plan of %zu bytes did not suffice",
			       net->hold_bytes);
	et_net_choose(net);
	return ET_OK;
}

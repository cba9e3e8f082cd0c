#include <stdio.h>
#include <string.h>

#include "net/program.h"
#include "net_case.h"

char *net_quotes(const char *text)
{
	char *out = num_alloc(strlen(text) + 1, 1);
	for (size_t i = 0; text[i]; i++)
		out[i] = text[i] == '\'' ? '"' : text[i];
	return out;
}

char *net_text(int channels, int height, int width, int classes, const char *layers)
{
	size_t size = strlen(layers) + 200;
	char *text = num_alloc(size, 1);
	snprintf(text, size,
		 "{'input':{'channels':%d,'height':%d,'width':%d},'classes':%d,'layers':[%s]}",
		 channels, height, width, classes, layers);
	return net_quotes(text);
}

#define MUST(expr)                                    \
	do {                                          \
		if ((expr) < 0)                       \
			ck_abort_msg("%s", err.text); \
	} while (0)

void net_open(struct net_case *t, const struct et_ctx *ctx, const char *text,
	      const struct net_setup *s)
{
	struct et_err err;
	const char *globs = s->trainable ? s->trainable : "";

	MUST(et_spec_parse(&t->spec, text, strlen(text), "t.json", &err));
	MUST(et_net_build(&t->net, &t->spec, ctx, &err));
	t->net.want_input_grad = s->input_grad;
	t->net.unfused = s->unfused;
	t->net.want_probes = s->probes;
	t->net.unshared = s->unshared;
	t->net.unchained = s->unchained;
	t->net.unchunked = s->unchunked;
	t->net.chunk_growth = s->chunk_growth;
	t->net.fuse_update = s->fuse_update;
	MUST(et_net_select(&t->net, globs, s->last, s->frozen_bn, &err));
	MUST(et_net_set_modes(&t->net, s->mode ? s->mode : "exact", s->modes ? s->modes : "", NULL,
			      &err));
	MUST(et_net_plan(&t->net, s->batch, s->eval_batch, s->moments, &t->train, &t->eval, &err));
	MUST(et_net_alloc(&t->net, &err));
	net_randomize(&t->net, 1);
	net_dirty(&t->net);
}

void net_close(struct net_case *t)
{
	et_net_free(&t->net);
	et_spec_free(&t->spec);
}

static uint32_t hash(const char *name)
{
	uint32_t h = 2166136261u;
	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return h;
}

void net_randomize(struct et_net *net, uint32_t seed)
{
	for (int i = 0; i < net->n_params; i++) {
		struct et_param *p = &net->params[i];
		struct et_rng r = num_rng(hash(p->name), seed);
		bool one = p->first > 0;
		float scale = 0.2f;
		if (p->kind == ET_PARAM_WEIGHT)
			scale = sqrtf(2 * (float)p->shape[0] / (float)p->count);
		p->counter = 3;
		for (size_t k = 0; k < p->count; k++)
			p->value[k] = p->kind == ET_PARAM_RUNNING && one
					      ? 0.5f + et_rng_unit(&r)
					      : (float)one + scale * et_rng_normal(&r);
	}
}

void net_dirty(struct et_net *net)
{
	size_t live = 0;

	if (net->train)
		live = net->train->live;
	if (net->eval)
		live = et_max(live, net->eval->live);
	memset(net->live.base, 0xff, live);
	/* 128: alignment and AddressSanitizer's red zone. */
	if (net->work.size > 128) {
		size_t peak = net->work.peak;
		memset(et_arena_alloc(&net->work, net->work.size - 128, 1), 0xff,
		       net->work.size - 128);
		et_arena_release(&net->work, 0);
		net->work.peak = peak;
	}
}

int32_t *net_labels(const struct et_net *net, struct et_rng *r, int n)
{
	int32_t *label = num_guarded((size_t)n * sizeof(*label));
	for (int i = 0; i < n; i++)
		label[i] = num_int(r, 0, net->classes - 1);
	return label;
}

double net_step(struct et_net *net, const float *x, int n, const int32_t *label, uint64_t step)
{
	struct et_pass pass = {.x = x, .n = n, .training = true, .seed = 7, .step = step};
	struct et_loss_sum sum = {0};

	et_net_zero_grad(net);
	et_net_forward(net, &pass);
	et_net_loss(net, &pass, label, et_loss_norm(&net->loss, (size_t)n, label), true, &sum);
	return sum.loss;
}

struct et_param *net_param(struct et_net *net, const char *name)
{
	for (int i = 0; i < net->n_params; i++)
		if (strcmp(net->params[i].name, name) == 0)
			return &net->params[i];
	ck_abort_msg("no parameter %s", name);
	return NULL;
}

struct et_node *net_node(struct et_net *net, const char *name)
{
	for (int i = 0; i < net->n; i++)
		if (strcmp(net->nodes[i].name, name) == 0)
			return &net->nodes[i];
	ck_abort_msg("no layer %s", name);
	return NULL;
}

double net_off(const float *got, const float *want, size_t n)
{
	double most = 1e-30, off = 0;
	for (size_t i = 0; i < n; i++) {
		double d = fabs((double)got[i] - (double)want[i]);
		off = d <= off ? off : d; /* NaN stays */
		most = fmax(most, fabs((double)want[i]));
	}
	return off / most;
}

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ours.h"

static void must(int status, const struct et_err *err)
{
	if (status >= 0)
		return;
	fprintf(stderr, "peers-conv: %s\n", err->text);
	exit(70);
}

float *peers_memory(size_t n)
{
	void *p = NULL;
	if (posix_memalign(&p, 64, n * sizeof(float) + 64)) {
		fprintf(stderr, "peers-conv: no memory for %zu floats\n", n);
		exit(71);
	}
	memset(p, 0, n * sizeof(float));
	return p;
}

static float *noise(size_t n, uint32_t stream)
{
	struct et_rng r = et_rng_open(1, ET_STREAM_TEST, stream, 0);
	float *x = peers_memory(n);
	for (size_t i = 0; i < n; i++)
		x[i] = et_rng_normal(&r);
	return x;
}

void peers_turn(int n, size_t c, size_t hw, const float *from, float *to)
{
	for (size_t i = 0; i < (size_t)n; i++)
		for (size_t a = 0; a < c; a++)
			for (size_t b = 0; b < hw; b++)
				to[(i * hw + b) * c + a] = from[(i * c + a) * hw + b];
}

void problem_open(struct problem *p, const struct et_conv *g, int n, const struct et_ctx *ctx)
{
	struct et_err err;

	memset(p, 0, sizeof(*p));
	p->g = *g;
	p->n = n;
	p->ctx = *ctx;
	must(et_conv_shape(&p->g, &err), &err);
	size_t hw = (size_t)p->g.h * (size_t)p->g.w, pq = (size_t)p->g.p * (size_t)p->g.q;
	size_t c = (size_t)p->g.c, k = (size_t)p->g.k;
	p->nx = (size_t)n * hw * c;
	p->ny = (size_t)n * pq * k;
	p->nw = et_conv_weights(&p->g);
	p->x = noise(p->nx, 1);
	p->w = noise(p->nw, 2);
	p->dy = noise(p->ny, 3);
	p->our_x = peers_memory(p->nx);
	p->our_w = peers_memory(p->nw);
	p->our_dy = peers_memory(p->ny);
	peers_turn(n, c, hw, p->x, p->our_x);
	peers_turn(n, k, pq, p->dy, p->our_dy);
	et_conv_from_torch(&p->g, p->w, p->our_w);
	p->y = peers_memory(p->ny);
	p->dx = peers_memory(p->nx);
	p->dw = peers_memory(p->nw);
}

void problem_close(struct problem *p)
{
	float *all[] = {p->x, p->w, p->dy, p->our_x, p->our_w, p->our_dy, p->y, p->dx, p->dw};
	for (size_t i = 0; i < ET_COUNT(all); i++)
		free(all[i]);
}

static void exact(struct ours *o, enum pass pass, struct et_arena *work)
{
	const struct problem *p = o->p;
	const struct et_ctx *x = &p->ctx;

	if (pass == PASS_FORWARD)
		et_conv_forward(x, &p->g, p->n, p->our_x, NULL, p->our_w, NULL, p->y, work);
	else if (pass == PASS_DATA)
		et_conv_data(x, &p->g, p->n, p->our_dy, p->our_w, p->dx, work);
	else
		et_conv_weight(x, &p->g, p->n, p->our_x, NULL, p->our_dy, p->dw, work);
}

static const struct et_call *call_of(struct ours *o, const struct et_technique *t,
				     struct et_arena *work)
{
	o->call.x = &o->p->ctx;
	o->call.opt = t->opt;
	o->call.work = work;
	return &o->call;
}

static void replaced(struct ours *o, struct et_arena *work)
{
	const struct et_technique *t = o->hooks.backward;
	const struct et_call *c = call_of(o, t, work);
	const struct et_backward b = {.saved = o->saved ? o->saved : o->p->our_x,
				      .w = o->p->our_w,
				      .dy = o->p->our_dy,
				      .dx = o->p->dx,
				      .dw = o->p->dw};
	t->mode->backward(c, &b);
}

static void run(struct ours *o, enum pass pass, struct et_arena *work)
{
	const struct et_technique *save = o->hooks.save;

	if (pass == PASS_FORWARD || !o->hooks.backward)
		exact(o, pass, work);
	else if (pass == PASS_DATA)
		replaced(o, work);
	/* As in a step: what backward needs of x and w is made while they are at hand. */
	const struct et_technique *t = o->hooks.backward;
	if (pass == PASS_FORWARD && t && t->mode->prepare)
		t->mode->prepare(call_of(o, t, work), o->p->our_w);
	if (pass == PASS_FORWARD && save)
		save->mode->save(call_of(o, save, work), o->p->our_x, o->saved);
}

void ours_run(struct ours *o, enum pass pass)
{
	run(o, pass, &o->work);
}

void ours_open(struct ours *o, const char *recipe, struct problem *p)
{
	struct et_arena plan = et_arena_measure();
	struct et_err err, why = {0};
	struct et_recipe parsed;

	memset(o, 0, sizeof(*o));
	o->p = p;
	o->layer = (struct et_layer){.name = "conv", .g = p->g, .wants_dx = true};
	must(et_recipe_parse(recipe, &parsed, &err), &err);
	must(et_hooks_resolve(&o->hooks, &parsed, &o->layer, &why, &err), &err);
	for (int i = 0; i < ET_AXES; i++)
		if (parsed.on[i].mode && !parsed.on[i].mode->standing && !o->hooks.on.on[i].mode)
			must(why.code, &why);
	o->flat = o->hooks.backward && o->hooks.backward->mode->flat_dw;
	struct et_need need = et_hooks_need(&o->hooks, &o->layer, p->n);
	o->state = need.state ? peers_memory(need.state / sizeof(float)) : NULL;
	o->saved = o->hooks.save ? peers_memory(need.saved / sizeof(float) + 1) : NULL;
	o->call = (struct et_call){.layer = &o->layer, .n = p->n, .state = o->state};
	for (int pass = 0; pass < PASSES; pass++)
		run(o, (enum pass)pass, &plan);
	must(et_arena_open(&o->work, plan.peak, &err), &err);
}

void ours_close(struct ours *o)
{
	free(o->state);
	free(o->saved);
	et_arena_close(&o->work);
}

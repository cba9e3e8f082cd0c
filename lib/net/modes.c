/* The gradient mode of each layer, by recipe and by name, and what it needs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/types.h"

#define ENTRIES_MAX 64

/* A recipe and the layers it is for. */
struct entry {
	char glob[256]; /* "" = all */
	struct et_recipe recipe;
	bool matched;	     /* some layer */
	bool met;	     /* a layer that trains */
	bool taken[ET_AXES]; /* by one of those */
	struct et_err why;   /* not, where not */
};

static int read_entry(struct entry *e, const char *text, size_t n, struct et_err *err)
{
	const char *equals = memchr(text, '=', n);
	char recipe[256];

	memset(e, 0, sizeof(*e));
	size_t glob = equals ? (size_t)(equals - text) : 0;
	if (!glob || glob >= sizeof(e->glob) || n - glob - 1 >= sizeof(recipe) || n == glob + 1)
		return et_fail(err, ET_EUSAGE,
			       "modes: expected GLOB=RECIPE between semicolons, found '%.*s'",
			       (int)et_min(n, 100), text);
	memcpy(e->glob, text, glob);
	memcpy(recipe, equals + 1, n - glob - 1);
	recipe[n - glob - 1] = 0;
	ET_TRY(et_recipe_parse(recipe, &e->recipe, err));
	if (e->recipe.on[ET_AXIS_STEPS].mode)
		return et_fail(err, ET_EUSAGE,
			       "modes: %s: %s is for the whole net: it belongs to mode", e->glob,
			       e->recipe.on[ET_AXIS_STEPS].mode->name);
	return ET_OK;
}

static int read_entries(struct entry *e, int *n, const char *recipe, const char *by_layer,
			struct et_err *err)
{
	memset(&e[0], 0, sizeof(e[0]));
	ET_TRY(et_recipe_parse(recipe, &e[0].recipe, err));
	*n = 1;
	for (const char *at = by_layer; *at;) {
		size_t len = strcspn(at, ";");
		if (*n == ENTRIES_MAX)
			return et_fail(err, ET_EUSAGE, "modes: more than %d entries",
				       ENTRIES_MAX - 1);
		ET_TRY(read_entry(&e[(*n)++], at, len, err));
		at += len + (at[len] == ';');
	}
	return ET_OK;
}

static bool any_norm(const struct et_net *net)
{
	for (int i = 0; i < net->n; i++)
		if (net->nodes[i].type == &et_type_batchnorm2d)
			return true;
	return false;
}

static int set_layer(struct et_net *net, struct et_node *node, struct entry *e, bool named,
		     struct et_err *err)
{
	struct et_layer *l = &node->layer;
	struct et_err why;

	l->last = node->index == net->head;
	l->named = named;
	l->unscaled = net->frozen_bn || net->loaded || !any_norm(net);
	ET_TRY(et_hooks_resolve(&node->hooks, &e->recipe, l, &why, err));
	e->met = true;
	if (why.code && !e->why.code)
		e->why = why;
	for (int axis = 0; axis < ET_AXES; axis++)
		e->taken[axis] |= node->hooks.on.on[axis].mode != NULL;
	return ET_OK;
}

/*
 * Of the entries that speak of a layer the last one stays. The others are tried too: an entry that
 * others stand in for is not wrong for that.
 */
static int set_node(struct et_net *net, struct et_node *node, struct entry *e, int n,
		    struct et_err *err)
{
	memset(&node->hooks, 0, sizeof(node->hooks));
	for (int i = 0; i < n && node->layer.name; i++) {
		if (i && !et_net_glob(e[i].glob, node->name))
			continue;
		e[i].matched = true;
		if (node->trains)
			ET_TRY(set_layer(net, node, &e[i], i > 0, err));
	}
	return ET_OK;
}

static int check_entry(const struct entry *e, struct et_err *err)
{
	if (*e->glob && !e->matched)
		return et_fail(err, ET_EUSAGE, "modes: no layer with weights matches '%s'",
			       e->glob);
	for (int axis = 0; axis < ET_AXES && e->met; axis++) {
		const struct et_mode *m = e->recipe.on[axis].mode;
		if (m && !m->standing && axis != ET_AXIS_STEPS && !e->taken[axis])
			return et_fail(err, ET_EUSAGE, "mode: no layer that trains can take %s: %s",
				       m->name, e->why.text);
	}
	return ET_OK;
}

int et_net_set_modes(struct et_net *net, const char *recipe, const char *by_layer,
		     struct et_recipe *recipe_of_net, struct et_err *err)
{
	struct entry *e = et_calloc(ENTRIES_MAX, sizeof(*e));
	int n = 0;

	if (!e)
		return et_fail(err, ET_ENOMEM, "out of memory");
	int status = read_entries(e, &n, recipe, by_layer, err);
	for (int i = 0; i < net->n && !status; i++)
		status = set_node(net, &net->nodes[i], e, n, err);
	for (int i = 0; i < n && !status; i++)
		status = check_entry(&e[i], err);
	if (!status && recipe_of_net)
		*recipe_of_net = e[0].recipe;
	free(e);
	return status;
}

/* ---- what was set ---------------------------------------------------------------------------- */

static bool takes_recipe(const struct et_node *node)
{
	return node->layer.name && node->trains;
}

/* Without what stands in every recipe that does not say otherwise. */
const char *et_net_mode_text(const struct et_node *node, char buf[256])
{
	struct et_recipe r = node->hooks.on;

	for (size_t i = 0; et_modes[i]; i++)
		if (et_modes[i]->standing)
			r.on[et_modes[i]->axis] = (struct et_technique){.mode = et_modes[i]};
	return et_recipe_text(&r, buf, 256);
}

const char *et_net_modes_text(const struct et_net *net, char *buf, size_t n)
{
	size_t used = 0;

	buf[0] = 0;
	for (int i = 0; i < net->n; i++) {
		char mine[256], other[256];
		int layers = 0, before = 0;
		if (!takes_recipe(&net->nodes[i]))
			continue;
		et_net_mode_text(&net->nodes[i], mine);
		for (int k = 0; k < net->n; k++) {
			if (!takes_recipe(&net->nodes[k]) ||
			    strcmp(mine, et_net_mode_text(&net->nodes[k], other)) != 0)
				continue;
			before += k < i;
			layers++;
		}
		if (before || used >= n)
			continue;
		used += (size_t)snprintf(buf + used, n - used, "%s%s on %d%s", used ? ", " : "",
					 mine, layers,
					 used	      ? ""
					 : layers > 1 ? " layers"
						      : " layer");
	}
	return buf;
}

/* ---- needs ----------------------------------------------------------------------------------- */

/* Nothing stands between the exact gradient and the step that a fused update takes. */
static bool fuses(const struct et_net *net, const struct et_node *node)
{
	const struct et_hooks *h = &node->hooks;
	int w = node->param[ET_P_WEIGHT];

	return net->fuse_update && h->step && !h->save && !h->delta && !h->weight_dx &&
	       !h->backward && net->params[w].train;
}

void et_net_plan_modes(struct et_net *net, int n)
{
	for (int i = 0; i < net->n_params; i++)
		net->params[i].at_once = n && net->fuse_update && net->params[i].train;
	for (int i = 0; i < net->n; i++) {
		struct et_node *node = &net->nodes[i];
		if (!node->layer.name)
			continue;
		struct et_param *w = &net->params[node->param[ET_P_WEIGHT]];
		const struct et_technique *b = node->hooks.backward;
		w->taps = 1;
		w->inner = w->count;
		if (b && b->mode->flat_dw) {
			const struct et_conv *g = &node->layer.g;
			w->taps = (size_t)g->kh * (size_t)g->kw;
			w->inner = (size_t)(et_conv_depthwise(g) ? g->c : g->c / g->groups);
		}
		w->fused = n && fuses(net, node);
		w->at_once &= !w->fused;
		node->state_bytes =
			n && node->trains ? et_hooks_need(&node->hooks, &node->layer, n).state : 0;
		node->state = NULL;
	}
}

struct et_call et_call_of(const struct et_exec *x, const struct et_node *node,
			  const struct et_technique *t)
{
	struct et_call c = {.x = &x->net->ctx,
			    .layer = &node->layer,
			    .opt = t->opt,
			    .n = x->n,
			    .state = node->state,
			    .work = x->work};
	if (x->pass) {
		c.seed = x->pass->seed;
		c.step = x->pass->step;
		c.first = x->pass->first;
	}
	return c;
}

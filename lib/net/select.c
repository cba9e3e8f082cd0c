/* Which parameters train, and what backward must visit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/types.h"

static bool trainable_kind(const struct et_param *p)
{
	return p->kind == ET_PARAM_WEIGHT || p->kind == ET_PARAM_VECTOR;
}

bool et_net_glob(const char *glob, const char *layer)
{
	char below[512];

	snprintf(below, sizeof(below), "%s.*", glob);
	return et_glob_match(glob, layer) || et_glob_match(below, layer);
}

/* A glob speaks of a parameter by the parameter's name, its layer's, or that of a block above them.
 */
static bool matches(const struct et_net *net, const char *glob, const struct et_param *p)
{
	return et_glob_match(glob, p->name) || et_net_glob(glob, net->nodes[p->node].name);
}

static int no_match(const struct et_net *net, const char *glob, struct et_err *err)
{
	const char **names = et_calloc((size_t)net->n, sizeof(*names));
	size_t n = 0;

	if (!names)
		return et_fail(err, ET_ENOMEM, "out of memory");
	for (int i = 0; i < net->n; i++)
		if (net->nodes[i].param[0] >= 0)
			names[n++] = net->nodes[i].name;
	const char *near = et_nearest(glob, names, n);
	int status = et_fail(err, ET_EUSAGE, "trainable: no parameter matches '%.100s'%s%s%s", glob,
			     near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
	free(names);
	return status;
}

static int select_globs(struct et_net *net, const char *globs, struct et_err *err)
{
	for (const char *at = globs; *at;) {
		size_t n = strcspn(at, ",");
		char glob[256];
		bool any = false;
		if (!n || n >= sizeof(glob))
			return et_fail(err, ET_EUSAGE,
				       "trainable: expected names of 1 to %zu characters between "
				       "commas in '%.100s'",
				       sizeof(glob) - 1, globs);
		memcpy(glob, at, n);
		glob[n] = 0;
		for (int i = 0; i < net->n_params; i++) {
			struct et_param *p = &net->params[i];
			if (trainable_kind(p) && matches(net, glob, p))
				p->train = any = true;
		}
		if (!any)
			return no_match(net, glob, err);
		at += n + (at[n] == ',');
	}
	return ET_OK;
}

static int select_last(struct et_net *net, int last, bool frozen_bn, struct et_err *err)
{
	int convs = 0, from = -1;

	for (int i = net->n - 1; i >= 0; i--)
		if (net->nodes[i].type == &et_type_conv2d && ++convs == last)
			from = i;
	if (from < 0)
		return et_fail(err, ET_EUSAGE,
			       "last: expected at most %d, the number of convolutions; found %d",
			       convs, last);
	for (int i = 0; i < net->n_params; i++) {
		struct et_param *p = &net->params[i];
		bool norm = net->nodes[p->node].type == &et_type_batchnorm2d;
		p->train = trainable_kind(p) && p->node >= from && !(norm && frozen_bn);
	}
	return ET_OK;
}

/* What backward visits, up to the input if its gradient is wanted. */
static void mark_active(struct et_net *net, bool input_grad)
{
	net->needs_grad[0] = input_grad;
	for (int i = 0; i < net->n; i++) {
		struct et_node *node = &net->nodes[i];
		node->trains = false;
		for (size_t k = 0; k < ET_COUNT(node->param); k++)
			node->trains |= node->param[k] >= 0 && net->params[node->param[k]].train;
		node->active = node->trains;
		for (int k = 0; k < node->n_in; k++)
			node->active |= net->needs_grad[node->in[k]];
		net->needs_grad[i + 1] = node->active;
		node->layer.wants_dx = net->needs_grad[node->in[0]];
	}
}

int et_net_select(struct et_net *net, const char *globs, int last, bool frozen_bn,
		  struct et_err *err)
{
	for (int i = 0; i < net->n_params; i++)
		net->params[i].train = !*globs && !last && trainable_kind(&net->params[i]);
	if (*globs)
		ET_TRY(select_globs(net, globs, err));
	if (last)
		ET_TRY(select_last(net, last, frozen_bn, err));
	net->frozen_bn = frozen_bn;
	mark_active(net, false);
	for (int i = 0; i < net->n; i++) {
		struct et_node *node = &net->nodes[i];
		node->bn_batch = node->type == &et_type_batchnorm2d && node->active && !frozen_bn;
	}
	/* Whoever asks for one gradient more shall not get another loss. */
	if (net->want_input_grad)
		mark_active(net, true);
	return ET_OK;
}

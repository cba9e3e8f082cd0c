/* Composite types: their list, and the layers they are put together from. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "net/compose.h"

static void append(struct et_compose *c, const char *suffix, const struct et_type *type,
		   const int *in, int n_in, const union et_attr *u)
{
	char name[256];

	if (c->status < 0)
		return;
	snprintf(name, sizeof(name), "%s.%s", c->name, suffix);
	c->status = et_spec_add(c->b, name, type, in, n_in, u, c->err);
	c->at = c->status;
}

struct et_shape et_compose_shape(const struct et_compose *c)
{
	return c->status < 0 ? (struct et_shape){1, 1, 1} : et_spec_shape(c->b->spec, c->at);
}

void et_compose_from(struct et_compose *c, int layer)
{
	if (c->status >= 0)
		c->at = layer;
}

void et_compose_plain(struct et_compose *c, const char *suffix, const struct et_type *type)
{
	et_compose_join(c, suffix, type, &c->at, 1);
}

void et_compose_join(struct et_compose *c, const char *suffix, const struct et_type *type,
		     const int *in, int n)
{
	union et_attr u;
	memset(&u, 0, sizeof(u));
	append(c, suffix, type, in, n, &u);
}

void et_compose_conv(struct et_compose *c, const char *suffix, struct et_compose_conv conv)
{
	int stride = conv.stride ? conv.stride : 1, dilation = conv.dilation ? conv.dilation : 1;
	int padding = conv.kernel / 2 * dilation;
	union et_attr u = {.conv = {.g = {.k = conv.out,
					  .kh = conv.kernel,
					  .kw = conv.kernel,
					  .sh = stride,
					  .sw = stride,
					  .ph = padding,
					  .pw = padding,
					  .dh = dilation,
					  .dw = dilation,
					  .groups = conv.groups ? conv.groups : 1},
				    .bias = !c->norms}};
	append(c, suffix, &et_type_conv2d, &c->at, 1, &u);
}

void et_compose_logits(struct et_compose *c, const char *suffix, int out)
{
	bool norms = c->norms;
	c->norms = false;
	et_compose_conv(c, suffix, (struct et_compose_conv){.out = out, .kernel = 1});
	c->norms = norms;
}

void et_compose_norm(struct et_compose *c, const char *suffix)
{
	union et_attr u = {.bn = {.eps = 1e-5, .momentum = 0.1}};
	if (c->norms)
		append(c, suffix, &et_type_batchnorm2d, &c->at, 1, &u);
}

void et_compose_dropout(struct et_compose *c, const char *suffix, double p)
{
	union et_attr u = {.dropout = {.p = p}};
	if (p > 0)
		append(c, suffix, &et_type_dropout, &c->at, 1, &u);
}

void et_compose_pool(struct et_compose *c, const char *suffix, int size)
{
	union et_attr u = {.adaptive = {.p = size, .q = size}};
	append(c, suffix, &et_type_adaptive_avgpool2d, &c->at, 1, &u);
}

void et_compose_resize(struct et_compose *c, const char *suffix, struct et_shape like)
{
	struct et_shape now = et_compose_shape(c);
	union et_attr u = {.up = {.mode = ET_UPSAMPLE_BILINEAR, .p = like.h, .q = like.w}};
	if (now.h != like.h || now.w != like.w)
		append(c, suffix, &et_type_upsample2d, &c->at, 1, &u);
}

/* ---- keys ------------------------------------------------------------------------------------ */

int et_compose_width(const struct et_spec_builder *b, const cJSON *o, const char *where, int64_t *v,
		     struct et_err *err)
{
	int found = et_spec_channels(b, o, where, 1 << 16, v, err);
	ET_TRY(found);
	return found ? ET_OK : et_fail(err, ET_EDATA, "%s: out_channels is missing", where);
}

int et_compose_list(const cJSON *o, const char *where, const char *key, int max, int *v, int room,
		    int *n, struct et_err *err)
{
	double given[16];
	size_t count;

	int found = et_json_nums(o, where, key, given, et_min((size_t)room, ET_COUNT(given)),
				 &count, err);
	ET_TRY(found);
	for (size_t i = 0; found && i < count; i++)
		if (!(given[i] >= 1 && given[i] <= max) || given[i] != floor(given[i]))
			return et_fail(err, ET_EDATA,
				       "%s: %s: expected whole numbers from 1 to %d, found %g",
				       where, key, max, given[i]);
	for (size_t i = 0; found && i < count; i++)
		v[i] = (int)given[i];
	if (found)
		*n = (int)count;
	return found;
}

/* ---- the list -------------------------------------------------------------------------------- */

static const struct et_composite *const composites[] = {
	&et_basic_block, &et_inverted_residual, &et_fcn, &et_aspp, &et_psp, &et_uper,
};

const struct et_composite *et_composite_at(size_t i)
{
	return i < ET_COUNT(composites) ? composites[i] : NULL;
}

const struct et_composite *et_composite_find(const char *name)
{
	for (size_t i = 0; i < ET_COUNT(composites); i++)
		if (strcmp(composites[i]->name, name) == 0)
			return composites[i];
	return NULL;
}

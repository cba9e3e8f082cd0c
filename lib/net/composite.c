/* Composite layer types: torchvision's blocks, with torchvision's parameter names. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "net/spec.h"

/* A composite being expanded: the first failure sticks, later calls do nothing. */
struct chain {
	struct et_spec_builder *b;
	const char *name;
	struct et_err *err;
	int at;	    /* current layer, or -1 = input */
	int status; /* negative after a failure */
};

static void append(struct chain *c, const char *suffix, const struct et_type *type, const int *in,
		   int n_in, const union et_attr *u)
{
	char name[256];

	if (c->status < 0)
		return;
	snprintf(name, sizeof(name), "%s.%s", c->name, suffix);
	c->status = et_spec_add(c->b, name, type, in, n_in, u, c->err);
	c->at = c->status;
}

static void conv(struct chain *c, const char *suffix, int out, int kernel, int stride, int groups)
{
	union et_attr u = {.conv = {.g = {.k = out,
					  .kh = kernel,
					  .kw = kernel,
					  .sh = stride,
					  .sw = stride,
					  .ph = kernel / 2,
					  .pw = kernel / 2,
					  .dh = 1,
					  .dw = 1,
					  .groups = groups}}};
	append(c, suffix, &et_type_conv2d, &c->at, 1, &u);
}

static void norm(struct chain *c, const char *suffix)
{
	union et_attr u = {.bn = {.eps = 1e-5, .momentum = 0.1}};
	append(c, suffix, &et_type_batchnorm2d, &c->at, 1, &u);
}

static void plain(struct chain *c, const char *suffix, const struct et_type *type)
{
	union et_attr u;
	memset(&u, 0, sizeof(u));
	append(c, suffix, type, &c->at, 1, &u);
}

static void join(struct chain *c, const char *suffix, int other)
{
	union et_attr u;
	int in[2] = {c->at, other};
	memset(&u, 0, sizeof(u));
	append(c, suffix, &et_type_add, in, 2, &u);
}

static int required(const cJSON *o, const char *where, const char *key, int64_t max, int64_t *v,
		    struct et_err *err)
{
	int found = et_json_int(o, where, key, 1, max, v, err);
	ET_TRY(found);
	return found ? ET_OK : et_fail(err, ET_EDATA, "%s: %s is missing", where, key);
}

static const char *const basic_keys[] = {"out_channels", "stride", NULL};

/* torchvision.models.resnet.BasicBlock: 3x3, 3x3, and a 1x1 on the shortcut where shapes differ. */
static int basic_block(struct et_spec_builder *b, const char *name, const cJSON *o,
		       const char *where, int in, struct et_err *err)
{
	int64_t out, stride = 1;
	struct chain c = {.b = b, .name = name, .err = err, .at = in};

	ET_TRY(required(o, where, "out_channels", 1 << 16, &out, err));
	ET_TRY(et_json_int(o, where, "stride", 1, 16, &stride, err));
	int shortcut = in;
	if (stride != 1 || et_spec_shape(b->spec, in).c != out) {
		conv(&c, "downsample.0", (int)out, 1, (int)stride, 1);
		norm(&c, "downsample.1");
		shortcut = c.at;
		c.at = in;
	}
	conv(&c, "conv1", (int)out, 3, (int)stride, 1);
	norm(&c, "bn1");
	plain(&c, "relu1", &et_type_relu);
	conv(&c, "conv2", (int)out, 3, 1, 1);
	norm(&c, "bn2");
	join(&c, "add", shortcut);
	plain(&c, "relu2", &et_type_relu);
	return c.status;
}

static const char *const inverted_keys[] = {"out_channels", "stride", "expand_ratio", "kernel_size",
					    NULL};

/* torchvision.models.mobilenetv2.InvertedResidual: 1x1 expansion, depthwise, linear 1x1. */
static int inverted_residual(struct et_spec_builder *b, const char *name, const cJSON *o,
			     const char *where, int in, struct et_err *err)
{
	int64_t out, stride = 1, kernel = 3;
	double expand = 6;
	struct chain c = {.b = b, .name = name, .err = err, .at = in};
	int channels = et_spec_shape(b->spec, in).c;

	ET_TRY(required(o, where, "out_channels", 1 << 16, &out, err));
	ET_TRY(et_json_int(o, where, "stride", 1, 16, &stride, err));
	ET_TRY(et_json_int(o, where, "kernel_size", 1, 31, &kernel, err));
	ET_TRY(et_json_num(o, where, "expand_ratio", 0.01, 100, &expand, err));
	if (kernel % 2 == 0)
		return et_fail(err, ET_EDATA, "%s: kernel_size: expected an odd number, found %d",
			       where, (int)kernel);
	int hidden = (int)lrint(channels * expand);
	bool expands = expand != 1;
	if (hidden < 1)
		return et_fail(err, ET_EDATA, "%s: expand_ratio: %g leaves no channel of %d", where,
			       expand, channels);
	if (expands) {
		conv(&c, "conv.0.0", hidden, 1, 1, 1);
		norm(&c, "conv.0.1");
		plain(&c, "conv.0.2", &et_type_relu6);
	}
	conv(&c, expands ? "conv.1.0" : "conv.0.0", hidden, (int)kernel, (int)stride, hidden);
	norm(&c, expands ? "conv.1.1" : "conv.0.1");
	plain(&c, expands ? "conv.1.2" : "conv.0.2", &et_type_relu6);
	conv(&c, expands ? "conv.2" : "conv.1", (int)out, 1, 1, 1);
	norm(&c, expands ? "conv.3" : "conv.2");
	if (stride == 1 && channels == out)
		join(&c, "add", in);
	return c.status;
}

static const struct et_composite composites[] = {
	{"basic_block", basic_keys, basic_block},
	{"inverted_residual", inverted_keys, inverted_residual},
};

const struct et_composite *et_composite_at(size_t i)
{
	return i < ET_COUNT(composites) ? &composites[i] : NULL;
}

const struct et_composite *et_composite_find(const char *name)
{
	for (size_t i = 0; i < ET_COUNT(composites); i++)
		if (strcmp(composites[i].name, name) == 0)
			return &composites[i];
	return NULL;
}

/* Composite layer types: torchvision's blocks, with torchvision's parameter names or the file's. */
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
	bool norms; /* batch norm behind convolutions; else these have biases */
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
					  .groups = groups},
				    .bias = !c->norms}};
	append(c, suffix, &et_type_conv2d, &c->at, 1, &u);
}

static void norm(struct chain *c, const char *suffix)
{
	union et_attr u = {.bn = {.eps = 1e-5, .momentum = 0.1}};
	if (!c->norms)
		return;
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

static const char *const basic_keys[] = {"out_channels", "stride", "batchnorm", NULL};

/* torchvision.models.resnet.BasicBlock: 3x3, 3x3, and a 1x1 on the shortcut where shapes differ. */
static int basic_block(struct et_spec_builder *b, const char *name, const cJSON *o,
		       const char *where, int in, struct et_err *err)
{
	int64_t out, stride = 1;
	struct chain c = {.b = b, .name = name, .err = err, .at = in, .norms = true};

	ET_TRY(required(o, where, "out_channels", 1 << 16, &out, err));
	ET_TRY(et_json_int(o, where, "stride", 1, 16, &stride, err));
	ET_TRY(et_json_bool(o, where, "batchnorm", &c.norms, err));
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

/* A convolution of a block with what follows it: names of the three layers. */
struct part {
	char conv[80], norm[80], act[80];
};

/*
 * torchvision's names of the three parts of an inverted residual: two Sequentials inside one, and a
 * convolution and its batch norm beside them. Without an expansion all move up by one.
 */
static void torchvision_parts(struct part part[3], bool expands)
{
	for (int i = 0; i < 3; i++) {
		int at = expands || !i ? i : i - 1;
		bool last = i == 2;
		snprintf(part[i].conv, sizeof(part[i].conv), last ? "conv.%d" : "conv.%d.0", at);
		snprintf(part[i].norm, sizeof(part[i].norm), last ? "conv.%d" : "conv.%d.1",
			 last ? at + 1 : at);
		snprintf(part[i].act, sizeof(part[i].act), "conv.%d.2", at);
	}
}

/*
 * The key "names": an array of three, for expansion, depthwise and projection. A part is a module
 * of conv and bn; where there is no batch norm, the convolution itself. Returns 1 if it is there.
 */
static int named_parts(const cJSON *o, const char *where, bool norms, struct part part[3],
		       struct et_err *err)
{
	const cJSON *names = cJSON_GetObjectItemCaseSensitive(o, "names");
	int i = 0;

	if (!names)
		return 0;
	if (!cJSON_IsArray(names) || cJSON_GetArraySize(names) != 3)
		return et_fail(err, ET_EDATA, "%s: names: expected an array of 3 names", where);
	for (const cJSON *v = names->child; v; v = v->next, i++) {
		const char *name = cJSON_IsString(v) ? v->valuestring : "";
		ET_TRY(et_spec_check_name(where, "names", name, 64, err));
		snprintf(part[i].conv, sizeof(part[i].conv), norms ? "%s.conv" : "%s", name);
		snprintf(part[i].norm, sizeof(part[i].norm), "%s.bn", name);
		snprintf(part[i].act, sizeof(part[i].act), "%s.act", name);
	}
	return 1;
}

struct inverted {
	int64_t out, stride, kernel;
	double expand;
	struct part part[3];
};

static const char *const inverted_keys[] = {
	"out_channels", "stride", "expand_ratio", "kernel_size", "batchnorm", "names", NULL};

static int read_inverted(struct inverted *v, bool *norms, const cJSON *o, const char *where,
			 struct et_err *err)
{
	v->stride = 1;
	v->kernel = 3;
	v->expand = 6;
	ET_TRY(required(o, where, "out_channels", 1 << 16, &v->out, err));
	ET_TRY(et_json_int(o, where, "stride", 1, 16, &v->stride, err));
	ET_TRY(et_json_int(o, where, "kernel_size", 1, 31, &v->kernel, err));
	ET_TRY(et_json_num(o, where, "expand_ratio", 0.01, 100, &v->expand, err));
	ET_TRY(et_json_bool(o, where, "batchnorm", norms, err));
	if (v->kernel % 2 == 0)
		return et_fail(err, ET_EDATA, "%s: kernel_size: expected an odd number, found %d",
			       where, (int)v->kernel);
	int named = named_parts(o, where, *norms, v->part, err);
	ET_TRY(named);
	if (!named)
		torchvision_parts(v->part, v->expand != 1);
	return ET_OK;
}

/* torchvision.models.mobilenetv2.InvertedResidual: 1x1 expansion, depthwise, linear 1x1. */
static int inverted_residual(struct et_spec_builder *b, const char *name, const cJSON *o,
			     const char *where, int in, struct et_err *err)
{
	struct inverted v;
	struct chain c = {.b = b, .name = name, .err = err, .at = in, .norms = true};
	int channels = et_spec_shape(b->spec, in).c;

	ET_TRY(read_inverted(&v, &c.norms, o, where, err));
	int hidden = (int)lrint(channels * v.expand);
	if (hidden < 1)
		return et_fail(err, ET_EDATA, "%s: expand_ratio: %g leaves no channel of %d", where,
			       v.expand, channels);
	if (v.expand != 1) {
		conv(&c, v.part[0].conv, hidden, 1, 1, 1);
		norm(&c, v.part[0].norm);
		plain(&c, v.part[0].act, &et_type_relu6);
	}
	conv(&c, v.part[1].conv, hidden, (int)v.kernel, (int)v.stride, hidden);
	norm(&c, v.part[1].norm);
	plain(&c, v.part[1].act, &et_type_relu6);
	conv(&c, v.part[2].conv, (int)v.out, 1, 1, 1);
	norm(&c, v.part[2].norm);
	if (v.stride == 1 && channels == v.out)
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

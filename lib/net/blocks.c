/* Blocks of which networks are built: torchvision's, with torchvision's parameter names or the
 * file's. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "net/compose.h"

static const char *const basic_keys[] = {"out_channels",   "min_width_mult", "stride", "dilation",
					 "first_dilation", "batchnorm",	     NULL};

/*
 * torchvision.models.resnet.BasicBlock: 3x3, 3x3, and a 1x1 on the shortcut where shapes differ;
 * dilations as in timm's.
 */
static int basic_block(struct et_spec_builder *b, const char *name, const cJSON *o,
		       const char *where, const int *in, int n_in, struct et_err *err)
{
	int64_t out, stride = 1, dilation = 1, first;
	struct et_compose c = {.b = b, .name = name, .err = err, .at = in[0], .norms = true};
	(void)n_in;

	ET_TRY(et_compose_width(b, o, where, &out, err));
	ET_TRY(et_json_int(o, where, "stride", 1, 16, &stride, err));
	ET_TRY(et_json_int(o, where, "dilation", 1, 64, &dilation, err));
	first = dilation;
	ET_TRY(et_json_int(o, where, "first_dilation", 1, 64, &first, err));
	ET_TRY(et_json_bool(o, where, "batchnorm", &c.norms, err));
	struct et_compose_conv conv = {.out = (int)out, .kernel = 1, .stride = (int)stride};
	int shortcut = in[0];
	if (stride != 1 || et_spec_shape(b->spec, in[0]).c != out) {
		et_compose_conv(&c, "downsample.0", conv);
		et_compose_norm(&c, "downsample.1");
		shortcut = c.at;
		et_compose_from(&c, in[0]);
	}
	conv.kernel = 3;
	conv.dilation = (int)first;
	et_compose_conv(&c, "conv1", conv);
	et_compose_norm(&c, "bn1");
	et_compose_plain(&c, "relu1", &et_type_relu);
	conv.stride = 1;
	conv.dilation = (int)dilation;
	et_compose_conv(&c, "conv2", conv);
	et_compose_norm(&c, "bn2");
	et_compose_join(&c, "add", &et_type_add, (int[]){c.at, shortcut}, 2);
	et_compose_plain(&c, "relu2", &et_type_relu);
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
	int64_t out, stride, kernel, dilation;
	double expand;
	struct part part[3];
};

static const char *const inverted_keys[] = {"out_channels", "min_width_mult", "stride",
					    "expand_ratio", "kernel_size",    "dilation",
					    "batchnorm",    "names",	      NULL};

static int read_inverted(struct inverted *v, bool *norms, const struct et_spec_builder *b,
			 const cJSON *o, const char *where, struct et_err *err)
{
	v->stride = v->dilation = 1;
	v->kernel = 3;
	v->expand = 6;
	ET_TRY(et_compose_width(b, o, where, &v->out, err));
	ET_TRY(et_json_int(o, where, "stride", 1, 16, &v->stride, err));
	ET_TRY(et_json_int(o, where, "kernel_size", 1, 31, &v->kernel, err));
	ET_TRY(et_json_int(o, where, "dilation", 1, 64, &v->dilation, err));
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

static void add_part(struct et_compose *c, const struct part *part, bool act,
		     struct et_compose_conv conv)
{
	et_compose_conv(c, part->conv, conv);
	et_compose_norm(c, part->norm);
	if (act)
		et_compose_plain(c, part->act, &et_type_relu6);
}

/* torchvision.models.mobilenetv2.InvertedResidual: 1x1 expansion, depthwise, linear 1x1. */
static int inverted_residual(struct et_spec_builder *b, const char *name, const cJSON *o,
			     const char *where, const int *in, int n_in, struct et_err *err)
{
	struct inverted v;
	struct et_compose c = {.b = b, .name = name, .err = err, .at = in[0], .norms = true};
	int channels = et_spec_shape(b->spec, in[0]).c;
	(void)n_in;

	ET_TRY(read_inverted(&v, &c.norms, b, o, where, err));
	int hidden = (int)lrint(channels * v.expand);
	if (hidden < 1)
		return et_fail(err, ET_EDATA, "%s: expand_ratio: %g leaves no channel of %d", where,
			       v.expand, channels);
	if (v.expand != 1)
		add_part(&c, &v.part[0], true,
			 (struct et_compose_conv){.out = hidden, .kernel = 1});
	add_part(&c, &v.part[1], true,
		 (struct et_compose_conv){.out = hidden,
					  .kernel = (int)v.kernel,
					  .stride = (int)v.stride,
					  .dilation = (int)v.dilation,
					  .groups = hidden});
	add_part(&c, &v.part[2], false, (struct et_compose_conv){.out = (int)v.out, .kernel = 1});
	if (v.stride == 1 && channels == v.out)
		et_compose_join(&c, "add", &et_type_add, (int[]){c.at, in[0]}, 2);
	return c.status;
}

const struct et_composite et_basic_block = {"basic_block", basic_keys, 1, 1, basic_block};
const struct et_composite et_inverted_residual = {"inverted_residual", inverted_keys, 1, 1,
						  inverted_residual};

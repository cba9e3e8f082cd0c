/* Blocks: layers, names and shapes; whole networks against the lists of those they are taken from.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/types.h"
#include "test_spec.h"

static struct et_err err;

struct layer {
	const char *name, *type;
	int in[2];
	int h, c;
};

static void check_layers(const char *layers, const struct layer *want, int n)
{
	struct et_spec spec;
	char text[500];
	snprintf(text, sizeof(text), "%s,{'type':'global_avgpool2d'}", layers);
	if (spec_parse(&spec, net_text(3, 9, 9, want[n - 1].c, text), &err) < 0)
		ck_abort_msg("%s", err.text);
	ck_assert_int_eq(spec.n, n + 1);
	for (int i = 0; i < n; i++) {
		const struct et_layer_desc *d = &spec.layers[i];
		ck_assert_str_eq(d->name, want[i].name);
		ck_assert_str_eq(d->type->name, want[i].type);
		ck_assert_int_eq(d->n_in, strcmp(want[i].type, "add") ? 1 : 2);
		for (int k = 0; k < d->n_in; k++)
			ck_assert_msg(d->in[k] == want[i].in[k], "%s: input %d is %d", d->name, k,
				      d->in[k]);
		ck_assert_msg(d->out.c == want[i].c && d->out.h == want[i].h &&
				      d->out.w == want[i].h,
			      "%s: %d channels, %dx%d", d->name, d->out.c, d->out.h, d->out.w);
	}
	et_spec_free(&spec);
}
#define LAYERS(text, ...)                                        \
	do {                                                     \
		const struct layer want_[] = {__VA_ARGS__};      \
		check_layers(text, want_, (int)ET_COUNT(want_)); \
	} while (0)

START_TEST(expansion)
{
	LAYERS("{'name':'b','type':'basic_block','out_channels':3}",
	       {"b.conv1", "conv2d", {-1}, 9, 3}, {"b.bn1", "batchnorm2d", {0}, 9, 3},
	       {"b.relu1", "relu", {1}, 9, 3}, {"b.conv2", "conv2d", {2}, 9, 3},
	       {"b.bn2", "batchnorm2d", {3}, 9, 3}, {"b.add", "add", {4, -1}, 9, 3},
	       {"b.relu2", "relu", {5}, 9, 3});
	LAYERS("{'name':'b','type':'basic_block','out_channels':8,'stride':2}",
	       {"b.downsample.0", "conv2d", {-1}, 5, 8},
	       {"b.downsample.1", "batchnorm2d", {0}, 5, 8}, {"b.conv1", "conv2d", {-1}, 5, 8},
	       {"b.bn1", "batchnorm2d", {2}, 5, 8}, {"b.relu1", "relu", {3}, 5, 8},
	       {"b.conv2", "conv2d", {4}, 5, 8}, {"b.bn2", "batchnorm2d", {5}, 5, 8},
	       {"b.add", "add", {6, 1}, 5, 8}, {"b.relu2", "relu", {7}, 5, 8});
	LAYERS("{'name':'m','type':'inverted_residual','out_channels':3,'expand_ratio':2}",
	       {"m.conv.0.0", "conv2d", {-1}, 9, 6}, {"m.conv.0.1", "batchnorm2d", {0}, 9, 6},
	       {"m.conv.0.2", "relu6", {1}, 9, 6}, {"m.conv.1.0", "conv2d", {2}, 9, 6},
	       {"m.conv.1.1", "batchnorm2d", {3}, 9, 6}, {"m.conv.1.2", "relu6", {4}, 9, 6},
	       {"m.conv.2", "conv2d", {5}, 9, 3}, {"m.conv.3", "batchnorm2d", {6}, 9, 3},
	       {"m.add", "add", {7, -1}, 9, 3});
	LAYERS("{'name':'m','type':'inverted_residual','out_channels':3,'expand_ratio':1,"
	       "'stride':2,'kernel_size':7}",
	       {"m.conv.0.0", "conv2d", {-1}, 5, 3}, {"m.conv.0.1", "batchnorm2d", {0}, 5, 3},
	       {"m.conv.0.2", "relu6", {1}, 5, 3}, {"m.conv.1", "conv2d", {2}, 5, 3},
	       {"m.conv.2", "batchnorm2d", {3}, 5, 3});
}
END_TEST

/* Without batch norm, and with parts named by the spec. */
START_TEST(variants)
{
	LAYERS("{'name':'b','type':'basic_block','out_channels':8,'batchnorm':false}",
	       {"b.downsample.0", "conv2d", {-1}, 9, 8}, {"b.conv1", "conv2d", {-1}, 9, 8},
	       {"b.relu1", "relu", {1}, 9, 8}, {"b.conv2", "conv2d", {2}, 9, 8},
	       {"b.add", "add", {3, 0}, 9, 8}, {"b.relu2", "relu", {4}, 9, 8});
	LAYERS("{'name':'m','type':'inverted_residual','out_channels':3,'expand_ratio':2,"
	       "'batchnorm':false}",
	       {"m.conv.0.0", "conv2d", {-1}, 9, 6}, {"m.conv.0.2", "relu6", {0}, 9, 6},
	       {"m.conv.1.0", "conv2d", {1}, 9, 6}, {"m.conv.1.2", "relu6", {2}, 9, 6},
	       {"m.conv.2", "conv2d", {3}, 9, 3}, {"m.add", "add", {4, -1}, 9, 3});
	LAYERS("{'name':'m','type':'inverted_residual','out_channels':3,'expand_ratio':2,"
	       "'batchnorm':false,'names':['up','depth','down']}",
	       {"m.up", "conv2d", {-1}, 9, 6}, {"m.up.act", "relu6", {0}, 9, 6},
	       {"m.depth", "conv2d", {1}, 9, 6}, {"m.depth.act", "relu6", {2}, 9, 6},
	       {"m.down", "conv2d", {3}, 9, 3}, {"m.add", "add", {4, -1}, 9, 3});
	LAYERS("{'name':'m','type':'inverted_residual','out_channels':4,'expand_ratio':1,"
	       "'stride':2,'names':['up','depth','down']}",
	       {"m.depth.conv", "conv2d", {-1}, 5, 3}, {"m.depth.bn", "batchnorm2d", {0}, 5, 3},
	       {"m.depth.act", "relu6", {1}, 5, 3}, {"m.down.conv", "conv2d", {2}, 5, 4},
	       {"m.down.bn", "batchnorm2d", {3}, 5, 4});
}
END_TEST

/* ---- whole networks -------------------------------------------------------------------------- */

static char *add(char *at, const char *fmt, ...) ET_PRINTF(2, 3);
static char *add(char *at, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	at += vsprintf(at, fmt, ap);
	va_end(ap);
	return at;
}

static char *resnet18(char *at)
{
	at = add(at, "{'name':'conv1','type':'conv2d','out_channels':64,'kernel_size':7,"
		     "'stride':2,'padding':3,'bias':false},{'name':'bn1','type':'batchnorm2d'},"
		     "{'type':'relu'},"
		     "{'type':'maxpool2d','kernel_size':3,'stride':2,'padding':1}");
	for (int layer = 1; layer <= 4; layer++)
		for (int block = 0; block < 2; block++)
			at = add(at,
				 ",{'name':'layer%d.%d','type':'basic_block','out_channels':%d,"
				 "'stride':%d}",
				 layer, block, 32 << layer, layer > 1 && !block ? 2 : 1);
	return add(at, ",{'type':'global_avgpool2d'},"
		       "{'name':'fc','type':'linear','out_features':1000}");
}

static char *mobilenet_v2(char *at)
{
	/* t, c, n, s of the paper's table 2 */
	static const int table[][4] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
				       {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
	int feature = 1;
	at = add(at, "{'name':'features.0.0','type':'conv2d','out_channels':32,'kernel_size':3,"
		     "'stride':2,'padding':1,'bias':false},"
		     "{'name':'features.0.1','type':'batchnorm2d'},"
		     "{'name':'features.0.2','type':'relu6'}");
	for (size_t i = 0; i < ET_COUNT(table); i++)
		for (int k = 0; k < table[i][2]; k++)
			at = add(at,
				 ",{'name':'features.%d','type':'inverted_residual',"
				 "'out_channels':%d,'stride':%d,'expand_ratio':%d}",
				 feature++, table[i][1], k ? 1 : table[i][3], table[i][0]);
	return add(at, ",{'name':'features.18.0','type':'conv2d','out_channels':1280,"
		       "'kernel_size':1,'bias':false},"
		       "{'name':'features.18.1','type':'batchnorm2d'},"
		       "{'name':'features.18.2','type':'relu6'},{'type':'global_avgpool2d'},"
		       "{'name':'classifier.0','type':'dropout','p':0.2},"
		       "{'name':'classifier.1','type':'linear','out_features':1000}");
}

/* Each line of the list, "name [shape]", is a parameter of ours, and there are no others. */
static void check_list(const struct et_net *net, const char *path)
{
	char line[200], mine[200], shape[128];
	int lines = 0;
	FILE *f = fopen(path, "r");

	ck_assert_msg(f, "%s: unit tests run from the top of the sources", path);
	while (fgets(line, sizeof(line), f)) {
		bool found = false;
		for (int i = 0; i < net->n_params; i++) {
			const struct et_param *p = &net->params[i];
			snprintf(mine, sizeof(mine), "%s %s\n", p->name,
				 et_st_shape_text(p->rank, p->shape, shape));
			found |= strcmp(line, mine) == 0;
		}
		ck_assert_msg(found, "%s: we have no %s", path, line);
		lines++;
	}
	fclose(f);
	ck_assert_int_eq(lines, net->n_params);
}

/* Parameters as listed, so many of them, and so many multiply-adds of one picture. */
static void check_net(const struct et_spec *spec, const char *list, size_t weights, double mac)
{
	struct et_ctx ctx = {.k = et_kern_select("generic"), .threads = 1};
	struct et_net net;
	size_t found = 0;
	double forward, backward;
	int trained;

	if (et_net_build(&net, spec, &ctx, &err) < 0)
		ck_abort_msg("%s", err.text);
	check_list(&net, list);
	for (int k = 0; k < net.n_params; k++)
		if (net.params[k].kind == ET_PARAM_WEIGHT || net.params[k].kind == ET_PARAM_VECTOR)
			found += net.params[k].count;
	ck_assert_uint_eq(found, weights);
	et_net_count(&net, &forward, &backward, &trained);
	ck_assert_double_eq(forward, mac);
	et_net_free(&net);
}

static const struct {
	const char *name;
	size_t weights;
	double mac;
	char *(*layers)(char *at);
} nets[] = {
	{"resnet18", 11689512, 1814073344, resnet18},
	{"mobilenet_v2", 3504872, 300774272, mobilenet_v2},
	{"mcunet-5fps", 630224, 22613504, NULL},
	{"proxyless-w0.3", 423232, 18715904, NULL},
	{"mbv2-w0.35", 357448, 16758912, NULL},
	{"resnet34", 21797672, 3663761408, NULL},
	{"resnet20-cifar", 272474, 40813184, NULL},
	{"fcn-resnet18", 11769301, 12639141888, NULL},
	{"deeplabv3-resnet18", 15904085, 16735666176, NULL},
	{"pspnet-resnet18", 12622293, 13246398464, NULL},
	{"upernet-resnet18", 13713621, 16660430848, NULL},
	{"deeplabv3-mobilenet_v2", 5113877, 5537876672, NULL},
	{"pspnet-mobilenet_v2", 2938005, 3083616320, NULL},
	{"deeplabv3_mnv2_voc", 2112789, 2272758464, NULL},
};

/* tests/gold/net-NAME.txt: of torchvision's or seg.py's state_dict, or of pretrained weights. */
static const char *list_of(const char *name)
{
	static char path[100];
	snprintf(path, sizeof(path), "tests/gold/net-%s.txt", name);
	return path;
}

START_TEST(torchvision)
{
	for (size_t i = 0; i < ET_COUNT(nets); i++) {
		struct et_spec spec;
		char layers[8000];

		if (!nets[i].layers)
			continue;
		nets[i].layers(layers);
		if (spec_parse(&spec, net_text(3, 224, 224, 1000, layers), &err) < 0)
			ck_abort_msg("%s", err.text);
		check_net(&spec, list_of(nets[i].name), nets[i].weights, nets[i].mac);
		et_spec_free(&spec);
	}
}
END_TEST

/* MobileNetV2 as torchvision has it for a width_mult. */
START_TEST(widths)
{
	static const struct {
		const char *mult;
		size_t weights;
	} want[] = {{"0.35", 1677128}, {"0.5", 1968680}, {"1", 3504872}, {"1.4", 6108776}};
	char layers[8000], *last;

	mobilenet_v2(layers);
	last = strstr(layers, "'out_channels':1280");
	memmove(last + 21, last, strlen(last) + 1);
	memcpy(last, "'min_width_mult':1.0,", 21);
	for (size_t i = 0; i < ET_COUNT(want); i++) {
		struct et_ctx ctx = {.k = et_kern_select("generic"), .threads = 1};
		struct et_spec spec;
		struct et_net net;
		size_t found = 0;
		char text[9000];
		snprintf(text, sizeof(text), "{'width_mult':%s,%s", want[i].mult,
			 net_text(3, 224, 224, 1000, layers) + 1);
		if (spec_parse(&spec, net_quotes(text), &err) < 0 ||
		    et_net_build(&net, &spec, &ctx, &err) < 0)
			ck_abort_msg("%s", err.text);
		for (int k = 0; k < net.n_params; k++)
			if (net.params[k].kind != ET_PARAM_RUNNING)
				found += net.params[k].count;
		ck_assert_uint_eq(found, want[i].weights);
		et_net_free(&net);
		et_spec_free(&spec);
	}
}
END_TEST

/* The specs that users get. */
START_TEST(configs)
{
	for (size_t i = 0; i < ET_COUNT(nets); i++) {
		struct et_spec spec;
		char path[100];

		snprintf(path, sizeof(path), "configs/%s.json", nets[i].name);
		if (et_spec_read(&spec, path, &err) < 0)
			ck_abort_msg("%s", err.text);
		ck_assert_str_eq(spec.name, nets[i].name);
		check_net(&spec, list_of(nets[i].name), nets[i].weights, nets[i].mac);
		et_spec_free(&spec);
	}
}
END_TEST

TCase *tcase_blocks(void)
{
	TCase *tc = num_tcase("blocks");
	tcase_add_test(tc, expansion);
	tcase_add_test(tc, variants);
	tcase_add_test(tc, torchvision);
	tcase_add_test(tc, widths);
	tcase_add_test(tc, configs);
	return tc;
}

/* Dilated blocks, defaults of types, and heads of segmentation networks: layers, shapes, names. */
#include <stdio.h>
#include <string.h>

#include "net/types.h"
#include "test_spec.h"

static struct et_err err;

static struct et_spec parse(int h, int w, int classes, const char *layers)
{
	struct et_spec spec;
	if (spec_parse(&spec, net_text(3, h, w, classes, layers), &err) < 0)
		ck_abort_msg("%s", err.text);
	return spec;
}

static void check_conv(const struct et_spec *spec, const char *name, int stride, int dilation)
{
	const struct et_conv *g = &spec_layer(spec, name)->u.conv.g;
	ck_assert_msg(g->sh == stride && g->sw == stride && g->dh == dilation &&
			      g->dw == dilation && g->ph == dilation * (g->kh / 2) &&
			      g->pw == g->ph,
		      "%s: stride %d, dilation %d, padding %d", name, g->sh, g->dh, g->ph);
}

START_TEST(dilations)
{
	struct et_spec spec =
		parse(9, 7, 4,
		      "{'name':'a','type':'basic_block','out_channels':4,'dilation':3},"
		      "{'name':'b','type':'basic_block','out_channels':4,'first_dilation':2,"
		      "'dilation':4,'stride':2},"
		      "{'name':'c','type':'basic_block','out_channels':4,'first_dilation':2},"
		      "{'name':'m','type':'inverted_residual','out_channels':4,'dilation':3,"
		      "'kernel_size':5}");
	check_conv(&spec, "a.conv1", 1, 3);
	check_conv(&spec, "a.conv2", 1, 3);
	check_conv(&spec, "a.downsample.0", 1, 1);
	check_conv(&spec, "b.conv1", 2, 2);
	check_conv(&spec, "b.conv2", 1, 4);
	check_conv(&spec, "c.conv1", 1, 2);
	check_conv(&spec, "c.conv2", 1, 1);
	check_conv(&spec, "m.conv.0.0", 1, 1);
	check_conv(&spec, "m.conv.1.0", 1, 3);
	check_conv(&spec, "m.conv.2", 1, 1);
	struct et_shape s = spec_layer(&spec, "m.add")->out;
	ck_assert(s.h == 5 && s.w == 4 && s.c == 4);
	et_spec_free(&spec);
}
END_TEST

/* As the configs are dilated, a network computes at every eighth pixel what it did at stride 32. */
START_TEST(same_pixels)
{
	static const char *const blocks[2] = {
		"{'name':'a','type':'basic_block','out_channels':4,'stride':2},"
		"{'name':'b','type':'basic_block','out_channels':4},"
		"{'name':'c','type':'inverted_residual','out_channels':5,'stride':2},"
		"{'name':'d','type':'inverted_residual','out_channels':5}",
		"{'name':'a','type':'basic_block','out_channels':4,'first_dilation':1,'dilation':2}"
		","
		"{'name':'b','type':'basic_block','out_channels':4,'dilation':2},"
		"{'name':'c','type':'inverted_residual','out_channels':5,'dilation':2},"
		"{'name':'d','type':'inverted_residual','out_channels':5,'dilation':4}"};
	struct et_ctx ctx = {.k = et_kern_select("generic"), .threads = 1};
	struct net_setup setup = {.eval_batch = 1};
	struct et_rng r = num_rng(61, 0);
	float *x = num_normal(&r, (size_t)3 * 14 * 9);
	struct et_pass pass = {.x = x, .n = 1};
	const float *y[2];
	struct net_case t[2];

	for (int i = 0; i < 2; i++) {
		char text[1000]; /* downsample.0 must stay, so the channels differ */
		snprintf(text, sizeof(text), "%s", blocks[i]);
		net_open(&t[i], &ctx, net_text(3, 14, 9, 5, text), &setup);
		net_randomize(&t[i].net, 7);
		y[i] = et_net_forward(&t[i].net, &pass);
	}
	struct et_shape few = t[0].net.nodes[t[0].net.n - 1].out,
			all = t[1].net.nodes[t[1].net.n - 1].out;
	ck_assert(few.h == 4 && few.w == 3 && all.h == 14 && all.w == 9);
	for (int h = 0; h < few.h; h++)
		for (int w = 0; w < few.w; w++)
			for (int c = 0; c < few.c; c++)
				ck_assert_double_eq_tol(
					(double)y[0][(h * few.w + w) * few.c + c],
					(double)y[1][(4 * h * all.w + 4 * w) * all.c + c], 1e-4);
	net_close(&t[0]);
	net_close(&t[1]);
}
END_TEST

/* What a layer does not say, its type's defaults do. */
START_TEST(defaults)
{
	struct et_spec spec;
	const char *text = net_quotes(
		"{'input':{'channels':3,'height':8,'width':8},'classes':4,"
		"'defaults':{'conv2d':{'kernel_size':3,'padding':1,'bias':false},"
		"'inverted_residual':{'names':['x','y','z'],'expand_ratio':2},'relu':{}},"
		"'layers':[{'name':'a','type':'conv2d','out_channels':4},"
		"{'name':'b','type':'conv2d','out_channels':4,'kernel_size':1,'padding':0},"
		"{'name':'m','type':'inverted_residual','out_channels':4},"
		"{'name':'n','type':'inverted_residual','out_channels':4,'expand_ratio':1},"
		"{'type':'relu'}]}");
	if (spec_parse(&spec, text, &err) < 0)
		ck_abort_msg("%s", err.text);
	ck_assert_int_eq(spec_layer(&spec, "a")->u.conv.g.kh, 3);
	ck_assert(!spec_layer(&spec, "a")->u.conv.bias);
	ck_assert_int_eq(spec_layer(&spec, "b")->u.conv.g.kh, 1);
	ck_assert(!spec_layer(&spec, "b")->u.conv.bias);
	ck_assert_int_eq(spec_layer(&spec, "m.x.conv")->out.c, 8);
	ck_assert_int_eq(spec_layer(&spec, "n.y.conv")->out.c, 4);
	/* The text stays the file's. */
	ck_assert_str_eq(spec.text, text);
	et_spec_free(&spec);
}
END_TEST

/* Numbers of layers of a type, and of dropout what it is. */
static int count(const struct et_spec *spec, const struct et_type *type)
{
	int n = 0;
	for (int i = 0; i < spec->n; i++)
		n += spec->layers[i].type == type;
	return n;
}

static void check_head(const char *head, double dropout, int norms, int resizes)
{
	struct et_spec spec;
	char layers[500];

	snprintf(layers, sizeof(layers),
		 "{'name':'a','type':'conv2d','out_channels':8,'kernel_size':1},"
		 "{'name':'b','type':'maxpool2d','kernel_size':2},{'name':'h',%s}",
		 head);
	spec = parse(12, 10, 7, layers);
	struct et_shape out = spec.layers[spec.n - 1].out;
	bool several = strstr(head, "inputs") != NULL;
	ck_assert_msg(out.h == (several ? 12 : 6) && out.w == (several ? 10 : 5) && out.c == 7,
		      "%s: %dx%d of %d", head, out.h, out.w, out.c);
	ck_assert_int_eq(count(&spec, &et_type_batchnorm2d), norms);
	ck_assert_int_eq(count(&spec, &et_type_upsample2d), resizes);
	ck_assert_int_eq(count(&spec, &et_type_dropout), dropout > 0);
	for (int i = 0; i < spec.n; i++) {
		const struct et_layer_desc *d = &spec.layers[i];
		if (d->type == &et_type_dropout)
			ck_assert(d->u.dropout.p == dropout);
		if (d->type == &et_type_upsample2d)
			ck_assert(d->u.up.mode == ET_UPSAMPLE_BILINEAR);
		/* Biases where there is no batch norm, and in the classifier. */
		if (d->type == &et_type_conv2d && i)
			ck_assert(d->u.conv.bias == (norms == 0 || i == spec.n - 1));
	}
	et_spec_free(&spec);
}

/* Names and numbers of parameters are checked on the configs (test_blocks.c). */
START_TEST(heads)
{
	struct et_spec spec = parse(9, 9, 4, "{'name':'h','type':'aspp','out_channels':4}");
	check_conv(&spec, "h.0.convs.0.0", 1, 1);
	check_conv(&spec, "h.0.convs.1.0", 1, 12);
	check_conv(&spec, "h.0.convs.2.0", 1, 24);
	check_conv(&spec, "h.0.convs.3.0", 1, 36);
	et_spec_free(&spec);
	check_head("'type':'fcn','out_channels':'classes'", 0.1, 1, 0);
	check_head("'type':'fcn','out_channels':7,'dropout':0,'batchnorm':false", 0, 0, 0);
	check_head("'type':'aspp','out_channels':'classes'", 0.5, 7, 1);
	check_head("'type':'aspp','out_channels':'classes','rates':3,'dropout':0.2", 0.2, 5, 1);
	check_head("'type':'psp','out_channels':'classes'", 0.1, 5, 4);
	check_head("'type':'psp','out_channels':'classes','channels':3,'batchnorm':false", 0.1, 0,
		   4);
	/* Pooled to 1 and 2, added to the one before and put beside it; the first is not resized.
	 */
	check_head("'type':'uper','out_channels':'classes','pool_scales':[1,2],'inputs':['a','b']",
		   0.1, 6, 4);
}
END_TEST

TCase *tcase_heads(void)
{
	TCase *tc = num_tcase("heads");
	tcase_add_test(tc, dilations);
	tcase_add_test(tc, same_pixels);
	tcase_add_test(tc, defaults);
	tcase_add_test(tc, heads);
	return tc;
}

/* Specs: shapes of every layer type, and one line for every mistake. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "net/types.h"
#include "net_case.h"
#include "scratch.h"
#include "test_spec.h"

static struct et_err err;

int spec_parse(struct et_spec *spec, const char *text, struct et_err *e)
{
	/* An exact copy on the heap: the sanitizer sees every byte read beyond it. */
	size_t n = strlen(text);
	char *copy = malloc(n + !n);
	ck_assert_ptr_nonnull(copy);
	memcpy(copy, text, n);
	memset(e, 0, sizeof(*e));
	int status = et_spec_parse(spec, copy, n, "n.json", e);
	free(copy);
	return status;
}

const struct et_layer_desc *spec_layer(const struct et_spec *spec, const char *name)
{
	for (int i = 0; i < spec->n; i++)
		if (strcmp(spec->layers[i].name, name) == 0)
			return &spec->layers[i];
	ck_abort_msg("no layer %s", name);
	return NULL;
}

void spec_refuse(const char *text, const char *want)
{
	struct et_spec spec;
	int status = spec_parse(&spec, text, &err);
	ck_assert_msg(status < 0, "accepted: %s", text);
	ck_assert_msg(strcmp(err.text, want) == 0, "%s\nsays: %s\nnot:  %s", text, err.text, want);
	ck_assert_msg(status == ET_EDATA && err.code == ET_EDATA, "%s: status %d", text, status);
	/* A failed spec is empty: closing it again is harmless. */
	et_spec_free(&spec);
}

/* ---- shapes ---------------------------------------------------------------------------------- */

/* Output of the layer "t" behind an input of 3 channels, 11x8. */
START_TEST(shapes)
{
	static const struct {
		const char *layers;
		int h, w, c;
	} good[] = {
		{"{'name':'t','type':'conv2d','out_channels':4,'kernel_size':3}", 9, 6, 4},
		{"{'name':'t','type':'conv2d','out_channels':4,'kernel_size':3,'padding':1,"
		 "'stride':2}",
		 6, 4, 4},
		{"{'name':'t','type':'conv2d','out_channels':6,'kernel_size':[5,2],'stride':[1,3],"
		 "'padding':[2,1],'dilation':[2,1],'groups':3,'bias':false}",
		 7, 3, 6},
		{"{'name':'t','type':'conv2d','out_channels':1.0,'kernel_size':1e0}", 11, 8, 1},
		{"{'type':'flatten'},{'name':'t','type':'linear','out_features':7}", 1, 1, 7},
		{"{'type':'global_avgpool2d'},{'name':'t','type':'linear','out_features':7,"
		 "'bias':false}",
		 1, 1, 7},
		{"{'name':'t','type':'batchnorm2d'}", 11, 8, 3},
		{"{'name':'t','type':'batchnorm2d','eps':0.001,'momentum':0.01}", 11, 8, 3},
		{"{'name':'t','type':'relu'}", 11, 8, 3},
		{"{'name':'t','type':'relu6'}", 11, 8, 3},
		{"{'name':'t','type':'hardswish'}", 11, 8, 3},
		{"{'name':'t','type':'sigmoid'}", 11, 8, 3},
		{"{'name':'t','type':'dropout'}", 11, 8, 3},
		{"{'name':'t','type':'dropout','p':0.2}", 11, 8, 3},
		{"{'name':'t','type':'maxpool2d','kernel_size':2}", 5, 4, 3},
		{"{'name':'t','type':'maxpool2d','kernel_size':2,'ceil_mode':true}", 6, 4, 3},
		{"{'name':'t','type':'maxpool2d','kernel_size':3,'stride':2,'padding':1}", 6, 4, 3},
		/* The last window must begin inside the padded input, not in the padding behind. */
		{"{'name':'t','type':'maxpool2d','kernel_size':2,'stride':3,'ceil_mode':true}", 4,
		 3, 3},
		{"{'name':'t','type':'avgpool2d','kernel_size':[3,2],'stride':[4,2],"
		 "'count_include_pad':false}",
		 3, 4, 3},
		{"{'name':'t','type':'global_avgpool2d'}", 1, 1, 3},
		{"{'name':'t','type':'adaptive_avgpool2d','output_size':[20,5]}", 20, 5, 3},
		{"{'name':'t','type':'adaptive_avgpool2d','output_size':7}", 7, 7, 3},
		{"{'name':'t','type':'upsample2d','scale_factor':2}", 22, 16, 3},
		{"{'name':'t','type':'upsample2d','scale_factor':0.5,'mode':'bilinear'}", 5, 4, 3},
		{"{'name':'t','type':'upsample2d','size':[30,8],'mode':'nearest'}", 30, 8, 3},
		{"{'name':'p','type':'maxpool2d','kernel_size':2},"
		 "{'name':'t','type':'upsample2d','size':'input'}",
		 11, 8, 3},
		{"{'name':'p','type':'maxpool2d','kernel_size':2},{'type':'maxpool2d','kernel_size'"
		 ":"
		 "2},{'name':'t','type':'upsample2d','size':'p','mode':'bilinear'}",
		 5, 4, 3},
		{"{'name':'t','type':'flatten'}", 1, 1, 264},
		{"{'name':'r','type':'relu'},{'name':'t','type':'add','inputs':['r','input']}", 11,
		 8, 3},
		{"{'name':'t','type':'add','inputs':['input','input','input']}", 11, 8, 3},
		{"{'name':'g','type':'global_avgpool2d'},"
		 "{'name':'t','type':'mul','inputs':['input','g']}",
		 11, 8, 3},
		{"{'name':'c','type':'conv2d','out_channels':5,'kernel_size':1},"
		 "{'name':'t','type':'concat','inputs':['input','c','input']}",
		 11, 8, 11},
		{"{'name':'b','type':'basic_block','out_channels':9,'stride':2},"
		 "{'name':'t','type':'relu','inputs':'b'}",
		 6, 4, 9},
		{"{'name':'b','type':'inverted_residual','out_channels':9,'kernel_size':5},"
		 "{'name':'t','type':'relu'}",
		 11, 8, 9},
	};
	for (size_t i = 0; i < ET_COUNT(good); i++) {
		struct et_spec spec;
		char layers[1000];
		snprintf(layers, sizeof(layers), "%s,{'type':'global_avgpool2d'}", good[i].layers);
		if (spec_parse(&spec, net_text(3, 11, 8, good[i].c, layers), &err) < 0)
			ck_abort_msg("%s: %s", good[i].layers, err.text);
		struct et_shape s = spec_layer(&spec, "t")->out;
		ck_assert_msg(s.h == good[i].h && s.w == good[i].w && s.c == good[i].c,
			      "%s: %d channels, %dx%d", good[i].layers, s.c, s.h, s.w);
		et_spec_free(&spec);
	}
}
END_TEST

/* A new type needs a line above, and one for each of its mistakes. */
START_TEST(types)
{
	for (size_t i = 0; et_type_at(i); i++)
		ck_assert_ptr_eq(et_type_find(et_type_at(i)->name), et_type_at(i));
	size_t n = 0;
	while (et_type_at(n))
		n++;
	ck_assert_uint_eq(n, 18);
	ck_assert_ptr_null(et_type_find("Conv2d"));
}
END_TEST

START_TEST(members)
{
	struct et_spec spec;
	const char *text = net_quotes(
		"{'name':'tiny','input':{'channels':3,'height':4,'width':5,'mean':0.5,"
		"'std':[0.1,0.2,0.3],'resize':'stretch','crop_pct':0.875},'classes':2,"
		"'layers':[{'type':'flatten'},{'name':'fc','type':'linear','out_features':2},"
		"{'type':'softmax-cross-entropy','ignore_index':255}],"
		"'train':{'lr':0.5,'trainable':['a.*','b']}}");
	ck_assert_msg(spec_parse(&spec, text, &err) == 0, "%s", err.text);
	ck_assert_str_eq(spec.name, "tiny");
	ck_assert_str_eq(spec.path, "n.json");
	ck_assert_str_eq(spec.text, text);
	ck_assert(spec.mean[0] == 0.5f && spec.mean[2] == 0.5f);
	ck_assert(spec.std[0] == 0.1f && spec.std[1] == 0.2f && spec.std[2] == 0.3f);
	ck_assert(spec.stretch && spec.crop_pct == 0.875);
	ck_assert_int_eq(spec.classes, 2);
	ck_assert_int_eq(spec.ignore_index, 255);
	ck_assert_int_eq(spec.n, 2); /* the loss is not a layer of the net */
	ck_assert_str_eq(spec.layers[0].name, "0");
	ck_assert_int_eq(spec.layers[0].in[0], -1);
	ck_assert_int_eq(spec.layers[1].in[0], 0);
	ck_assert_ptr_nonnull(spec.train);
	et_spec_free(&spec);

	text = net_text(1, 1, 3, 3, "{'type':'flatten'}");
	ck_assert_msg(spec_parse(&spec, text, &err) == 0, "%s", err.text);
	ck_assert_str_eq(spec.name, "net");
	ck_assert(spec.mean[0] == 0 && spec.std[0] == 1 && !spec.stretch && spec.crop_pct == 1);
	ck_assert_int_eq(spec.ignore_index, -1);
	ck_assert_ptr_null(spec.train);
	et_spec_free(&spec);
}
END_TEST

/* Another number of classes: what says "classes" follows, what says a number does not. */
START_TEST(set_classes)
{
	struct et_spec spec;
	char *text = net_text(3, 4, 4, 7,
			      "{'name':'c','type':'conv2d','out_channels':'classes',"
			      "'kernel_size':1},{'type':'relu'},{'type':'global_avgpool2d'}");
	ck_assert_msg(spec_parse(&spec, text, &err) == 0, "%s", err.text);
	ck_assert(spec.follows && spec.layers[0].out.c == 7);
	ck_assert_int_eq(et_spec_set_classes(&spec, 3, &err), ET_OK);
	ck_assert_int_eq(spec.classes, 3);
	ck_assert_int_eq(spec.layers[2].out.c, 3);
	ck_assert_str_eq(spec.path, "n.json");
	/* What a run keeps of it is the spec of three classes. */
	struct et_spec again;
	ck_assert_int_eq(spec_parse(&again, spec.text, &err), ET_OK);
	ck_assert(again.classes == 3 && cJSON_Compare(again.json, spec.json, true));
	et_spec_free(&again);
	et_spec_free(&spec);

	text = net_text(3, 4, 4, 7,
			"{'name':'c','type':'conv2d','out_channels':'classes','kernel_size':1},"
			"{'type':'flatten'},{'name':'fc','type':'linear','out_features':7}");
	ck_assert_msg(spec_parse(&spec, text, &err) == 0, "%s", err.text);
	ck_assert_int_eq(et_spec_set_classes(&spec, 7, &err), ET_OK);
	ck_assert_int_eq(et_spec_set_classes(&spec, 3, &err), ET_EDATA);
	ck_assert_str_eq(err.text, "n.json: layer fc: expected 3 output channels, one a class; "
				   "found 7");
	ck_assert(spec.classes == 7 && spec.layers[0].out.c == 7);
	et_spec_free(&spec);

	ck_assert_int_eq(spec_parse(&spec, net_text(1, 1, 3, 3, "{'type':'flatten'}"), &err),
			 ET_OK);
	ck_assert_int_eq(et_spec_set_classes(&spec, 2, &err), ET_EDATA);
	ck_assert_str_eq(err.text, "n.json says 3");
	et_spec_free(&spec);
}
END_TEST

/* ---- mistakes -------------------------------------------------------------------------------- */

#define REST ",'classes':10,'layers':[{'type':'global_avgpool2d'}]}"
#define ENDS "{'type':'flatten'},{'name':'fc','type':'linear','out_features':10}]"
#define HEAD "{'input':{'channels':3,'height':8,'width':8},'classes':10,"

START_TEST(wrong_roots)
{
	static const struct {
		const char *text, *error;
	} bad[] = {
		{"", "n.json:1:1: expected a value, found the end of the text"},
		{"7", "n.json: expected a JSON object"},
		{"{'input':{'channels':3,'height':8,'width':8},'layers':[]}",
		 "n.json: classes is missing"},
		{HEAD "'clases':10,'layers':[]}",
		 "n.json: spec: unknown key \"clases\"; did you mean \"classes\"?"},
		{HEAD "'name':3,'layers':[]}",
		 "n.json: spec: \"name\": expected a string, found 3"},
		{"{'input':{'channels':3,'height':8,'width':8},'classes':0,'layers':[]}",
		 "n.json: spec: \"classes\": expected an integer from 1 to 1048576, found 0"},
		{HEAD "'width_mult':0,'layers':[]}",
		 "n.json: spec: \"width_mult\": expected a number from 0.01 to 100, found 0"},
		{HEAD "'width_mult':'half','layers':[]}",
		 "n.json: spec: \"width_mult\": expected a number from 0.01 to 100, found "
		 "\"half\""},
		{HEAD "'width_mult':50,'layers':[{'type':'conv2d','out_channels':1000000,"
		      "'kernel_size':1}]}",
		 "n.json: layer 0: out_channels: 1000000 times width_mult 50 is more than 1048576"},
		{HEAD "'defaults':[],'layers':[]}",
		 "n.json: defaults: expected an object of types"},
		{HEAD "'defaults':{'conv2':{}},'layers':[]}",
		 "n.json: defaults: unknown type 'conv2' (did you mean 'conv2d'?)"},
		{HEAD "'defaults':{'conv2d':3},'layers':[]}",
		 "n.json: defaults: conv2d: expected an object, found 3"},
		{HEAD "'defaults':{'conv2d':{'name':'a'}},'layers':[]}",
		 "n.json: defaults: conv2d: unknown key \"name\""},
		{HEAD "'defaults':{'conv2d':{'kernelsize':3}},'layers':[]}",
		 "n.json: defaults: conv2d: unknown key \"kernelsize\"; did you mean "
		 "\"kernel_size\"?"},
		{HEAD "'defaults':{'relu':{'p':3}},'layers':[]}",
		 "n.json: defaults: relu: unknown key \"p\""},
		{HEAD "'defaults':{'conv2d':{'stride':0}},'layers':[{'type':'conv2d',"
		      "'out_channels':3,'kernel_size':1}]}",
		 "n.json: layer 0: \"stride\": expected an integer from 1 to 64, or an array of "
		 "two, found 0"},
		{"{'classes':10,'layers':[]}",
		 "n.json: input: expected an object with channels, height and width"},
		{"{'input':3" REST,
		 "n.json: input: expected an object with channels, height and width"},
		{"{'input':{'height':8,'width':8}" REST, "n.json: input: channels is missing"},
		{"{'input':{'channels':3,'width':8}" REST, "n.json: input: height is missing"},
		{"{'input':{'channels':3,'height':8}" REST, "n.json: input: width is missing"},
		{"{'input':{'channels':2,'height':8,'width':8}" REST,
		 "n.json: input: channels: expected 1 or 3, found 2"},
		{"{'input':{'channels':4,'height':8,'width':8}" REST,
		 "n.json: input: \"channels\": expected an integer from 1 to 3, found 4"},
		{"{'input':{'channels':3,'height':-8,'width':8}" REST,
		 "n.json: input: \"height\": expected an integer from 1 to 8192, found -8"},
		{"{'input':{'channels':3,'height':8,'width':1e12}" REST,
		 "n.json: input: \"width\": expected an integer from 1 to 8192, found "
		 "1000000000000"},
		{"{'input':{'channels':3,'height':8,'widht':8}" REST,
		 "n.json: input: unknown key \"widht\"; did you mean \"width\"?"},
		{"{'input':{'channels':3,'height':8,'width':8,'mean':[1,2]}" REST,
		 "n.json: input: mean and std: expected 1 or 3 numbers, found 2 and 1"},
		{"{'input':{'channels':1,'height':8,'width':8,'std':[1,1,1]}" REST,
		 "n.json: input: mean and std: expected 1 or 1 numbers, found 1 and 3"},
		{"{'input':{'channels':3,'height':8,'width':8,'mean':[]}" REST,
		 "n.json: input: \"mean\": expected a number or an array of 1 to 3 numbers, found "
		 "0"},
		{"{'input':{'channels':3,'height':8,'width':8,'mean':1e7}" REST,
		 "n.json: input: mean: expected numbers from -1e6 to 1e6, found 1e+07"},
		{"{'input':{'channels':3,'height':8,'width':8,'std':[1,0,2]}" REST,
		 "n.json: input: std: expected numbers from 1e-6 to 1e6, found 0"},
		{"{'input':{'channels':3,'height':8,'width':8,'resize':'pad'}" REST,
		 "n.json: input: resize: expected crop or stretch, found 'pad'"},
		{"{'input':{'channels':3,'height':8,'width':8,'crop_pct':2}" REST,
		 "n.json: input: \"crop_pct\": expected a number from 0.1 to 1, found 2"},
		{"{'input':{'channels':3,'height':8,'width':8},'classes':10}",
		 "n.json: layers: expected an array"},
		{HEAD "'layers':{}}", "n.json: layers: expected an array"},
		{HEAD "'layers':[],'layers':[]}",
		 "n.json:1:71: the key \"layers\" appears twice in one object"},
		{HEAD "\n  'layers': [ // all\n",
		 "n.json:2:15: expected a value, found '/' (JSON has no comments)"},
		{HEAD "'layers':[{'type':'dropout','p':NaN}]}",
		 "n.json:1:91: expected a value, found NaN"},
		{HEAD "'layers':[{'type':'dropout','p':1e999}]}",
		 "n.json:1:91: the number 1e999 is too large"},
		{HEAD "'layers':[" ENDS ",'train':7}", "n.json: train: expected an object"},
		{HEAD "'layers':[" ENDS ",'train':{'learning':1}}",
		 "n.json: train: unknown key 'learning'"},
		{HEAD "'layers':[" ENDS ",'train':{'momentun':1}}",
		 "n.json: train: unknown key 'momentun' (did you mean 'momentum'?)"},
		{HEAD "'layers':[" ENDS ",'train':{'lr':-0.05}}",
		 "n.json: train: lr: expected a number from 0 to 3.40282e+38, found '-0.05'"},
		{HEAD "'layers':[" ENDS ",'train':{'last':1,'trainable':'fc'}}",
		 "n.json: last and trainable exclude each other: found last 1 and trainable 'fc'"},
	};
	for (size_t i = 0; i < ET_COUNT(bad); i++)
		spec_refuse(net_quotes(bad[i].text), bad[i].error);
}
END_TEST

/* No beginning of a spec is a spec, and none makes it read beyond its end. */
START_TEST(truncated)
{
	char *text = net_text(3, 8, 8, 10,
			      "{'name':'c','type':'conv2d','out_channels':4,'kernel_size':[3,3]},"
			      "{'name':'b','type':'basic_block','out_channels':4},"
			      "{'name':'a','type':'add','inputs':['b','c']}," ENDS
			      ",'train':{'lr':1e-2,'trainable':['fc']");
	struct et_spec spec;
	strcpy(text + strlen(text) - 2, "}}"); /* net_text() closes an array that is closed */
	ck_assert_msg(spec_parse(&spec, text, &err) == 0, "%s", err.text);
	et_spec_free(&spec);
	for (size_t n = strlen(text); n-- > 0;) {
		text[n] = 0;
		ck_assert_int_eq(spec_parse(&spec, text, &err), ET_EDATA);
		ck_assert_int_eq(strncmp(err.text, "n.json:1:", 9), 0);
	}
}
END_TEST

START_TEST(many_layers)
{
	static const char one[] = ",{'type':'relu'}";
	struct et_spec spec;

	for (int n = 4096; n <= 5000; n += 904) {
		char *layers = num_alloc((size_t)n * sizeof(one), 1);
		for (int i = 0; i < n; i++)
			memcpy(layers + (size_t)i * (sizeof(one) - 1), one, sizeof(one));
		int status = spec_parse(&spec, net_text(3, 1, 1, 3, layers + 1), &err);
		if (n == 4096) {
			ck_assert_msg(status == 0, "%s", err.text);
			ck_assert_int_eq(spec.n, 4096);
			ck_assert_str_eq(spec.layers[4095].name, "4095");
			et_spec_free(&spec);
		} else {
			ck_assert_int_eq(status, ET_EDATA);
			ck_assert_str_eq(err.text, "n.json: layers: more than 4096");
		}
	}
}
END_TEST

START_TEST(files)
{
	struct et_spec spec;
	char *text = net_text(1, 2, 2, 4, "{'type':'flatten'}"), want[800];

	const char *path = scratch_put("good.json", text, strlen(text));
	ck_assert_msg(et_spec_read(&spec, path, &err) == 0, "%s", err.text);
	ck_assert_str_eq(spec.path, path);
	ck_assert_str_eq(spec.text, text);
	et_spec_free(&spec);
	path = scratch_path("none.json");
	ck_assert_int_eq(et_spec_read(&spec, path, &err), ET_ENOINPUT);
	ck_assert_ptr_nonnull(strstr(err.text, path));
	et_spec_free(&spec);
	path = scratch_put("bad.json", "[]", 2);
	ck_assert_int_eq(et_spec_read(&spec, path, &err), ET_EDATA);
	snprintf(want, sizeof(want), "%s: expected a JSON object", path);
	ck_assert_str_eq(err.text, want);
}
END_TEST

Suite *suite_spec(void);
Suite *suite_spec(void)
{
	Suite *s = suite_create("spec");
	TCase *tc = num_tcase("spec");
	tcase_add_checked_fixture(tc, scratch_open, scratch_close);
	tcase_add_test(tc, shapes);
	tcase_add_test(tc, types);
	tcase_add_test(tc, members);
	tcase_add_test(tc, set_classes);
	tcase_add_test(tc, wrong_roots);
	tcase_add_test(tc, truncated);
	tcase_add_test(tc, many_layers);
	tcase_add_test(tc, files);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, tcase_layers());
	suite_add_tcase(s, tcase_blocks());
	suite_add_tcase(s, tcase_heads());
	return s;
}

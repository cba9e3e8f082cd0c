/* Mistakes in the layers of a spec: each is one line that names layer, key, expected and found. */
#include <stdio.h>

#include "test_spec.h"

/* Behind an input of 3 channels of 8x8, in front of 10 classes. */
static const struct {
	const char *layers, *error;
} bad[] = {
	/* names, types, keys */
	{"", "layers: there are none"},
	{"3", "layers[0]: expected an object"},
	{"{}", "layer 0: type is missing"},
	{"{'name':'r'}", "layer r: type is missing"},
	{"{'name':'r','type':7}", "layer r: \"type\": expected a string, found 7"},
	{"{'name':7,'type':'relu'}", "layers[0]: \"name\": expected a string, found 7"},
	{"{'name':'','type':'relu'}", "layers[0]: name: expected 1 to 128 characters, found 0"},
	{"{'name':'a b','type':'relu'}",
	 "layers[0]: name: spaces, control characters and , * ? [ ] are not allowed"},
	{"{'name':'a*','type':'relu'}",
	 "layers[0]: name: spaces, control characters and , * ? [ ] are not allowed"},
	{"{'name':'input','type':'relu'}",
	 "layer input: the name input stands for the network's input"},
	{"{'type':'relu'},{'name':'c','type':'conv2'}",
	 "layer c: unknown type 'conv2' (did you mean 'conv2d'?)"},
	{"{'name':'c','type':'basicblock'}",
	 "layer c: unknown type 'basicblock' (did you mean 'basic_block'?)"},
	{"{'name':'c','type':'frobnicate'}", "layer c: unknown type 'frobnicate'"},
	{"{'name':'c','type':'relu','inplace':true}", "layer c: unknown key \"inplace\""},
	{"{'name':'f','type':'flatten'},{'name':'f','type':'linear','out_features':10}",
	 "layer f: the name is taken by an earlier layer"},
	{"{'name':'1','type':'relu'},{'type':'flatten'}",
	 "layer 1: the name is taken by an earlier layer"},
	{"{'name':'b.conv1','type':'conv2d','out_channels':3,'kernel_size':1},"
	 "{'name':'b','type':'basic_block','out_channels':3}",
	 "layer b.conv1: the name is taken by an earlier layer"},
	{"{'name':'b','type':'basic_block','out_channels':3},{'name':'b.add','type':'relu'}",
	 "layer b.add: the name is taken by an earlier layer"},
	/* inputs */
	{"{'name':'f','type':'flatten'},{'name':'fc','type':'linear','out_features':10,"
	 "'inputs':'flat'}",
	 "layer fc: inputs: no earlier layer is named 'flat'"},
	{"{'name':'flat','type':'flatten'},{'name':'fc','type':'linear','out_features':10,"
	 "'inputs':'falt'}",
	 "layer fc: inputs: no earlier layer is named 'falt' (did you mean 'flat'?)"},
	{"{'name':'f','type':'flatten','inputs':['fc']},"
	 "{'name':'fc','type':'linear','out_features':10}",
	 "layer f: inputs: no earlier layer is named 'fc'"},
	{"{'name':'f','type':'flatten','inputs':'f'}",
	 "layer f: inputs: no earlier layer is named 'f'"},
	{"{'name':'f','type':'flatten','inputs':[]}",
	 "layer f: inputs: expected a layer's name or an array of them"},
	{"{'name':'f','type':'flatten','inputs':3}",
	 "layer f: inputs: expected a layer's name or an array of them"},
	{"{'name':'f','type':'flatten','inputs':[3]}", "layer f: inputs: expected names"},
	{"{'name':'f','type':'flatten','inputs':['input','input']}",
	 "layer f: flatten takes 1 input, found 2"},
	{"{'name':'a','type':'add'}", "layer a: add takes 2 to 16 inputs, found 1"},
	{"{'name':'m','type':'mul','inputs':['input','input','input']}",
	 "layer m: mul takes 2 inputs, found 3"},
	{"{'name':'b','type':'basic_block','out_channels':4,'inputs':['input','input']}",
	 "layer b: basic_block takes 1 input, found 2"},
	{"{'name':'a','type':'concat','inputs':['input','input','input','input','input','input',"
	 "'input','input','input','input','input','input','input','input','input','input',"
	 "'input']}",
	 "layer a: inputs: more than 16"},
	{"{'name':'c','type':'conv2d','out_channels':4,'kernel_size':3},"
	 "{'name':'f','type':'flatten','inputs':'input'},"
	 "{'name':'fc','type':'linear','out_features':10}",
	 "layer c: no later layer uses its output"},
	/* shapes that do not meet */
	{"{'name':'c','type':'conv2d','out_channels':4,'kernel_size':3},"
	 "{'name':'a','type':'add','inputs':['c','input']}",
	 "layer a: add takes inputs of one shape, found 6x6x4 and 8x8x3 (channels last)"},
	{"{'name':'c','type':'conv2d','out_channels':4,'kernel_size':3},"
	 "{'name':'a','type':'mul','inputs':['c','input']}",
	 "layer a: mul takes inputs of one shape, or a second one of 1x1 with as many channels, "
	 "found 6x6x4 and 8x8x3 (channels last)"},
	{"{'name':'c','type':'conv2d','out_channels':4,'kernel_size':3},"
	 "{'name':'a','type':'concat','inputs':['c','input']}",
	 "layer a: concat joins channels of inputs of one size, found 6x6 and 8x8"},
	{"{'name':'fc','type':'linear','out_features':10}",
	 "layer fc: linear takes one vector an image, found 8x8 of 3 channels: add flatten before "
	 "it"},
	{"{'name':'f','type':'flatten'},{'name':'fc','type':'linear','out_features':9}",
	 "layer fc: expected 10 output channels, one a class; found 9"},
	/* the loss */
	{"{'name':'f','type':'flatten'},{'name':'loss','type':'softmax-cross-entropy'},"
	 "{'name':'fc','type':'linear','out_features':10}",
	 "layer loss: the loss must be the last layer"},
	{"{'name':'f','type':'flatten'},{'name':'fc','type':'linear','out_features':10},"
	 "{'name':'loss','type':'softmax-cross-entropy','inputs':'f'}",
	 "layer loss: the loss must take the layer before it"},
	{"{'name':'loss','type':'softmax-cross-entropy','ignore_index':-3}",
	 "layer loss: \"ignore_index\": expected an integer from 0 to 65535, found -3"},
	{"{'name':'loss','type':'softmax-cross-entropy'}", "layers: there are none"},
	/* conv2d and linear */
	{"{'name':'c','type':'conv2d','out_channel':4,'kernel_size':3}",
	 "layer c: unknown key \"out_channel\"; did you mean \"out_channels\"?"},
	{"{'name':'c','type':'conv2d','out_channels':4}", "layer c: kernel_size is missing"},
	{"{'name':'c','type':'conv2d','kernel_size':4}", "layer c: out_channels is missing"},
	{"{'name':'c','type':'conv2d','out_channels':'4','kernel_size':3}",
	 "layer c: \"out_channels\": expected an integer from 1 to 1048576 or \"classes\", found "
	 "\"4\""},
	{"{'type':'flatten'},{'name':'f','type':'linear','out_features':'class'}",
	 "layer f: \"out_features\": expected an integer from 1 to 1048576 or \"classes\", found "
	 "\"class\""},
	{"{'name':'b','type':'basic_block','out_channels':'class'}",
	 "layer b: \"out_channels\": expected an integer from 1 to 65536 or \"classes\", found "
	 "\"class\""},
	{"{'name':'b','type':'basic_block','out_channels':3,'dilation':0}",
	 "layer b: \"dilation\": expected an integer from 1 to 64, found 0"},
	{"{'name':'b','type':'basic_block','out_channels':3,'first_dilation':1.5}",
	 "layer b: \"first_dilation\": expected an integer from 1 to 64, found 1.5"},
	{"{'name':'b','type':'inverted_residual','out_channels':3,'dilation':[1,2]}",
	 "layer b: \"dilation\": expected an integer from 1 to 64, found an array"},
	{"{'name':'b','type':'inverted_residual','out_channels':3,'first_dilation':1}",
	 "layer b: unknown key \"first_dilation\""},
	{"{'name':'b','type':'basic_block','out_channels':3,'min_width_mult':0}",
	 "layer b: \"min_width_mult\": expected a number from 0.01 to 100, found 0"},
	{"{'name':'u','type':'upsample2d','size':'imput'}",
	 "layer u: size: no earlier layer is named 'imput'"},
	{"{'name':'pool','type':'relu'},{'name':'u','type':'upsample2d','size':'pol'}",
	 "layer u: size: no earlier layer is named 'pol' (did you mean 'pool'?)"},
	/* heads */
	{"{'name':'h','type':'fcn'}", "layer h: out_channels is missing"},
	{"{'name':'h','type':'fcn','out_channels':0}",
	 "layer h: \"out_channels\": expected an integer from 1 to 65536, found 0"},
	{"{'name':'h','type':'fcn','out_channels':10,'rates':[2]}",
	 "layer h: unknown key \"rates\""},
	{"{'name':'h','type':'aspp','out_channels':10,'rates':[2,0]}",
	 "layer h: rates: expected whole numbers from 1 to 64, found 0"},
	{"{'name':'h','type':'aspp','out_channels':10,'rates':[2.5]}",
	 "layer h: rates: expected whole numbers from 1 to 64, found 2.5"},
	{"{'name':'h','type':'aspp','out_channels':10,'rates':[]}",
	 "layer h: \"rates\": expected a number or an array of 1 to 8 numbers, found 0"},
	{"{'name':'h','type':'aspp','out_channels':10,'rates':[1,2,3,4,5,6,7,8,9]}",
	 "layer h: \"rates\": expected a number or an array of 1 to 8 numbers, found 9"},
	{"{'name':'h','type':'aspp','out_channels':10,'channels':0}",
	 "layer h: \"channels\": expected an integer from 1 to 65536, found 0"},
	{"{'name':'h','type':'psp','out_channels':10,'dropout':1}",
	 "layer h: \"dropout\": expected a number from 0 to 0.999, found 1"},
	{"{'name':'h','type':'psp','out_channels':10,'pool_scales':[65]}",
	 "layer h: pool_scales: expected whole numbers from 1 to 64, found 65"},
	{"{'name':'h','type':'psp','out_channels':10,'inputs':['input','input']}",
	 "layer h: psp takes 1 input, found 2"},
	{"{'name':'h','type':'uper','out_channels':10}",
	 "layer h: uper takes 2 to 8 inputs, found 1"},
	{"{'name':'c','type':'conv2d','out_channels':4.5,'kernel_size':3}",
	 "layer c: \"out_channels\": expected an integer from 1 to 1048576, found 4.5"},
	{"{'name':'c','type':'conv2d','out_channels':-4,'kernel_size':3}",
	 "layer c: \"out_channels\": expected an integer from 1 to 1048576, found -4"},
	{"{'name':'c','type':'conv2d','out_channels':1e18,'kernel_size':3}",
	 "layer c: \"out_channels\": expected an integer from 1 to 1048576, found 1e+18"},
	{"{'name':'c','type':'conv2d','out_channels':4,'kernel_size':[3,3,3]}",
	 "layer c: \"kernel_size\": expected an integer from 1 to 63, or an array of two, found an "
	 "array"},
	{"{'name':'c','type':'conv2d','out_channels':4,'kernel_size':3,'stride':0}",
	 "layer c: \"stride\": expected an integer from 1 to 64, or an array of two, found 0"},
	{"{'name':'c','type':'conv2d','out_channels':4,'kernel_size':3,'padding':-1}",
	 "layer c: \"padding\": expected an integer from 0 to 256, or an array of two, found -1"},
	{"{'name':'c','type':'conv2d','out_channels':4,'kernel_size':3,'bias':1}",
	 "layer c: \"bias\": expected true or false, found 1"},
	{"{'name':'c','type':'conv2d','out_channels':4,'kernel_size':9}",
	 "layer c: the kernel is larger than its input: 9x9 with dilation 1,1 on 8x8 with padding "
	 "0,0"},
	{"{'name':'c','type':'conv2d','out_channels':4,'kernel_size':3,'dilation':4}",
	 "layer c: the kernel is larger than its input: 3x3 with dilation 4,4 on 8x8 with padding "
	 "0,0"},
	{"{'name':'c','type':'conv2d','out_channels':4,'kernel_size':3,'groups':2}",
	 "layer c: groups must divide the input and output channels: groups 2, channels 3 and 4"},
	{"{'name':'f','type':'flatten'},{'name':'fc','type':'linear'}",
	 "layer fc: out_features is missing"},
	{"{'name':'f','type':'flatten'},{'name':'fc','type':'linear','out_features':0}",
	 "layer fc: \"out_features\": expected an integer from 1 to 1048576, found 0"},
	/* sizes beyond all reason */
	{"{'name':'c','type':'conv2d','out_channels':1048576,'kernel_size':63,'padding':256}",
	 "layer c: 1048576 x 3 weights of 63x63 are too many"},
	{"{'name':'f','type':'flatten'},{'name':'a','type':'linear','out_features':1048576},"
	 "{'name':'b','type':'linear','out_features':1048576}",
	 "layer b: 1048576 x 1048576 weights of 1x1 are too many"},
	{"{'name':'u','type':'upsample2d','scale_factor':256},"
	 "{'name':'v','type':'upsample2d','scale_factor':256}",
	 "layer v: output of 3 channels, 524288x524288 is too large or empty"},
	{"{'name':'u','type':'upsample2d','size':8192},"
	 "{'name':'v','type':'conv2d','kernel_size':1,'out_channels':1024}",
	 "layer v: output of 1024 channels, 8192x8192 is too large or empty"},
	{"{'name':'u','type':'upsample2d','size':8192},{'name':'f','type':'flatten'}",
	 "layer f: flatten of 201326592 values is too large"},
	/* pooling and resizing */
	{"{'name':'p','type':'maxpool2d'}", "layer p: kernel_size is missing"},
	{"{'name':'p','type':'maxpool2d','kernel_size':9}",
	 "layer p: pooling window 9x9 does not fit into 8x8 with padding 0x0"},
	{"{'name':'p','type':'maxpool2d','kernel_size':3,'padding':2}",
	 "layer p: pooling padding must be 0 to half the window 3x3, not 2x2"},
	{"{'name':'p','type':'avgpool2d','kernel_size':16}",
	 "layer p: a pooling window must have 1 to 255 taps, not 16x16; adaptive and global "
	 "average "
	 "pooling have no limit"},
	{"{'name':'p','type':'maxpool2d','kernel_size':2,'count_include_pad':true}",
	 "layer p: unknown key \"count_include_pad\""},
	{"{'name':'p','type':'avgpool2d','kernel_size':2,'ceil_mode':'yes'}",
	 "layer p: \"ceil_mode\": expected true or false, found \"yes\""},
	{"{'name':'p','type':'global_avgpool2d','output_size':1}",
	 "layer p: unknown key \"output_size\""},
	{"{'name':'p','type':'adaptive_avgpool2d'}", "layer p: output_size is missing"},
	{"{'name':'p','type':'adaptive_avgpool2d','output_size':[2,0]}",
	 "layer p: \"output_size\": expected an integer from 1 to 8192, or an array of two, found "
	 "0"},
	{"{'name':'u','type':'upsample2d'}",
	 "layer u: upsample2d needs one of size and scale_factor"},
	{"{'name':'u','type':'upsample2d','size':3,'scale_factor':2}",
	 "layer u: upsample2d needs one of size and scale_factor"},
	{"{'name':'u','type':'upsample2d','scale_factor':0.1}",
	 "layer u: output of 3 channels, 0x0 is too large or empty"},
	{"{'name':'u','type':'upsample2d','size':3,'mode':'bicubic'}",
	 "layer u: mode: expected nearest or bilinear, found 'bicubic'"},
	/* the rest */
	{"{'name':'d','type':'dropout','p':1}",
	 "layer d: \"p\": expected a number from 0 to 0.999, found 1"},
	{"{'name':'b','type':'batchnorm2d','eps':-1}",
	 "layer b: \"eps\": expected a number from 0 to 1, found -1"},
	{"{'name':'b','type':'batchnorm2d','momentum':'x'}",
	 "layer b: \"momentum\": expected a number from 0 to 1, found \"x\""},
	/* blocks */
	{"{'name':'b','type':'basic_block'}", "layer b: out_channels is missing"},
	{"{'name':'b','type':'basic_block','out_channels':4,'strides':2}",
	 "layer b: unknown key \"strides\"; did you mean \"stride\"?"},
	{"{'name':'b','type':'basic_block','out_channels':4,'stride':0}",
	 "layer b: \"stride\": expected an integer from 1 to 16, found 0"},
	{"{'name':'b','type':'inverted_residual'}", "layer b: out_channels is missing"},
	{"{'name':'b','type':'inverted_residual','out_channels':4,'kernel_size':4}",
	 "layer b: kernel_size: expected an odd number, found 4"},
	{"{'name':'b','type':'inverted_residual','out_channels':4,'expand_ratio':0.1}",
	 "layer b: expand_ratio: 0.1 leaves no channel of 3"},
	{"{'name':'b','type':'inverted_residual','out_channels':4,'expand_ratio':0}",
	 "layer b: \"expand_ratio\": expected a number from 0.01 to 100, found 0"},
	{"{'name':'b','type':'inverted_residual','out_channels':4,'batchnorm':0}",
	 "layer b: \"batchnorm\": expected true or false, found 0"},
	{"{'name':'b','type':'inverted_residual','out_channels':4,'names':['a','b']}",
	 "layer b: names: expected an array of 3 names"},
	{"{'name':'b','type':'inverted_residual','out_channels':4,'names':'a'}",
	 "layer b: names: expected an array of 3 names"},
	{"{'name':'b','type':'inverted_residual','out_channels':4,'names':['a',2,'c']}",
	 "layer b: names: expected 1 to 64 characters, found 0"},
	{"{'name':'b','type':'inverted_residual','out_channels':4,'names':['a','b*','c']}",
	 "layer b: names: spaces, control characters and , * ? [ ] are not allowed"},
	{"{'name':'b','type':'inverted_residual','out_channels':4,'names':['a','b','a']}",
	 "layer b.a.conv: the name is taken by an earlier layer"},
};

START_TEST(wrong_layers)
{
	for (size_t i = 0; i < ET_COUNT(bad); i++) {
		char want[400];
		snprintf(want, sizeof(want), "n.json: %s", bad[i].error);
		spec_refuse(net_text(3, 8, 8, 10, bad[i].layers), want);
	}
}
END_TEST

TCase *tcase_layers(void)
{
	TCase *tc = num_tcase("layers");
	tcase_add_test(tc, wrong_layers);
	return tc;
}

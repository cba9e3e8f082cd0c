/* Weights under other programs' names, with batch norm folded or not, and files that fit in part.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scratch.h"
#include "test_weights.h"

static struct et_err err;

static void open_net(struct net_case *t, const char *layers)
{
	struct et_ctx ctx = {.k = et_kern_select(NULL), .threads = 1};
	struct net_setup setup = {.eval_batch = 2};
	net_open(t, &ctx, net_text(3, 9, 9, 5, layers), &setup);
}

static const char *save(const struct et_net *net)
{
	const char *path = scratch_path("w.safetensors");
	struct et_writer w;
	ck_assert_int_eq(et_writer_open(&w, path, &err), ET_OK);
	ck_assert_int_eq(et_net_write(net, &w, false, NULL, 0, &err), ET_OK);
	ck_assert_int_eq(et_writer_commit(&w, &err), ET_OK);
	return path;
}

static int load(struct et_net *net, const char *path, enum et_read how, struct et_match *match)
{
	struct et_st st;
	ck_assert_int_eq(et_st_open(&st, path, &err), ET_OK);
	int status = et_net_read(net, &st, how, 1e-5, match, &err);
	et_st_close(&st);
	return status;
}

static void rename_param(struct et_param *p, const char *fmt, ...)
{
	char name[200];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	free(p->name);
	p->name = et_strdup(name);
}

/* The layer part of parameter *i's name and of those that follow it in one layer becomes `name`. */
static void rename_layer(struct et_net *net, int *i, const char *name)
{
	char own[200];
	snprintf(own, sizeof(own), "%s", net->params[*i].name);
	size_t stem = (size_t)(strrchr(own, '.') + 1 - own);
	for (; *i < net->n_params && strncmp(net->params[*i].name, own, stem) == 0; ++*i)
		rename_param(&net->params[*i], "%s.%s", name,
			     strrchr(net->params[*i].name, '.') + 1);
}

static void same_values(const struct et_net *a, const struct et_net *b)
{
	for (int i = 0; i < a->n_params; i++)
		num_check_bits(b->params[i].name, a->params[i].value, b->params[i].value,
			       a->params[i].count * sizeof(float));
}

/* ---- timm ------------------------------------------------------------------------------------ */

/* Three stages of one, two and three blocks, in torchvision's names. */
static const char mobilenet[] =
	"{'name':'features.0.0','type':'conv2d','out_channels':4,'kernel_size':3,'padding':1,"
	"'bias':false},{'name':'features.0.1','type':'batchnorm2d'},{'type':'relu6'},"
	"{'name':'features.1','type':'inverted_residual','out_channels':3,'expand_ratio':1},"
	"{'name':'features.2','type':'inverted_residual','out_channels':5,'expand_ratio':2},"
	"{'name':'features.3','type':'inverted_residual','out_channels':5,'expand_ratio':2},"
	"{'name':'features.4','type':'inverted_residual','out_channels':6,'expand_ratio':2},"
	"{'name':'features.5','type':'inverted_residual','out_channels':6,'expand_ratio':2},"
	"{'name':'features.6','type':'inverted_residual','out_channels':6,'expand_ratio':2},"
	"{'name':'features.7.0','type':'conv2d','out_channels':8,'kernel_size':1,'bias':false},"
	"{'name':'features.7.1','type':'batchnorm2d'},{'type':'relu6'},"
	"{'type':'global_avgpool2d'},{'name':'classifier.1','type':'linear','out_features':5}";

/*
 * The same tensors as timm's mobilenetv2 names them: modules come in the same order in both, which
 * is all that this relies on.
 */
static void to_timm(struct et_net *net, const char *prefix)
{
	static const char *const first[] = {"conv_dw", "bn1", "conv_pw", "bn2"},
				 *const later[] = {"conv_pw", "bn1",	  "conv_dw",
						   "bn2",     "conv_pwl", "bn3"};
	static const int blocks[] = {1, 2, 3};
	char name[100];
	int i = 0;
	const char *const head[] = {"conv_stem", "bn1"}, *const tail[] = {"conv_head", "bn2",
									  "classifier"};

	for (size_t k = 0; k < ET_COUNT(head); k++) {
		snprintf(name, sizeof(name), "%s%s", prefix, head[k]);
		rename_layer(net, &i, name);
	}
	for (size_t s = 0; s < ET_COUNT(blocks); s++)
		for (int b = 0; b < blocks[s]; b++)
			for (size_t k = 0; k < (s ? ET_COUNT(later) : ET_COUNT(first)); k++) {
				snprintf(name, sizeof(name), "%sblocks.%zu.%d.%s", prefix, s, b,
					 s ? later[k] : first[k]);
				rename_layer(net, &i, name);
			}
	for (size_t k = 0; k < ET_COUNT(tail); k++) {
		snprintf(name, sizeof(name), "%s%s", prefix, tail[k]);
		rename_layer(net, &i, name);
	}
	ck_assert_int_eq(i, net->n_params);
}

START_TEST(timm)
{
	static const char *const prefixes[] = {"", "module.", "model."};
	for (size_t i = 0; i < ET_COUNT(prefixes); i++) {
		struct net_case theirs, ours;
		struct et_match match;
		open_net(&theirs, mobilenet);
		open_net(&ours, mobilenet);
		to_timm(&theirs.net, prefixes[i]);
		net_randomize(&theirs.net, 7);
		const char *path = save(&theirs.net);
		ck_assert_int_eq(load(&ours.net, path, ET_READ_STRICT, NULL), ET_EDATA);
		if (load(&ours.net, path, ET_READ_WHOLE, &match) < 0)
			ck_abort_msg("%s", err.text);
		ck_assert_str_eq(match.renamed, "timm's MobileNetV2");
		ck_assert_uint_eq(match.taken, (size_t)ours.net.n_params);
		same_values(&theirs.net, &ours.net);
		et_match_free(&match);
		net_close(&theirs);
		net_close(&ours);
	}
}
END_TEST

/* A spec that has timm's names itself takes them as they are. */
START_TEST(timm_names_kept)
{
	static const char own[] =
		"{'name':'conv_stem','type':'conv2d','out_channels':4,'kernel_size':3},"
		"{'name':'blocks.0.0.conv_dw','type':'conv2d','out_channels':4,'kernel_size':1},"
		"{'name':'blocks.1.0.conv_pwl','type':'conv2d','out_channels':4,'kernel_size':1},"
		"{'type':'global_avgpool2d'},{'name':'fc','type':'linear','out_features':5}";
	struct net_case a, b;
	struct et_match match;
	open_net(&a, own);
	open_net(&b, own);
	net_randomize(&a.net, 8);
	if (load(&b.net, save(&a.net), ET_READ_WHOLE, &match) < 0)
		ck_abort_msg("%s", err.text);
	ck_assert_ptr_null(match.renamed);
	same_values(&a.net, &b.net);
	et_match_free(&match);
	net_close(&a);
	net_close(&b);
}
END_TEST

/* ---- prefixes of the network's own ----------------------------------------------------------- */

/* Weights of a classifier for a network that has them as its backbone, and the reverse. */
START_TEST(backbone)
{
	static const char plain[] =
		"{'name':'conv1','type':'conv2d','out_channels':4,'kernel_size':3},"
		"{'type':'global_avgpool2d'},{'name':'fc','type':'linear','out_features':5}";
	static const char under[] =
		"{'name':'backbone.conv1','type':'conv2d','out_channels':4,'kernel_size':3},"
		"{'type':'global_avgpool2d'},{'name':'fc','type':'linear','out_features':5}";
	struct net_case a, b;
	open_net(&a, plain);
	open_net(&b, under);
	net_randomize(&a.net, 9);
	ck_assert_int_eq(load(&b.net, save(&a.net), ET_READ_WHOLE, NULL), ET_OK);
	same_values(&a.net, &b.net);
	net_randomize(&b.net, 10);
	ck_assert_int_eq(load(&a.net, save(&b.net), ET_READ_WHOLE, NULL), ET_OK);
	same_values(&a.net, &b.net);
	for (int i = 0; i < a.net.n_params; i++)
		rename_param(&a.net.params[i], "module.%s", b.net.params[i].name);
	net_randomize(&a.net, 11);
	ck_assert_int_eq(load(&b.net, save(&a.net), ET_READ_WHOLE, NULL), ET_OK);
	same_values(&a.net, &b.net);
	net_close(&a);
	net_close(&b);
}
END_TEST

/* Only as many prefixes are taken off as stand in the way: here are two that differ by one. */
START_TEST(few_prefixes)
{
	static const char both[] =
		"{'name':'c','type':'conv2d','out_channels':3,'kernel_size':1},"
		"{'name':'backbone.c','type':'conv2d','out_channels':3,'kernel_size':1},"
		"{'name':'fc','type':'conv2d','out_channels':5,'kernel_size':9}";
	struct net_case a, b;
	open_net(&a, both);
	open_net(&b, both);
	net_randomize(&a.net, 15);
	for (int i = 0; i < a.net.n_params; i++)
		rename_param(&a.net.params[i], "module.model.%s", b.net.params[i].name);
	ck_assert_int_eq(load(&b.net, save(&a.net), ET_READ_WHOLE, NULL), ET_OK);
	same_values(&a.net, &b.net);
	net_close(&a);
	net_close(&b);
}
END_TEST

/* ---- batch norm folded ----------------------------------------------------------------------- */

/* The names of ResNet, of torchvision's Sequentials, and of parts of conv and bn. */
static const char normed[] =
	"{'name':'conv1','type':'conv2d','out_channels':4,'kernel_size':3,'bias':false},"
	"{'name':'bn1','type':'batchnorm2d'},{'type':'relu'},"
	"{'name':'layer1.0','type':'basic_block','out_channels':6,'stride':2},"
	"{'name':'features.9','type':'conv2d','out_channels':6,'kernel_size':1},"
	"{'name':'features.10','type':'batchnorm2d'},"
	"{'name':'b','type':'inverted_residual','out_channels':6,'expand_ratio':2,"
	"'names':['expand','depthwise','project']},"
	"{'type':'global_avgpool2d'},{'name':'fc','type':'linear','out_features':5}";
static const char folded[] =
	"{'name':'conv1','type':'conv2d','out_channels':4,'kernel_size':3},{'type':'relu'},"
	"{'name':'layer1.0','type':'basic_block','out_channels':6,'stride':2,'batchnorm':false},"
	"{'name':'features.9','type':'conv2d','out_channels':6,'kernel_size':1},"
	"{'name':'b','type':'inverted_residual','out_channels':6,'expand_ratio':2,"
	"'batchnorm':false,'names':['expand','depthwise','project']},"
	"{'type':'global_avgpool2d'},{'name':'fc','type':'linear','out_features':5}";

static void same_logits(struct net_case *a, struct net_case *b)
{
	struct et_rng r = num_rng(90, 0);
	float *x = num_alloc(2 * 9 * 9 * 3, sizeof(float));
	for (size_t i = 0; i < 2 * 9 * 9 * 3; i++)
		x[i] = et_rng_normal(&r);
	struct et_pass pass = {.x = x, .n = 2};
	float want[10];
	memcpy(want, et_net_forward(&a->net, &pass), sizeof(want));
	double off = net_off(et_net_forward(&b->net, &pass), want, 10);
	ck_assert_msg(off < 1e-5, "logits off by %g of the largest", off);
}

START_TEST(fold)
{
	struct net_case a, b;
	struct et_match match;
	open_net(&a, normed);
	open_net(&b, folded);
	net_randomize(&a.net, 12);
	const char *path = save(&a.net);
	ck_assert_int_eq(load(&b.net, path, ET_READ_STRICT, NULL), ET_EDATA);
	if (load(&b.net, path, ET_READ_WHOLE, &match) < 0)
		ck_abort_msg("%s", err.text);
	ck_assert_uint_eq(match.folded, 8);
	ck_assert_uint_eq(match.taken, (size_t)b.net.n_params);
	same_logits(&a, &b);
	et_match_free(&match);
	net_close(&a);
	net_close(&b);
}
END_TEST

static void near(float got, double want)
{
	ck_assert_msg(fabs((double)got - want) < 1e-6, "%.9g instead of %.9g", (double)got, want);
}

/* w * g / sqrt(v + eps) and beta + (b - m) * g / sqrt(v + eps), by hand. */
START_TEST(fold_by_hand)
{
	static const char with[] = "{'name':'c','type':'conv2d','out_channels':5,'kernel_size':9},"
				   "{'name':'n','type':'batchnorm2d'}",
			  without[] =
				  "{'name':'0','type':'conv2d','out_channels':5,'kernel_size':9}";
	struct net_case a, b;
	open_net(&a, with);
	open_net(&b, without);
	int i = 0;
	rename_layer(&a.net, &i, "0");
	rename_layer(&a.net, &i, "1");
	struct et_net *n = &a.net;
	net_param(n, "0.weight")->value[0] = 3;
	net_param(n, "0.bias")->value[0] = 7;
	net_param(n, "1.weight")->value[0] = 2;
	net_param(n, "1.bias")->value[0] = 0.5f;
	net_param(n, "1.running_mean")->value[0] = 4;
	net_param(n, "1.running_var")->value[0] = 16;
	ck_assert_int_eq(load(&b.net, save(n), ET_READ_WHOLE, NULL), ET_OK);
	/* A scale of 2 / 4, a little less for eps. */
	near(net_param(&b.net, "0.weight")->value[0], 1.5 * (1 - 1e-5 / 32));
	near(net_param(&b.net, "0.bias")->value[0], 2 - 1.5 * 1e-5 / 32);
	net_close(&a);
	net_close(&b);
}
END_TEST

/* What must not be folded: a batch norm that the network has itself, or of another size. */
START_TEST(fold_refused)
{
	static const char both[] =
		"{'name':'conv1','type':'conv2d','out_channels':4,'kernel_size':3,'bias':%s},"
		"{'name':'bn1','type':'batchnorm2d'},"
		"{'type':'global_avgpool2d'},{'name':'fc','type':'linear','out_features':5}";
	char text[400];
	struct net_case a, b;
	snprintf(text, sizeof(text), both, "false");
	open_net(&a, text);
	snprintf(text, sizeof(text), both, "true");
	open_net(&b, text);
	ck_assert_int_eq(load(&b.net, save(&a.net), ET_READ_WHOLE, NULL), ET_EDATA);
	ck_assert_ptr_nonnull(strstr(err.text, "missing conv1.bias"));
	net_close(&a);
	net_close(&b);
	open_net(&a, "{'name':'conv1','type':'conv2d','out_channels':4,'kernel_size':3,"
		     "'bias':false},{'name':'x','type':'conv2d','out_channels':6,'kernel_size':1},"
		     "{'name':'bn1','type':'batchnorm2d'},{'type':'global_avgpool2d'},"
		     "{'name':'fc','type':'linear','out_features':5}");
	open_net(&b, "{'name':'conv1','type':'conv2d','out_channels':4,'kernel_size':3},"
		     "{'name':'x','type':'conv2d','out_channels':6,'kernel_size':1},"
		     "{'type':'global_avgpool2d'},{'name':'fc','type':'linear','out_features':5}");
	ck_assert_int_eq(load(&b.net, save(&a.net), ET_READ_WHOLE, NULL), ET_EDATA);
	ck_assert_ptr_nonnull(strstr(err.text, "missing conv1.bias"));
	ck_assert_ptr_nonnull(strstr(err.text, "unexpected bn1."));
	net_close(&a);
	net_close(&b);
}
END_TEST

/* ---- in part --------------------------------------------------------------------------------- */

START_TEST(partial)
{
	static const char theirs[] =
		"{'name':'a','type':'conv2d','out_channels':4,'kernel_size':3},"
		"{'name':'b','type':'conv2d','out_channels':4,'kernel_size':1},"
		"{'name':'extra','type':'conv2d','out_channels':4,'kernel_size':1},"
		"{'type':'global_avgpool2d'},{'name':'fc','type':'linear','out_features':5}";
	static const char ours[] =
		"{'name':'a','type':'conv2d','out_channels':4,'kernel_size':3},"
		"{'name':'b','type':'conv2d','out_channels':6,'kernel_size':1},"
		"{'name':'new','type':'conv2d','out_channels':4,'kernel_size':1},"
		"{'type':'global_avgpool2d'},{'name':'fc','type':'linear','out_features':5}";
	struct net_case a, b, before;
	struct et_match match;
	open_net(&a, theirs);
	open_net(&b, ours);
	open_net(&before, ours);
	net_randomize(&a.net, 14);
	const char *path = save(&a.net);
	ck_assert_int_eq(load(&b.net, path, ET_READ_WHOLE, &match), ET_EDATA);
	same_values(&before.net, &b.net); /* nothing was read */
	et_match_free(&match);
	if (load(&b.net, path, ET_READ_PARTIAL, &match) < 0)
		ck_abort_msg("%s", err.text);
	ck_assert_uint_eq(match.taken, 4);
	ck_assert_str_eq(match.missing.all, "new.weight\nnew.bias");
	ck_assert_str_eq(match.misfit.all, "b.weight (expected [6,4,1,1], found [4,4,1,1])\n"
					   "b.bias (expected [6], found [4])");
	ck_assert_uint_eq(match.unexpected.count, 2);
	ck_assert_ptr_nonnull(strstr(match.unexpected.all, "extra.weight"));
	static const char *const from_file[] = {"a.weight", "a.bias", "fc.weight", "fc.bias"},
				 *const kept[] = {"b.weight", "b.bias", "new.weight", "new.bias"};
	for (size_t i = 0; i < ET_COUNT(from_file); i++) {
		struct et_param *p = net_param(&b.net, from_file[i]);
		num_check_bits(p->name, p->value, net_param(&a.net, p->name)->value,
			       p->count * sizeof(float));
		p = net_param(&b.net, kept[i]);
		num_check_bits(p->name, p->value, net_param(&before.net, p->name)->value,
			       p->count * sizeof(float));
	}
	et_match_free(&match);
	/* A file of which nothing fits is another network's. */
	for (int i = 0; i < a.net.n_params; i++)
		rename_param(&a.net.params[i], "other.%d", i);
	ck_assert_int_eq(load(&b.net, save(&a.net), ET_READ_PARTIAL, &match), ET_EDATA);
	et_match_free(&match);
	net_close(&a);
	net_close(&b);
	net_close(&before);
}
END_TEST

/* A network that is a classifier alone, and a file of other classes. */
START_TEST(head_alone)
{
	static const char five[] = "{'type':'flatten'},{'name':'fc','type':'linear',"
				   "'out_features':5}";
	struct net_case a, b;
	struct et_match match;
	struct et_ctx ctx = {.k = et_kern_select(NULL), .threads = 1};
	struct net_setup setup = {.eval_batch = 1};
	open_net(&a, five);
	net_open(&b, &ctx,
		 net_text(3, 9, 9, 4,
			  "{'type':'flatten'},{'name':'fc','type':'linear',"
			  "'out_features':4}"),
		 &setup);
	const char *path = save(&a.net);
	ck_assert_int_eq(load(&b.net, path, ET_READ_WHOLE, &match), ET_OK);
	ck_assert_str_eq(match.dropped, "fc: [5,243] in the file, [4,243] here");
	et_match_free(&match);
	ck_assert_int_eq(load(&b.net, path, ET_READ_PARTIAL, &match), ET_EDATA);
	ck_assert_ptr_nonnull(strstr(err.text, "nothing of it fits the network"));
	et_match_free(&match);
	net_close(&a);
	net_close(&b);
}
END_TEST

TCase *tcase_names(void)
{
	TCase *tc = num_tcase("names");
	tcase_add_checked_fixture(tc, scratch_open, scratch_close);
	tcase_add_test(tc, timm);
	tcase_add_test(tc, timm_names_kept);
	tcase_add_test(tc, backbone);
	tcase_add_test(tc, few_prefixes);
	tcase_add_test(tc, fold);
	tcase_add_test(tc, fold_by_hand);
	tcase_add_test(tc, fold_refused);
	tcase_add_test(tc, partial);
	tcase_add_test(tc, head_alone);
	return tc;
}

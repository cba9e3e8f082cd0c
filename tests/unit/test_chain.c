/*
 * Gradients that stay on patches between layers: where they must, where they must not, and that
 * they are the ones that nets with all pixels written out have.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "mode_case.h"

static const struct et_ctx ctx = {.k = NULL, .threads = 2};

static struct et_ctx kernels(size_t isa)
{
	struct et_ctx x = ctx;
	x.k = et_kern_at(isa);
	return x;
}

/* ---- where ----------------------------------------------------------------------------------- */

/* Frozen batch norm, and only layers named c... train. */
static const char trained[] = "c*,fc";

static void open_net(struct net_case *t, const struct et_ctx *x, const char *layers,
		     const char *modes, bool unchained)
{
	struct net_setup setup = {.trainable = trained,
				  .mode = "filter:2",
				  .modes = modes,
				  .frozen_bn = true,
				  .unchained = unchained,
				  .batch = 3,
				  .eval_batch = 3};
	net_open(t, x, net_text(3, 14, 13, 4, layers), &setup);
}

/* Layers in the order of the spec; each name with whether its output's gradient is on patches. */
static void check_where(const char *what, const char *layers, const char *modes,
			const char *chained, const char *pixels)
{
	struct et_ctx x = kernels(0);
	struct net_case t;
	char names[400], *save = NULL;

	num_label("%s", what);
	open_net(&t, &x, layers, modes, false);
	for (int want = 0; want < 2; want++) {
		snprintf(names, sizeof(names), "%s", want ? chained : pixels);
		for (char *n = strtok_r(names, " ", &save); n; n = strtok_r(NULL, " ", &save)) {
			const struct et_node *node = net_node(&t.net, n);
			ck_assert_msg((t.net.grid[node->index + 1].gh > 0) == want,
				      "%s: the gradient of %s is%s on patches", what, n,
				      want ? " not" : "");
		}
	}
	net_close(&t);
}

#define C3(name) "{'name':'" name "','type':'conv2d','out_channels':6,'kernel_size':3,'padding':1}"
#define C1(name) "{'name':'" name "','type':'conv2d','out_channels':6,'kernel_size':1}"
#define DW(name)                                                                                   \
	"{'name':'" name "','type':'conv2d','out_channels':6,'kernel_size':3,'padding':1,'groups'" \
	":6}"
#define BN(name)	"{'name':'" name "','type':'batchnorm2d'}"
#define ACT(name)	"{'name':'" name "','type':'relu'}"
#define ACT6(name)	"{'name':'" name "','type':'relu6'}"
#define ADD(name, a, b) "{'name':'" name "','type':'add','inputs':['" a "','" b "']}"
#define FROM(name, from)                                                                           \
	"{'name':'" name "','type':'conv2d','out_channels':6,'kernel_size':1,'inputs':['" from "'" \
	"]"                                                                                        \
	"}"
#define END \
	"{'name':'gap','type':'global_avgpool2d'},{'name':'fc','type':'linear','out_features':4}"

START_TEST(chained)
{
	check_where(
		"a ResNet's block",
		C3("c0") "," BN("n0") "," ACT("r0") "," C3("c1") "," BN("n1") "," ACT("r1") "," C3(
			"c2") "," BN("n2") "," ADD("s", "n2", "r0") "," ACT("r2") "," END,
		NULL, "c1 n1 r1", "c0 r0 c2 n2 s r2"); /* r0 gets a mean, of what is not constant */
	check_where(
		"an inverted residual",
		C1("c0") "," BN("n0") "," C1("c1") "," BN("n1") "," ACT6("r1") "," DW("c2") "," BN("n2") "," ACT6(
			"r2") "," C1("c3") "," BN("n3") "," ADD("s", "n0",
								"n3") "," C1("c4") "," ACT6("r4") "," END,
		NULL, "c0 n0 c1 n1 r1 c2 n2 r2 c3 n3 s c4 r4", "");
	check_where("convolutions alone", C3("c0") "," C1("c1") "," END, NULL, "c0 c1", "gap");
	check_where("a frozen layer below", C3("f0") "," C1("c1") "," END, NULL, "c1", "f0");
}
END_TEST

START_TEST(not_chained)
{
	check_where("two activations", C3("c0") "," ACT("r0") "," ACT6("r1") "," C3("c1") "," END,
		    NULL, "c1", "c0 r0");
	check_where("another R", C3("c0") "," ACT("r0") "," C3("c1") "," END, "c1=filter:3", "c1",
		    "c0 r0");
	check_where("an exact neighbour", C3("c0") "," ACT("r0") "," C3("c1") "," C3("c2") "," END,
		    "c1=exact", "c2", "c0 r0 c1");
	check_where("a stride that moves the grid",
		    C3("c0") "," ACT("r0") ",{'name':'c1','type':'conv2d','out_channels':6,'kernel_"
					   "size':3,'padding':1,'stride':2}," END,
		    NULL, "c1", "c0 r0");
	check_where("batch norm that trains",
		    C3("c0") "," BN("c9") "," ACT("r0") "," C3("c1") "," END, NULL, "c1", "c0 c9");
	check_where("one reader of two",
		    C3("c0") "," C1("c1") "," FROM("c2", "c0") "," ADD("s", "c1", "c2") "," END,
		    "c2=exact", "", "c0 c1 c2 s");
	check_where("hard swish", C3("c0") ",{'name':'h','type':'hardswish'}," C3("c1") "," END,
		    NULL, "c1", "c0 h");
	check_where("pooling",
		    C3("c0") ",{'name':'p','type':'avgpool2d','kernel_size':2}," C3("c1") "," END,
		    NULL, "c1", "c0 p");
}
END_TEST

/* By the statistics of the batch a batch norm needs every pixel. */
START_TEST(batch_mode)
{
	struct et_ctx x = kernels(0);
	struct net_setup setup = {.mode = "filter:2", .batch = 3};
	struct net_case t;

	net_open(&t, &x,
		 net_text(3, 14, 13, 4, C3("c0") "," BN("n0") "," ACT("r0") "," C3("c1") "," END),
		 &setup);
	ck_assert_int_eq(t.net.grid[net_node(&t.net, "c0")->index + 1].gh, 0);
	ck_assert_int_eq(t.net.grid[net_node(&t.net, "n0")->index + 1].gh, 0);
	net_close(&t);
}
END_TEST

/* ---- the same gradients ---------------------------------------------------------------------- */

struct writer {
	struct et_rng r;
	char text[6000];
	size_t used;
};

static void put(struct writer *w, const char *fmt, ...) ET_PRINTF(2, 3);
static void put(struct writer *w, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	w->used += (size_t)vsnprintf(w->text + w->used, sizeof(w->text) - w->used, fmt, ap);
	va_end(ap);
	ck_assert_uint_lt(w->used, sizeof(w->text));
}

/* Blocks of convolution, batch norm, perhaps a sum with the block before, and something behind. */
static char *stack(uint32_t seed, char modes[200])
{
	struct writer *w = num_alloc(1, sizeof(*w));
	static const char *const act[] = {"relu", "relu6", "batchnorm2d"};
	int channels = 3, blocks;

	w->r = num_rng(210, seed);
	blocks = num_int(&w->r, 2, 6);
	for (int i = 0; i < blocks; i++) {
		int kind = num_int(&w->r, 0, 3), stride = num_int(&w->r, 0, 5) ? 1 : 2;
		int kernel = kind == 1 ? 1 : 3, groups = kind == 2 ? channels : 1;
		bool add = i && stride == 1 && num_int(&w->r, 0, 1);
		int out = groups > 1 || add ? channels : num_int(&w->r, 2, 8);
		put(w,
		    "{'name':'c%d','type':'conv2d','out_channels':%d,'kernel_size':%d,'padding':%d,"
		    "'stride':%d,'groups':%d,'bias':%s},{'name':'n%d','type':'batchnorm2d'},",
		    i, out, kernel, kernel / 2, stride, groups,
		    num_int(&w->r, 0, 1) ? "true" : "false", i);
		channels = out;
		if (add)
			put(w, "{'name':'s%d','type':'add','inputs':['e%d','n%d']},", i, i - 1, i);
		put(w, "{'name':'e%d','type':'%s'},", i, act[num_int(&w->r, 0, 2)]);
	}
	put(w, "%s", END);
	modes[0] = 0;
	if (num_int(&w->r, 0, 2) == 0)
		snprintf(modes, 200, "c%d=filter:3", num_int(&w->r, 0, blocks - 1));
	return w->text;
}

static int count_chained(const struct et_net *net)
{
	int n = 0;
	for (int i = 0; i <= net->n; i++)
		n += net->grid[i].gh > 0;
	return n;
}

START_TEST(same_gradients)
{
	size_t isas = 0;
	int chained_tensors = 0;

	while (et_kern_at(isas))
		isas++;
	for (uint32_t i = 0; i < 40; i++) {
		struct et_ctx x = kernels(i % isas);
		struct et_rng r = num_rng(211, i);
		char modes[200];
		char *layers = stack((uint32_t)_i * 40 + i, modes);
		struct net_case a, b;
		num_label("%s, %s: %.170s", x.k->name, modes, layers);
		open_net(&a, &x, layers, modes, false);
		open_net(&b, &x, layers, modes, true);
		ck_assert_int_eq(count_chained(&b.net), 0);
		chained_tensors += count_chained(&a.net);
		float *in = num_normal(&r, 3 * et_shape_count(a.net.input));
		int32_t *label = net_labels(&a.net, &r, 3);
		ck_assert(net_step(&a.net, in, 3, label, 0) == net_step(&b.net, in, 3, label, 0));
		mode_check_memory(&a.net);
		struct mode_result got = {.params = a.net.n_params, .param = a.net.params};
		struct mode_result want = {.params = b.net.n_params, .param = b.net.params};
		/* Sums in another order, of values that cancel out, through up to six layers. */
		mode_near(&got, &want, 3e-5);
		net_close(&a);
		net_close(&b);
	}
	ck_assert_int_gt(chained_tensors, 100);
}
END_TEST

Suite *suite_chain(void);
Suite *suite_chain(void)
{
	Suite *s = suite_create("chain");
	TCase *tc = num_tcase("patches");
	tcase_add_test(tc, chained);
	tcase_add_test(tc, not_chained);
	tcase_add_test(tc, batch_mode);
	tcase_add_loop_test(tc, same_gradients, 0, 5);
	suite_add_tcase(s, tc);
	return s;
}

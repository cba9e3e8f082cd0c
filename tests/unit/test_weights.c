/* Weights in files: our own, PyTorch's, and those that do not fit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net_gold.h"
#include "net_random.h"
#include "scratch.h"
#include "test_weights.h"

static struct et_err err;

#define MUST(expr)                                    \
	do {                                          \
		if ((expr) < 0)                       \
			ck_abort_msg("%s", err.text); \
	} while (0)

static const struct et_ctx *ctx(void)
{
	static struct et_ctx x;
	x = (struct et_ctx){.k = et_kern_select(NULL), .threads = 1};
	return &x;
}

/* Writes the net's weights or moments to a file of the scratch directory. */
static const char *save(const struct et_net *net, const char *name, bool moments,
			const char *const *meta, size_t n_meta)
{
	const char *path = scratch_path(name);
	struct et_writer w;
	MUST(et_writer_open(&w, path, &err));
	MUST(et_net_write(net, &w, moments, meta, n_meta, &err));
	MUST(et_writer_commit(&w, &err));
	return path;
}

int weights_load(struct et_net *net, const char *path, bool strict, char dropped[256],
		 struct et_err *e)
{
	struct et_st st;
	memset(e, 0, sizeof(*e));
	if (et_st_open(&st, path, e) < 0)
		ck_abort_msg("%s", e->text);
	struct et_match match;
	int status =
		et_net_read(net, &st, strict ? ET_READ_STRICT : ET_READ_WHOLE, 1e-5, &match, e);
	if (dropped)
		memcpy(dropped, match.dropped, sizeof(match.dropped));
	et_match_free(&match);
	et_st_close(&st);
	return status;
}

static void same_values(const struct et_net *a, const struct et_net *b)
{
	for (int i = 0; i < a->n_params; i++) {
		const struct et_param *p = &a->params[i], *q = &b->params[i];
		ck_assert_str_eq(p->name, q->name);
		num_check_bits(p->name, p->value, q->value, p->count * sizeof(float));
		if (p->kind == ET_PARAM_COUNTER)
			ck_assert_int_eq(p->counter, q->counter);
	}
}

/* ---- our own files --------------------------------------------------------------------------- */

/* Bit for bit, whatever the layout in memory; and the same file again. */
START_TEST(round_trip)
{
	for (uint32_t i = 0; i < 40; i++) {
		struct et_rng r = num_rng(80, i);
		struct random_net net = random_net(&r, false);
		struct net_setup setup = {.eval_batch = 1};
		struct net_case a, b;
		num_label("net %u: %.150s", i, net.text);
		net_open(&a, ctx(), net.text, &setup);
		net_open(&b, ctx(), net.text, &setup);
		/* Signs of zero, NaN with its bits, infinities and denormals are values too. */
		static const uint32_t odd[] = {0x80000000, 0x7fc00123, 0xff800000, 0x00000001};
		for (int p = 0; p < a.net.n_params; p++) {
			a.net.params[p].counter = ((int64_t)1 << 40) + p;
			if (a.net.params[p].count)
				memcpy(a.net.params[p].value, &odd[p % 4], 4);
		}
		net_randomize(&b.net, 2);
		const char *path = save(&a.net, "a.safetensors", false, NULL, 0);
		MUST(weights_load(&b.net, path, true, NULL, &err));
		same_values(&b.net, &a.net);
		save(&b.net, "b.safetensors", false, NULL, 0);
		char *bytes;
		size_t n;
		MUST(et_file_read(path, 0, &bytes, &n, &err));
		ck_assert(scratch_holds("b.safetensors", bytes, n));
		free(bytes);
		net_close(&a);
		net_close(&b);
	}
}
END_TEST

START_TEST(moments)
{
	static const char layers[] =
		"{'name':'c','type':'conv2d','out_channels':4,'kernel_size':[3,2]},"
		"{'name':'bn','type':'batchnorm2d'},{'type':'global_avgpool2d'},"
		"{'name':'fc','type':'linear','out_features':2}";
	static const char *const meta[] = {"step", "12"};
	for (int n = 0; n <= 2; n++) {
		struct net_setup setup = {.trainable = "c,fc", .batch = 1, .moments = n};
		struct net_case a, b;
		struct et_st st;
		net_open(&a, ctx(), net_text(3, 5, 5, 2, layers), &setup);
		net_open(&b, ctx(), net_text(3, 5, 5, 2, layers), &setup);
		struct et_rng r = num_rng(81, 0);
		for (int i = 0; i < a.net.n_params; i++)
			for (size_t k = 0; k < a.net.params[i].count; k++) {
				if (a.net.params[i].m1)
					a.net.params[i].m1[k] = et_rng_normal(&r);
				if (a.net.params[i].m2)
					a.net.params[i].m2[k] = et_rng_normal(&r);
			}
		const char *path = save(&a.net, "m.safetensors", true, meta, 1);
		MUST(et_st_open(&st, path, &err));
		ck_assert_uint_eq(st.n, 4 * (size_t)n);
		ck_assert_str_eq(et_st_meta(&st, "step"), "12");
		ck_assert_ptr_null(et_st_find(&st, "bn.weight.m1"));
		MUST(et_net_read_moments(&b.net, &st, &err));
		for (int i = 0; i < a.net.n_params; i++) {
			const struct et_param *p = &a.net.params[i], *q = &b.net.params[i];
			if (p->m1)
				num_check_bits(p->name, q->m1, p->m1, p->count * sizeof(float));
			if (p->m2)
				num_check_bits(p->name, q->m2, p->m2, p->count * sizeof(float));
		}
		net_close(&b);
		/* A state of fewer moments than the optimizer has. */
		if (n < 2) {
			char want[900];
			setup.moments = n + 1;
			net_open(&b, ctx(), net_text(3, 5, 5, 2, layers), &setup);
			ck_assert_int_eq(et_net_read_moments(&b.net, &st, &err), ET_EDATA);
			snprintf(want, sizeof(want),
				 "%s: the state of the optimizer for c.weight is missing or of "
				 "another shape",
				 path);
			ck_assert_str_eq(err.text, want);
			net_close(&b);
		}
		if (n == 2) { /* as many numbers in another shape */
			net_open(&b, ctx(),
				 net_text(3, 5, 5, 2,
					  "{'name':'c','type':'conv2d','out_channels':4,"
					  "'kernel_size':[2,3]},"
					  "{'type':'global_avgpool2d'},"
					  "{'name':'fc','type':'linear','out_features':2}"),
				 &setup);
			ck_assert_int_eq(et_net_read_moments(&b.net, &st, &err), ET_EDATA);
			ck_assert_ptr_nonnull(
				strstr(err.text, "c.weight is missing or of another"));
			net_close(&b);
		}
		et_st_close(&st);
		net_close(&a);
	}
}
END_TEST

/* ---- PyTorch's layout, by hand --------------------------------------------------------------- */

/* Every weight in memory has the number of its place in PyTorch's order. */
START_TEST(layout)
{
	static const char layers[] =
		"{'name':'c','type':'conv2d','out_channels':2,'kernel_size':[2,3],'bias':false},"
		"{'name':'dw','type':'conv2d','out_channels':2,'kernel_size':[1,2],'groups':2,"
		"'bias':false},{'type':'global_avgpool2d'},"
		"{'name':'fc','type':'linear','out_features':3,'bias':false}";
	/* [o][y][x][i] of o,i,y,x = 2,3,2,3; [y][x][c] of 2,1,1,2; [o][i] of 3,2 */
	static const float c[36] = {0,	6,  12, 1,  7,	13, 2,	8,  14, 3,  9,	15,
				    4,	10, 16, 5,  11, 17, 18, 24, 30, 19, 25, 31,
				    20, 26, 32, 21, 27, 33, 22, 28, 34, 23, 29, 35};
	static const float dw[4] = {0, 2, 1, 3}, fc[6] = {0, 1, 2, 3, 4, 5};
	struct net_setup setup = {.eval_batch = 1};
	struct net_case t;
	struct et_st st;
	float got[36];

	net_open(&t, ctx(), net_text(3, 6, 6, 3, layers), &setup);
	memcpy(net_param(&t.net, "c.weight")->value, c, sizeof(c));
	memcpy(net_param(&t.net, "dw.weight")->value, dw, sizeof(dw));
	memcpy(net_param(&t.net, "fc.weight")->value, fc, sizeof(fc));
	const char *path = save(&t.net, "l.safetensors", false, NULL, 0);
	MUST(et_st_open(&st, path, &err));
	ck_assert_uint_eq(st.n, 3);
	for (size_t i = 0; i < st.n; i++) {
		char shape[128];
		const char *want = strcmp(st.tensors[i].name, "c.weight") == 0	  ? "[2,3,2,3]"
				   : strcmp(st.tensors[i].name, "dw.weight") == 0 ? "[2,1,1,2]"
										  : "[3,2]";
		ck_assert_str_eq(et_st_shape_text(st.tensors[i].rank, st.tensors[i].shape, shape),
				 want);
		MUST(et_st_read_f32(&st, &st.tensors[i], got, &err));
		for (size_t k = 0; k < st.tensors[i].count; k++)
			ck_assert_msg(got[k] == (float)k, "%s[%zu] is %g", st.tensors[i].name, k,
				      (double)got[k]);
	}
	et_st_close(&st);
	net_randomize(&t.net, 3);
	MUST(weights_load(&t.net, path, true, NULL, &err));
	num_check_bits("c", net_param(&t.net, "c.weight")->value, c, sizeof(c));
	num_check_bits("dw", net_param(&t.net, "dw.weight")->value, dw, sizeof(dw));
	net_close(&t);
}
END_TEST

static void check_gradient(struct et_param *p, const float *want)
{
	float *got = num_floats(p->count);

	et_param_grad_torch(p, got);
	num_check_bits(p->name, got, want, p->count * sizeof(float));
	num_check_guards();
}

/* Gradients lie in memory as weights do; one for all taps of a kernel stands at each of them. */
START_TEST(gradients)
{
	static const char layers[] =
		"{'name':'c','type':'conv2d','out_channels':2,'kernel_size':[2,3]},"
		"{'name':'dw','type':'conv2d','out_channels':2,'kernel_size':[1,2],'groups':2,"
		"'bias':false},{'type':'global_avgpool2d'},"
		"{'name':'fc','type':'linear','out_features':3,'bias':false}";
	/* One a pair of output and input channel, [o][i]; one a channel. */
	static const float flat[6] = {1, 2, 3, 4, 5, 6};
	struct net_setup setup = {.batch = 1};
	struct net_case t;
	float want[36];

	net_open(&t, ctx(), net_text(3, 6, 6, 3, layers), &setup);
	for (int i = 0; i < t.net.n_params; i++) {
		struct et_param *p = &t.net.params[i];
		for (size_t k = 0; k < p->count; k++)
			want[k] = (float)k - 3.5f;
		if (p->kind == ET_PARAM_WEIGHT)
			et_conv_from_torch(p->geo, want, p->grad);
		else
			memcpy(p->grad, want, p->count * sizeof(float));
		check_gradient(p, want);
	}

	struct et_param *c = net_param(&t.net, "c.weight"), *dw = net_param(&t.net, "dw.weight");
	c->taps = 6;
	c->inner = 3;
	memcpy(c->grad, flat, 6 * sizeof(float));
	for (size_t k = 0; k < 36; k++)
		want[k] = (float)(k / 6 + 1); /* [o][i][y][x] */
	check_gradient(c, want);
	dw->taps = 2;
	dw->inner = 2;
	memcpy(dw->grad, flat, 2 * sizeof(float));
	static const float channels[4] = {1, 1, 2, 2};
	check_gradient(dw, channels);
	net_close(&t);
}
END_TEST

/* ---- PyTorch itself -------------------------------------------------------------------------- */

static void check_state(const struct gold_case *c)
{
	int n = gold_int(c, "n");
	struct net_setup setup = {.eval_batch = n};
	struct net_case t;
	char dropped[256] = "x";

	if (strcmp(c->name, "state"))
		return;
	for (int strict = 0; strict < 2; strict++) {
		net_open(&t, ctx(), net_gold_spec(c), &setup);
		MUST(weights_load(&t.net, "tests/gold/net-state.safetensors", strict, dropped,
				  &err));
		ck_assert_str_eq(dropped, "");
		struct et_pass pass = {.x = net_gold_pictures(c, &t.net, "x", n), .n = n};
		size_t count = (size_t)n * (size_t)t.net.classes;
		net_gold_check("logits", et_net_forward(&t.net, &pass), gold_f32(c, "eval", count),
			       count, 2e-5);
		ck_assert_int_eq(net_param(&t.net, "bn1.num_batches_tracked")->counter, 3);
		net_close(&t);
	}
}

/* A state_dict that PyTorch wrote gives PyTorch's logits. */
START_TEST(torch_writes)
{
	gold_each("net-step", "step", 1, check_state);
}
END_TEST

struct io {
	const float *x, *logits;
	size_t sizes[2];
};

static int put_io(void *arg, size_t i, struct et_writer *w)
{
	const struct io *io = arg;
	et_writer_put(w, i ? io->logits : io->x, io->sizes[i]);
	return ET_OK;
}

static void check_back(const struct gold_case *c)
{
	int n = gold_int(c, "n");
	struct net_setup setup = {.eval_batch = n};
	struct net_case t;
	struct et_writer w;
	char command[2000];
	const char *const meta[] = {"spec", net_gold_spec(c), "format", "pt"};

	if (strcmp(c->name, "batch") && strcmp(c->name, "lenet"))
		return;
	net_open(&t, ctx(), net_gold_spec(c), &setup);
	struct et_pass pass = {.x = net_gold_pictures(c, &t.net, "x", n), .n = n};
	size_t image = et_shape_count(t.net.input), classes = (size_t)t.net.classes;
	struct io io = {.x = gold_f32(c, "x", (size_t)n * image),
			.logits = et_net_forward(&t.net, &pass),
			.sizes = {(size_t)n * image * 4, (size_t)n * classes * 4}};
	const struct et_st_out out[] = {
		{"x",
		 ET_F32,
		 4,
		 {(uint64_t)n, (uint64_t)t.net.input.c, (uint64_t)t.net.input.h,
		  (uint64_t)t.net.input.w}},
		{"logits", ET_F32, 2, {(uint64_t)n, classes}},
	};
	const char *model = save(&t.net, "model.safetensors", false, meta, 2);
	const char *path = scratch_path("io.safetensors");
	MUST(et_writer_open(&w, path, &err));
	MUST(et_st_write(&w, out, 2, NULL, 0, put_io, &io, &err));
	MUST(et_writer_commit(&w, &err));
	snprintf(command, sizeof(command),
		 "PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 tests/gold/net.py --check %s %s "
		 ">/dev/null",
		 model, path);
	int status = system(command);
	ck_assert_msg(status == 0, "%s: PyTorch does not agree (%d): %s", c->name, status, command);
	net_close(&t);
}

/* What we write, PyTorch loads strictly, and finds our logits. Only where there is PyTorch. */
START_TEST(torch_reads)
{
	if (system("/usr/bin/python3 -c 'import torch, torchvision' >/dev/null 2>&1"))
		return;
	gold_each("net-step", "step", 5, check_back);
}
END_TEST

Suite *suite_weights(void);
Suite *suite_weights(void)
{
	Suite *s = suite_create("weights");
	TCase *tc = num_tcase("weights");
	tcase_add_checked_fixture(tc, scratch_open, scratch_close);
	tcase_add_test(tc, round_trip);
	tcase_add_test(tc, moments);
	tcase_add_test(tc, layout);
	tcase_add_test(tc, gradients);
	tcase_add_test(tc, torch_writes);
	tcase_add_test(tc, torch_reads);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, tcase_misfits());
	suite_add_tcase(s, tcase_names());
	return s;
}

/* et_grad: loss and gradients, file to file, against PyTorch's; and batches that cannot be right.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net_gold.h"
#include "run/run.h"
#include "scratch.h"
#include "suites.h"

static struct et_err err;

#define MUST(expr)                                    \
	do {                                          \
		if ((expr) < 0)                       \
			ck_abort_msg("%s", err.text); \
	} while (0)

/* ---- files ----------------------------------------------------------------------------------- */

struct tensor {
	struct et_st_out out;
	const void *data;
};

static int put(void *arg, size_t i, struct et_writer *w)
{
	const struct tensor *t = (const struct tensor *)arg + i;
	size_t n = t->out.dtype == ET_I64 ? 8 : t->out.dtype == ET_F16 ? 2 : 4;
	for (int d = 0; d < t->out.rank; d++)
		n *= (size_t)t->out.shape[d];
	et_writer_put(w, t->data, n);
	return ET_OK;
}

static const char *write_tensors(const char *name, struct tensor *t, size_t n)
{
	struct et_st_out out[8];
	struct et_writer w;
	const char *path = scratch_path(name);

	ck_assert_uint_le(n, ET_COUNT(out));
	for (size_t i = 0; i < n; i++)
		out[i] = t[i].out;
	MUST(et_writer_open(&w, path, &err));
	MUST(et_st_write(&w, out, n, NULL, 0, put, t, &err));
	MUST(et_writer_commit(&w, &err));
	return path;
}

static const char *write_weights(const struct et_net *net, const char *name)
{
	struct et_writer w;
	const char *path = scratch_path(name);

	MUST(et_writer_open(&w, path, &err));
	MUST(et_net_write(net, &w, false, NULL, 0, &err));
	MUST(et_writer_commit(&w, &err));
	return path;
}

static const char *write_text(const char *name, const char *text)
{
	return scratch_put(name, text, strlen(text));
}

static void set(struct et_conf *conf, const char *key, const char *value)
{
	MUST(et_conf_set(conf, key, value, &err));
}

static float *read_f32(const struct et_st *st, const char *name, size_t n)
{
	const struct et_st_tensor *t = et_st_find(st, name);
	ck_assert_msg(t && t->count == n, "%s: no %s of %zu numbers", num_label_text(), name, n);
	float *v = num_floats(n);
	MUST(et_st_read_f32(st, t, v, &err));
	return v;
}

/* ---- PyTorch --------------------------------------------------------------------------------- */

static void check_file(const struct gold_case *c, const struct et_net *net, int n)
{
	struct et_st st;
	size_t input = (size_t)n * et_shape_count(net->input),
	       k = (size_t)n * et_shape_count(net->nodes[net->n - 1].out);
	size_t expected = 3;

	MUST(et_st_open(&st, scratch_path("g"), &err));
	net_gold_check("loss", read_f32(&st, "loss", 1), gold_f32(c, "loss", 1), 1, 1e-5);
	ck_assert_int_eq(et_st_find(&st, "loss")->rank, 0);
	net_gold_check("logits", read_f32(&st, "logits", k), gold_f32(c, "logits", k), k, 2e-5);
	net_gold_check("dx", read_f32(&st, "input", input), gold_f32(c, "dx", input), input, 2e-5);
	for (int i = 0; i < net->n_params; i++) {
		const struct et_param *p = &net->params[i];
		char name[200];
		if (p->kind != ET_PARAM_WEIGHT && p->kind != ET_PARAM_VECTOR)
			continue;
		const struct et_st_tensor *t = et_st_find(&st, p->name);
		ck_assert_msg(
			t && t->rank == p->rank &&
				!memcmp(t->shape, p->shape, (size_t)p->rank * sizeof(p->shape[0])),
			"%s: shape of %s", num_label_text(), p->name);
		snprintf(name, sizeof(name), "grad.%s", p->name);
		net_gold_check(p->name, read_f32(&st, p->name, p->count),
			       gold_f32(c, name, p->count), p->count, 2e-5);
		expected++;
	}
	ck_assert_uint_eq(st.n, expected);
	ck_assert_str_eq(et_st_meta(&st, "bn"), gold_int(c, "frozen") ? "frozen" : "batch");
	ck_assert_str_eq(et_st_meta(&st, "mode"), "exact");
	ck_assert_str_eq(et_st_meta(&st, "seed"), "42");
	et_st_close(&st);
}

/* As text, exact for floats. */
static const char *class_weights(const struct gold_case *c, size_t classes)
{
	char text[1000] = "";
	const float *v = gold_f32(c, "weight", classes);

	for (size_t i = 0; i < classes; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%.9g\n", (double)v[i]);
	return write_text("classes", text);
}

static void check_case(const struct gold_case *c)
{
	struct et_ctx ctx = {.k = et_kern_select(NULL), .threads = 1};
	int n = gold_int(c, "n");
	struct net_setup setup = {.eval_batch = 1};
	struct net_case t;
	char smoothing[32];

	num_label("%s", c->name);
	net_open(&t, &ctx, net_gold_spec(c), &setup);
	net_gold_load(c, &t.net);
	const struct et_shape in = t.net.input;
	struct tensor batch[] = {
		{{"input",
		  ET_F32,
		  4,
		  {(uint64_t)n, (uint64_t)in.c, (uint64_t)in.h, (uint64_t)in.w}},
		 gold_f32(c, "x", (size_t)n * et_shape_count(in))},
		/* The file's are 64 bits wide. */
		{{"target", ET_I64, 1, {(uint64_t)n}}, NULL},
	};
	const struct et_shape end = t.net.nodes[t.net.n - 1].out;
	size_t rows = (size_t)n * (size_t)end.h * (size_t)end.w;
	if (end.h > 1) {
		batch[1].out.rank = 3;
		batch[1].out.shape[1] = (uint64_t)end.h;
		batch[1].out.shape[2] = (uint64_t)end.w;
	}
	int64_t *label = num_alloc(rows, sizeof(*label));
	const int32_t *narrow = gold_i32(c, "label", rows);
	for (size_t i = 0; i < rows; i++)
		label[i] = narrow[i];
	batch[1].data = label;

	struct et_conf *conf = et_conf_new();
	snprintf(smoothing, sizeof(smoothing), "%g", gold_num(c, "smoothing"));
	set(conf, "label_smoothing", smoothing);
	set(conf, "seed", "42");
	set(conf, "bn", gold_int(c, "frozen") ? "frozen" : "batch");
	if (gold_int(c, "weighted"))
		set(conf, "class_weights", class_weights(c, (size_t)t.net.classes));
	struct et_env env = {.threads = 2};
	struct et_grad g = {.spec = write_text("s.json", net_gold_spec(c)),
			    .batch = write_tensors("b", batch, 2),
			    .weights = write_weights(&t.net, "w"),
			    .out = scratch_path("g"),
			    .input_grad = true,
			    .conf = conf};
	struct et_grad_result r;
	MUST(et_grad(&env, &g, &r, &err));
	ck_assert_int_eq(r.images, n);
	ck_assert_int_eq(r.frozen_batch_norm, gold_int(c, "frozen"));
	check_file(c, &t.net, n);
	et_conf_free(conf);
	net_close(&t);
}

START_TEST(torch)
{
	gold_each("net-step", "step", 5, check_case);
	gold_each("net-heads", "step", 5, check_case);
}
END_TEST

/* ---- a small net ----------------------------------------------------------------------------- */

static const char layers[] =
	"{'name':'c','type':'conv2d','out_channels':4,'kernel_size':3,'padding':1,'bias':false},"
	"{'name':'bn','type':'batchnorm2d'},{'type':'relu'},"
	"{'name':'d','type':'conv2d','out_channels':6,'kernel_size':3,'padding':1},"
	"{'name':'bn2','type':'batchnorm2d'},{'type':'relu'},"
	"{'type':'global_avgpool2d'},{'name':'fc','type':'linear','out_features':3},"
	"{'type':'softmax-cross-entropy','ignore_index':9}";

#define N     4
#define SIDE  8
#define IMAGE (3 * SIDE * SIDE)
#define INPUT(n)                         \
	{                                \
		"input", ET_F32, 4,      \
		{                        \
			n, 3, SIDE, SIDE \
		}                        \
	}

static float pictures[N * IMAGE];
static const int64_t labels[N] = {0, 2, 1, 2};

/* The request for its gradients into "g". */
static struct et_grad small(void)
{
	struct et_rng r = num_rng(90, 0);
	for (size_t i = 0; i < ET_COUNT(pictures); i++)
		pictures[i] = et_rng_normal(&r);
	struct tensor batch[] = {{INPUT(N), pictures}, {{"target", ET_I64, 1, {N}}, labels}};
	return (struct et_grad){.spec = write_text("s.json", net_text(3, SIDE, SIDE, 3, layers)),
				.batch = write_tensors("b", batch, 2),
				.out = scratch_path("g")};
}

static float *result(const char *name, size_t n)
{
	struct et_st st;
	MUST(et_st_open(&st, scratch_path("g"), &err));
	float *v = read_f32(&st, name, n);
	et_st_close(&st);
	return v;
}

static void no_warning(void *arg, enum et_log_level level, const char *line)
{
	(void)arg;
	(void)level;
	ck_abort_msg("%s", line);
}

static void run(const struct et_grad *g, const struct et_conf *conf, int threads)
{
	struct et_env env = {.threads = threads, .log = no_warning};
	struct et_grad with = *g;
	struct et_grad_result r;
	with.conf = conf;
	MUST(et_grad(&env, &with, &r, &err));
	ck_assert_int_eq(r.images, N);
}

/*
 * The gradient of a mode, at full size: filter's is the same at all taps of a kernel. The linear
 * layer's is exact, and there though a step of SGD would do without it. The norm is of all.
 */
START_TEST(modes)
{
	struct et_grad g = small();
	struct et_conf *conf = et_conf_new();
	struct et_grad_result r;
	struct et_env env = {0};
	size_t taps = 9, pairs = 4 * 6;

	set(conf, "bn", "frozen");
	run(&g, conf, 1);
	const float *exact = result("fc.weight", 18), *varied = result("d.weight", taps * pairs);
	ck_assert(varied[0] != varied[1]);
	set(conf, "mode", "filter:4");
	run(&g, conf, 1);
	const float *flat = result("d.weight", taps * pairs);
	double most = 0;
	for (size_t i = 0; i < pairs; i++)
		for (size_t t = 0; t < taps; t++) {
			ck_assert(flat[i * taps + t] == flat[i * taps]);
			most = fmax(most, fabs((double)flat[i * taps]));
		}
	ck_assert(most > 0);
	net_gold_check("fc.weight", result("fc.weight", 18), exact, 18, 1e-5);

	set(conf, "trainable", "fc");
	g.conf = conf;
	ck_assert_int_eq(et_grad(&env, &g, &r, &err), ET_EUSAGE); /* filter on no layer */
	set(conf, "mode", "exact");
	MUST(et_grad(&env, &g, &r, &err));
	const float *w = result("fc.weight", 18), *b = result("fc.bias", 3);
	double squares = 0;
	for (int i = 0; i < 18; i++)
		squares += (double)w[i] * (double)w[i];
	for (int i = 0; i < 3; i++)
		squares += (double)b[i] * (double)b[i];
	ck_assert_double_le(fabs(r.norm - sqrt(squares)), 1e-9);
	ck_assert_uint_eq(r.trainable, 21);
	et_conf_free(conf);
}
END_TEST

/* The batch is the file's, whatever the spec says of batches; threads change no bit. */
START_TEST(same_bits)
{
	struct et_grad g = small();
	char *first, *again;
	size_t n, m;
	const char *spec = net_text(3, SIDE, SIDE, 3, layers);
	size_t size = strlen(spec) + 100;
	char *train = num_alloc(size, 1);

	run(&g, NULL, 1);
	MUST(et_file_read(g.out, 0, &first, &n, &err));
	snprintf(train, size,
		 "%.*s,\"train\":{\"batch_size\":1,\"micro_batch\":1,\"optimizer\":\"adam\"}}",
		 (int)strlen(spec) - 1, spec);
	g.spec = write_text("t.json", train);
	run(&g, NULL, 3);
	MUST(et_file_read(g.out, 0, &again, &m, &err));
	ck_assert_uint_eq(n, m);
	ck_assert_mem_eq(first, again, n);
	free(first);
	free(again);
}
END_TEST

/* Refused with the largest batch that fits, which does; nothing is written. */
START_TEST(memory)
{
	struct et_grad g = small();
	struct et_env env = {0};
	struct et_grad_result r;
	enum { MANY = 2000 };
	float *x = num_alloc((size_t)MANY * IMAGE, sizeof(float));
	int64_t *y = num_alloc(MANY, sizeof(*y));
	struct tensor batch[] = {{INPUT(MANY), x}, {{"target", ET_I64, 1, {MANY}}, y}};

	g.batch = write_tensors("b", batch, 2);
	env.max_memory = et_machine_rss() + (8u << 20);
	int before = scratch_count();
	ck_assert_int_eq(et_grad(&env, &g, &r, &err), ET_EFIT);
	ck_assert_int_eq(scratch_count(), before);
	const char *advice = strstr(err.text, "the largest batch that fits has ");
	ck_assert_msg(advice, "%s", err.text);
	long fits = strtol(advice + 32, NULL, 10);
	ck_assert_int_gt(fits, 1);
	ck_assert_int_lt(fits, MANY);
	batch[0].out.shape[0] = batch[1].out.shape[0] = (uint64_t)fits;
	g.batch = write_tensors("b", batch, 2);
	env.max_memory = et_machine_rss() + (8u << 20);
	MUST(et_grad(&env, &g, &r, &err));
	ck_assert_int_eq(r.images, (int)fits);
	env.max_memory = 1000;
	ck_assert_int_eq(et_grad(&env, &g, &r, &err), ET_EFIT);
	ck_assert_ptr_nonnull(strstr(err.text, "not even one image fits"));
}
END_TEST

/* Labels that are ignored take no part in the mean; where all are there is none. */
START_TEST(ignored)
{
	struct et_grad g = small();
	struct et_env env = {0};
	struct et_grad_result some, three;
	struct et_conf *conf = et_conf_new();
	int64_t y[N] = {0, 2, 1, 9};
	struct tensor batch[] = {{INPUT(N), pictures}, {{"target", ET_I64, 1, {N}}, y}};

	set(conf, "bn", "frozen"); /* which leaves pictures to themselves */
	g.conf = conf;
	g.batch = write_tensors("b", batch, 2);
	MUST(et_grad(&env, &g, &some, &err));
	const float *w = result("c.weight", 108);
	batch[0].out.shape[0] = batch[1].out.shape[0] = 3;
	g.batch = write_tensors("b", batch, 2);
	MUST(et_grad(&env, &g, &three, &err));
	ck_assert_double_le(fabs(some.loss - three.loss), 1e-6);
	net_gold_check("c.weight", w, result("c.weight", 108), 108, 1e-5);
	y[0] = y[1] = y[2] = 9;
	g.batch = write_tensors("b", batch, 2);
	ck_assert_int_eq(et_grad(&env, &g, &three, &err), ET_EDATA);
	ck_assert_ptr_nonnull(strstr(err.text, "the labels have no weight"));
	et_conf_free(conf);
}
END_TEST

/* Stopped before the end: nothing is written, and what was there is what it was. */
START_TEST(stopped)
{
	struct et_grad g = small();
	volatile sig_atomic_t stop = 1;
	struct et_env env = {.stop = &stop};
	struct et_grad_result r;

	write_text("g", "before");
	ck_assert_int_eq(et_grad(&env, &g, &r, &err), ET_ESTOP);
	ck_assert(scratch_holds("g", "before", 6));
}
END_TEST

/* A disk that is full: the file is what it was. */
START_TEST(full)
{
	struct et_grad g = small();
	struct et_env env = {0};
	struct et_grad_result r;

	write_text("g", "before");
	int before = scratch_count();
	scratch_limit(1000);
	ck_assert_int_eq(et_grad(&env, &g, &r, &err), ET_EIO);
	ck_assert(scratch_holds("g", "before", 6));
	ck_assert_int_eq(scratch_count(), before);
}
END_TEST

/* ---- batches --------------------------------------------------------------------------------- */

/* A net for pixels: its spec without the pooling behind them. */
static void pixel_spec(struct et_spec *spec)
{
	const char *text = net_text(1, 2, 3, 4,
				    "{'type':'conv2d','out_channels':4,'kernel_size':1},"
				    "{'type':'global_avgpool2d'}");
	MUST(et_spec_parse(spec, text, strlen(text), "p.json", &err));
	spec->n--;
	free(spec->layers[spec->n].name);
	free(spec->layers[spec->n].in);
}

START_TEST(pixels)
{
	struct et_ctx ctx = {.k = et_kern_select(NULL), .threads = 1};
	static const float x[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
	static const int32_t y[12] = {0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3};
	struct tensor batch[] = {{{"input", ET_F32, 4, {2, 1, 2, 3}}, x},
				 {{"target", ET_I32, 3, {2, 2, 3}}, y}};
	static const struct et_st_out wrong[] = {{"target", ET_I32, 1, {2}},
						 {"target", ET_I32, 3, {2, 3, 2}},
						 {"target", ET_I32, 3, {1, 2, 3}},
						 {"target", ET_I32, 4, {2, 2, 3, 1}}};
	struct et_spec spec;
	struct et_batch_file b;

	pixel_spec(&spec);
	MUST(et_batch_file_open(&b, write_tensors("b", batch, 2), &spec, &err));
	ck_assert_uint_eq(b.rows, 12);
	MUST(et_batch_file_load(&b, &ctx, &spec, &err));
	ck_assert_mem_eq(b.label, y, sizeof(y));
	et_batch_file_close(&b);
	for (size_t i = 0; i < ET_COUNT(wrong); i++) {
		batch[1].out = wrong[i];
		ck_assert_int_eq(et_batch_file_open(&b, write_tensors("b", batch, 2), &spec, &err),
				 ET_EDATA);
		ck_assert_ptr_nonnull(strstr(err.text, "expected shape [2,2,3], found "));
	}
	et_spec_free(&spec);
}
END_TEST

/* Pictures of several channels are turned to memory's layout; 2^32 is no class. */
START_TEST(numbers)
{
	struct et_ctx ctx = {.k = et_kern_select(NULL), .threads = 1};
	const char *text =
		net_text(3, 2, 2, 3, "{'type':'flatten'},{'type':'linear','out_features':3}");
	float x[12];
	int64_t y[1] = {2};
	struct tensor batch[] = {{{"input", ET_F32, 4, {1, 3, 2, 2}}, x},
				 {{"target", ET_I64, 1, {1}}, y}};
	static const int64_t bad[] = {3, -1, 255, (int64_t)1 << 32, INT64_MIN, INT64_MAX};
	struct et_spec spec;
	struct et_batch_file b;

	MUST(et_spec_parse(&spec, text, strlen(text), "t.json", &err));
	for (int i = 0; i < 12; i++)
		x[i] = (float)i;
	MUST(et_batch_file_open(&b, write_tensors("b", batch, 2), &spec, &err));
	MUST(et_batch_file_load(&b, &ctx, &spec, &err));
	for (int i = 0; i < 12; i++)
		ck_assert(b.x[i] == (float)(i % 3 * 4 + i / 3));
	ck_assert_int_eq(b.label[0], 2);
	et_batch_file_close(&b);
	for (size_t i = 0; i <= ET_COUNT(bad); i++) {
		y[0] = i < ET_COUNT(bad) ? bad[i] : 0;
		x[11] = i < ET_COUNT(bad) ? 0 : -INFINITY;
		MUST(et_batch_file_open(&b, write_tensors("b", batch, 2), &spec, &err));
		ck_assert_int_eq(et_batch_file_load(&b, &ctx, &spec, &err), ET_EDATA);
		ck_assert_ptr_nonnull(strstr(err.text, i < ET_COUNT(bad)
							       ? "\"target\": element 0 is "
							       : "\"input\": element 11 is -inf"));
		et_batch_file_close(&b);
	}
	et_spec_free(&spec);
}
END_TEST

Suite *suite_grad(void)
{
	Suite *s = suite_create("grad");
	TCase *tc = num_tcase("grad");
	tcase_add_checked_fixture(tc, scratch_open, scratch_close);
	tcase_add_test(tc, torch);
	tcase_add_test(tc, modes);
	tcase_add_test(tc, same_bits);
	tcase_add_test(tc, memory);
	tcase_add_test(tc, ignored);
	tcase_add_test(tc, stopped);
	tcase_add_test(tc, full);
	tcase_add_test(tc, pixels);
	tcase_add_test(tc, numbers);
	suite_add_tcase(s, tc);
	return s;
}

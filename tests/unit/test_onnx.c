/* ONNX files: the writer's bytes, and how nets become graphs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "net/types.h"
#include "net_random.h"
#include "scratch.h"
#include "suites.h"

static struct et_err err;

static const struct et_ctx *ctx(void)
{
	static struct et_ctx x;
	x = (struct et_ctx){.k = et_kern_select(NULL), .threads = 1};
	return &x;
}

/* ---- the writer ------------------------------------------------------------------------------ */

/* Values of a tensor: `id` bytes that count up from id. */
static int put_bytes(void *arg, size_t id, struct et_writer *w)
{
	(void)arg;
	for (size_t i = 0; i < id; i++) {
		unsigned char byte = (unsigned char)(id + i);
		et_writer_put(w, &byte, 1);
	}
	return ET_OK;
}

static int write_model(struct et_onnx *m)
{
	struct et_writer w;
	ck_assert_int_eq(et_writer_open(&w, scratch_path("out"), &err), 0);
	int rc = et_onnx_write(m, &w, "1.2", put_bytes, NULL, &err);
	et_onnx_free(m);
	if (rc == ET_OK)
		return et_writer_commit(&w, &err);
	et_writer_abort(&w);
	ck_assert_int_eq(scratch_count(), 0);
	return rc;
}

/* Made by hand from onnx.proto and the rules of protobuf: a tag is field * 8 + wire type. */
START_TEST(exact_bytes)
{
	/* clang-format off */
	static const unsigned char want[] = {
		0x08, 8,                                              /* ir_version */
		0x12, 9, 'e', 'd', 'g', 'e', 't', 'r', 'a', 'i', 'n', /* producer_name */
		0x1a, 3, '1', '.', '2',                               /* producer_version */
		0x3a, 0xba, 1,                                        /* graph, 186 bytes */
		0x0a, 75,                                             /* node */
			0x0a, 1, 'x', 0x0a, 0, 0x0a, 1, 'w',          /* inputs, one left out */
			0x12, 1, 'a', 0x1a, 1, 'n', 0x22, 2, 'O', 'p', /* output, name, op_type */
			0x2a, 17, 0x0a, 1, 'i', 0x18,                 /* attribute i = -1 */
				0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,
				0xa0, 1, 2,
			0x2a, 11, 0x0a, 1, 'f', 0x15, 0, 0, 0xc0, 0x3f, 0xa0, 1, 1, /* 1.5 */
			0x2a, 12, 0x0a, 2, 'i', 's', 0x40, 3, 0x40, 0xac, 2, 0xa0, 1, 7, /* 3, 300 */
			0x2a, 9, 0x0a, 1, 's', 0x22, 1, 't', 0xa0, 1, 3,
		0x0a, 12, 0x0a, 1, 'a', 0x12, 1, 'y', 0x1a, 1, 'm', 0x22, 1, 'R',
		0x12, 1, 'g',                                         /* name of the graph */
		0x2a, 17, 0x08, 1, 0x10, 7, 0x42, 1, 'k', 0x4a, 8, 5, 0, 0, 0, 0, 0, 0, 0,
		0x2a, 11, 0x10, 1, 0x42, 1, 'h', 0x4a, 4, 0, 0, 0x80, 0x3f,
		0x2a, 19, 0x08, 2, 0x08, 1, 0x10, 1, 0x42, 1, 'w', 0x4a, 8, 8, 9, 10, 11, 12, 13, 14, 15,
		0x5a, 20, 0x0a, 1, 'x', 0x12, 15, 0x0a, 13, 0x08, 1,  /* input, float32 */
			0x12, 9, 0x0a, 3, 0x12, 1, 'N', 0x0a, 2, 0x08, 3, /* [N,3] */
		0x62, 15, 0x0a, 1, 'y', 0x12, 10, 0x0a, 8, 0x08, 1, 0x12, 4, 0x0a, 2, 0x08, 7,
		0x42, 2, 0x10, 13,                                    /* opset_import */
		0x72, 6, 0x0a, 1, 'k', 0x12, 1, 'v',                  /* metadata_props */
	};
	/* clang-format on */
	const int64_t in[] = {-1, 3}, out = 7, one = 1, five = 5, sides[] = {2, 1};
	const float h = 1;
	struct et_onnx *m = et_onnx_new("g");
	ck_assert_ptr_nonnull(m);

	et_onnx_input(m, "x", 2, in);
	et_onnx_output(m, "y", 1, &out);
	et_onnx_meta(m, "k", "v");
	et_onnx_weights(m, "w", 2, sides, 8);
	et_onnx_node(m, "Op", "n", (const char *[]){"x", "", "w"}, 3, "a");
	et_onnx_int(m, "i", -1);
	et_onnx_float(m, "f", 1.5f);
	et_onnx_constant(m, "k", ET_I64, 1, &one, &five);
	et_onnx_ints(m, "is", (int64_t[]){3, 300}, 2);
	et_onnx_text(m, "s", "t");
	et_onnx_node(m, "R", "m", (const char *[]){"a"}, 1, "y");
	et_onnx_constant(m, "h", ET_F32, 0, NULL, &h);
	ck_assert_msg(write_model(m) == 0, "%s", err.text);
	ck_assert(scratch_holds("out", want, sizeof(want)));
}
END_TEST

static struct et_onnx *small_model(const char *name, const char *out)
{
	const int64_t one = 1;
	struct et_onnx *m = et_onnx_new("g");
	ck_assert_ptr_nonnull(m);

	et_onnx_input(m, "x", 1, &one);
	et_onnx_node(m, "Relu", name, (const char *[]){"x"}, 1, out);
	et_onnx_output(m, out, 1, &one);
	return m;
}

START_TEST(refusals)
{
	/* The sizes alone would do it: nothing of them is there. */
	const int64_t huge[] = {1 << 15, 1 << 14}, absurd[] = {INT64_MAX, INT64_MAX, 3};
	struct et_onnx *m = small_model("n", "x");
	ck_assert_int_eq(write_model(m), ET_EDATA);
	ck_assert_str_eq(err.text, "two values of the ONNX graph would be named \"x\"");
	m = small_model("n\xff", "y");
	ck_assert_int_eq(write_model(m), ET_EDATA);
	ck_assert_ptr_nonnull(strstr(err.text, "is not UTF-8"));
	m = small_model("n", "y");
	et_onnx_weights(m, "w", 2, huge, 1);
	ck_assert_int_eq(write_model(m), ET_EDATA);
	ck_assert_str_eq(
		err.text,
		"the network would make an ONNX file of 2.1 GB; a protobuf has at most 2 GB");
	m = small_model("n", "y");
	et_onnx_weights(m, "w", 3, absurd, 1);
	et_onnx_weights(m, "v", 3, absurd, 1);
	ck_assert_int_eq(write_model(m), ET_EDATA);
	ck_assert_ptr_nonnull(strstr(err.text, "2 GB"));
	m = small_model("n", "y");
	et_onnx_weights(m, "w", 1, (int64_t[]){2}, 7);
	ck_assert_int_eq(write_model(m), ET_EINTERNAL);
	ck_assert_str_eq(err.text, "tensor \"w\": expected 8 bytes to be written, found 7");
}
END_TEST

/* ---- nets ------------------------------------------------------------------------------------ */

/* The whole file, NUL at its end. */
static int write_net(struct net_case *t, const struct et_onnx_form *form, char **bytes, size_t *n)
{
	static const char *const meta[] = {"key", "value"};
	struct et_writer w;

	ck_assert_int_eq(et_writer_open(&w, scratch_path("out"), &err), 0);
	int rc = et_net_write_onnx(&t->net, &w, form, meta, 1, &err);
	if (rc) {
		et_writer_abort(&w);
		return rc;
	}
	ck_assert_int_eq(et_writer_commit(&w, &err), 0);
	ck_assert_int_eq(et_file_read(scratch_path("out"), 0, bytes, n, &err), 0);
	return ET_OK;
}

/* Where these bytes stand in the file; NULL: nowhere. */
static const char *find(const char *bytes, size_t n, const char *what, size_t length)
{
	for (size_t i = 0; i + length <= n; i++)
		if (memcmp(bytes + i, what, length) == 0)
			return bytes + i;
	return NULL;
}

/* The first value of a float tensor: behind its name and the tag and length (below 128) of its
 * data. */
static float first_value(const char *bytes, size_t n, const char *name)
{
	char head[64] = "\x42";
	float v;
	head[1] = (char)strlen(name);
	strcpy(head + 2, name);
	const char *at = find(bytes, n, head, strlen(head));
	ck_assert_msg(at && at[strlen(head)] == 0x4a, "no tensor %s", name);
	memcpy(&v, at + strlen(head) + 2, sizeof(v));
	return v;
}

static const char folding[] =
	"{'name': 'c', 'type': 'conv2d', 'out_channels': 1, 'kernel_size': 1, 'bias': false},"
	"{'name': 'n', 'type': 'batchnorm2d', 'eps': 0},"
	"{'name': 'd', 'type': 'conv2d', 'out_channels': 1, 'kernel_size': 1},"
	"{'name': 'm', 'type': 'batchnorm2d', 'eps': 0.25},"
	"{'name': 's', 'type': 'add', 'inputs': ['m', 'd']},"
	"{'type': 'global_avgpool2d'},"
	"{'name': 'fc', 'type': 'linear', 'out_features': 1},"
	"{'name': 'o', 'type': 'batchnorm2d', 'eps': 0}";

static void set(struct net_case *t, const char *name, float v)
{
	net_param(&t->net, name)->value[0] = v;
}

static void open_folding(struct net_case *t)
{
	const struct net_setup setup = {.eval_batch = 1};
	net_open(t, ctx(), net_text(1, 2, 2, 1, folding), &setup);
	for (int i = 0; i < t->net.n_params; i++)
		if (t->net.params[i].count)
			t->net.params[i].value[0] = 1;
	set(t, "c.weight", 2);
	set(t, "n.weight", 6);
	set(t, "n.bias", 1);
	set(t, "n.running_mean", 4);
	set(t, "n.running_var", 9);
	set(t, "fc.weight", 5);
	set(t, "fc.bias", 3);
	set(t, "o.weight", -2);
	set(t, "o.running_mean", 1);
	set(t, "o.running_var", 16);
}

/* gamma / sqrt(var) = 2, so w = 4 and b = 1 - 4 * 2; at the end -0.5: w = -2.5, b = 1 + (3-1) *
 * -0.5. m does not go into d, which is read twice. */
START_TEST(batch_norm_goes_into_the_layer_before)
{
	struct net_case t;
	const struct et_onnx_form form = {.name = "g", .version = "1", .fold = true};
	char *bytes;
	size_t n;
	open_folding(&t);
	ck_assert_msg(write_net(&t, &form, &bytes, &n) == 0, "%s", err.text);
	ck_assert_float_eq(first_value(bytes, n, "c.weight"), 4);
	ck_assert_float_eq(first_value(bytes, n, "c.bias"), -7);
	ck_assert_float_eq(first_value(bytes, n, "d.weight"), 1);
	ck_assert_float_eq(first_value(bytes, n, "m.running_var"), 1);
	ck_assert_float_eq(first_value(bytes, n, "fc.weight"), -2.5f);
	ck_assert_float_eq(first_value(bytes, n, "fc.bias"), 0);
	ck_assert_ptr_null(find(bytes, n, "n.weight", 8));
	ck_assert_ptr_null(find(bytes, n, "o.weight", 8));
	free(bytes);
	net_close(&t);
}
END_TEST

START_TEST(batch_norm_stays)
{
	struct net_case t;
	const struct et_onnx_form form = {.name = "g", .version = "1"};
	char *bytes;
	size_t n;
	open_folding(&t);
	ck_assert_msg(write_net(&t, &form, &bytes, &n) == 0, "%s", err.text);
	ck_assert_float_eq(first_value(bytes, n, "c.weight"), 2);
	ck_assert_float_eq(first_value(bytes, n, "n.running_mean"), 4);
	ck_assert_float_eq(first_value(bytes, n, "fc.bias"), 3);
	ck_assert_float_eq(first_value(bytes, n, "o.running_var"), 16);
	ck_assert_ptr_null(find(bytes, n, "\6c.bias", 7));
	free(bytes);
	net_close(&t);
}
END_TEST

START_TEST(not_finite)
{
	struct net_case t;
	const struct et_onnx_form fold = {.name = "g", .version = "1", .fold = true};
	const struct et_onnx_form keep = {.name = "g", .version = "1"};
	char *bytes;
	size_t n;
	open_folding(&t);
	set(&t, "n.running_var", -1);
	ck_assert_int_eq(write_net(&t, &fold, &bytes, &n), ET_EDATA);
	ck_assert_str_eq(err.text,
			 "c.weight has a value that is not finite: the network cannot be used");
	ck_assert_int_eq(scratch_count(), 0);
	set(&t, "n.running_var", INFINITY);
	ck_assert_int_eq(write_net(&t, &keep, &bytes, &n), ET_EDATA);
	ck_assert_ptr_nonnull(strstr(err.text, "n.running_var"));
	net_close(&t);
}
END_TEST

START_TEST(every_type_has_a_form)
{
	for (size_t i = 0; et_type_at(i); i++)
		ck_assert_msg(et_type_at(i) == &et_type_loss || et_type_at(i)->onnx,
			      "%s has no form in ONNX", et_type_at(i)->name);
}
END_TEST

/* No two values of one name, no text that is not there, whatever the layers are. */
START_TEST(random_nets)
{
	struct et_rng r = et_rng_open(11, ET_STREAM_TEST, (uint64_t)_i, 0);
	struct random_net net = random_net(&r, false);
	const float half[] = {0.5f, 0.5f, 0.5f};
	const struct net_setup setup = {.eval_batch = 1};
	const struct et_onnx_form form = {.name = "g",
					  .version = "1",
					  .fold = _i % 2,
					  .clip = _i % 3,
					  .softmax = _i % 5 == 0,
					  .mean = _i % 7 ? NULL : half,
					  .std = _i % 7 ? NULL : half};
	struct net_case t;
	char *bytes;
	size_t n;
	net_open(&t, ctx(), net.text, &setup);
	for (int i = 0; i < t.net.n_params; i++)
		for (size_t k = 0; k < t.net.params[i].count; k++)
			t.net.params[i].value[k] = 1;
	ck_assert_msg(write_net(&t, &form, &bytes, &n) == 0, "%s\n%s", err.text, net.text);
	free(bytes);
	net_close(&t);
}
END_TEST

Suite *suite_onnx(void)
{
	Suite *s = suite_create("onnx");
	TCase *t = tcase_create("writer");
	tcase_add_checked_fixture(t, scratch_open, scratch_close);
	tcase_add_test(t, exact_bytes);
	tcase_add_test(t, refusals);
	suite_add_tcase(s, t);
	t = num_tcase("nets");
	tcase_add_checked_fixture(t, scratch_open, scratch_close);
	tcase_add_test(t, batch_norm_goes_into_the_layer_before);
	tcase_add_test(t, batch_norm_stays);
	tcase_add_test(t, not_finite);
	tcase_add_test(t, every_type_has_a_form);
	tcase_add_loop_test(t, random_nets, 0, 40);
	suite_add_tcase(s, t);
	return s;
}

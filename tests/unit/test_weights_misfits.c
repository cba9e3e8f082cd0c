/* Weights of other programs: prefixes, other types of numbers, other heads, and what does not fit.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scratch.h"
#include "test_weights.h"

static const char layers[] =
	"{'name':'c','type':'conv2d','out_channels':2,'kernel_size':1},"
	"{'name':'bn','type':'batchnorm2d'},{'name':'gap','type':'global_avgpool2d'},"
	"{'name':'fc','type':'linear','out_features':5}";

static struct et_err err;

/* One tensor of a file: its data are the numbers first, first + 1, ... */
struct item {
	char name[100];
	enum et_dtype dtype;
	int rank;
	uint64_t shape[4];
	float first;
};

struct list {
	struct item items[20];
	size_t n;
};

static void add(struct list *l, const char *name, int rank, uint64_t a, uint64_t b, float first)
{
	struct item *i = &l->items[l->n++];
	*i = (struct item){.dtype = ET_F32, .rank = rank, .shape = {a, b, 1, 1}, .first = first};
	snprintf(i->name, sizeof(i->name), "%s", name);
}

static struct item *find(struct list *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->items[i].name, name) == 0)
			return &l->items[i];
	ck_abort_msg("no %s", name);
	return NULL;
}

static void drop(struct list *l, const char *name)
{
	*find(l, name) = l->items[--l->n];
}

/* All that the net above has. */
static struct list whole(void)
{
	struct list l = {.n = 0};
	add(&l, "c.weight", 4, 2, 3, 1);
	add(&l, "c.bias", 1, 2, 1, 11);
	add(&l, "bn.weight", 1, 2, 1, 21);
	add(&l, "bn.bias", 1, 2, 1, 31);
	add(&l, "bn.running_mean", 1, 2, 1, 41);
	add(&l, "bn.running_var", 1, 2, 1, 51);
	add(&l, "bn.num_batches_tracked", 0, 1, 1, 77);
	add(&l, "fc.weight", 2, 5, 2, 61);
	add(&l, "fc.bias", 1, 5, 1, 81);
	find(&l, "bn.num_batches_tracked")->dtype = ET_I64;
	return l;
}

/* Whole numbers up to 256 are exact in all of these. */
static void put_number(struct et_writer *w, enum et_dtype dtype, float v)
{
	uint32_t bits;
	uint16_t half;
	double d = (double)v;
	int64_t i = (int64_t)v;
	int e;
	memcpy(&bits, &v, 4);
	switch (dtype) {
	case ET_F16: /* 15 for the exponent's bias; the fraction's upper 10 bits */
		half = (uint16_t)((uint32_t)((void)frexp(d, &e), e + 14) << 10 |
				  (bits >> 13 & 0x3ff));
		et_writer_put(w, &half, 2);
		return;
	case ET_BF16:
		half = (uint16_t)(bits >> 16);
		et_writer_put(w, &half, 2);
		return;
	case ET_F64:
		et_writer_put(w, &d, 8);
		return;
	case ET_I64:
		et_writer_put(w, &i, 8);
		return;
	default:
		et_writer_put(w, &v, 4);
	}
}

static int put(void *arg, size_t i, struct et_writer *w)
{
	const struct item *t = &((const struct list *)arg)->items[i];
	uint64_t count = 1;
	for (int k = 0; k < t->rank; k++)
		count *= t->shape[k];
	for (uint64_t k = 0; k < count; k++)
		put_number(w, t->dtype, t->first + (float)k);
	return ET_OK;
}

static const char *save(struct list *l)
{
	const char *path = scratch_path("w.safetensors");
	struct et_st_out out[20];
	struct et_writer w;
	for (size_t i = 0; i < l->n; i++) {
		out[i] = (struct et_st_out){.name = l->items[i].name,
					    .dtype = l->items[i].dtype,
					    .rank = l->items[i].rank};
		memcpy(out[i].shape, l->items[i].shape, sizeof(l->items[i].shape));
	}
	ck_assert_int_eq(et_writer_open(&w, path, &err), ET_OK);
	if (et_st_write(&w, out, l->n, NULL, 0, put, l, &err) < 0)
		ck_abort_msg("%s", err.text);
	ck_assert_int_eq(et_writer_commit(&w, &err), ET_OK);
	return path;
}

static void open_net(struct net_case *t, const char *text)
{
	struct et_ctx ctx = {.k = et_kern_select(NULL), .threads = 1};
	struct net_setup setup = {.eval_batch = 1};
	net_open(t, &ctx, net_text(3, 4, 4, 5, text), &setup);
}

/* Has the parameter the numbers first, first + 1, ...? */
static void has(struct net_case *t, const char *name, float first)
{
	const struct et_param *p = net_param(&t->net, name);
	for (size_t k = 0; k < p->count; k++)
		ck_assert_msg(p->value[k] == first + (float)k, "%s[%zu] is %g", name, k,
			      (double)p->value[k]);
}

static void has_all(struct net_case *t)
{
	has(t, "c.weight", 1);
	has(t, "c.bias", 11);
	has(t, "bn.weight", 21);
	has(t, "bn.bias", 31);
	has(t, "bn.running_mean", 41);
	has(t, "bn.running_var", 51);
	has(t, "fc.weight", 61);
	has(t, "fc.bias", 81);
}

static void accept(struct list *l, bool strict, int64_t counter)
{
	struct net_case t;
	char dropped[256] = "x";
	open_net(&t, layers);
	if (weights_load(&t.net, save(l), strict, dropped, &err) < 0)
		ck_abort_msg("%s", err.text);
	ck_assert_str_eq(dropped, "");
	has_all(&t);
	ck_assert_int_eq(net_param(&t.net, "bn.num_batches_tracked")->counter, counter);
	net_close(&t);
}

static void refuse(struct list *l, bool strict, const char *want)
{
	struct net_case t;
	char line[1100];
	open_net(&t, layers);
	const char *path = save(l);
	ck_assert_int_eq(weights_load(&t.net, path, strict, NULL, &err), ET_EDATA);
	snprintf(line, sizeof(line), "%s: %s", path, want);
	ck_assert_str_eq(err.text, line);
	net_close(&t);
}

/* ---- what fits ------------------------------------------------------------------------------- */

START_TEST(prefixes)
{
	static const char *const before[] = {"module.",	      "model.",
					     "backbone.",     "_orig_mod.",
					     "module.model.", "_orig_mod.module.backbone."};
	struct list l = whole();
	accept(&l, true, 77);
	accept(&l, false, 77);
	for (size_t i = 0; i < ET_COUNT(before); i++) {
		l = whole();
		for (size_t k = 0; k < l.n; k++) {
			char name[100];
			snprintf(name, sizeof(name), "%s%s", before[i], l.items[k].name);
			memcpy(l.items[k].name, name, sizeof(name));
		}
		accept(&l, false, 77);
	}
	/* Some of them, and others that are no prefixes. */
	l = whole();
	strcpy(find(&l, "fc.bias")->name, "module.fc.bias");
	accept(&l, false, 77);
	refuse(&l, true, "does not fit the network: missing fc.bias; unexpected module.fc.bias");
	l = whole();
	strcpy(find(&l, "fc.bias")->name, "net.fc.bias");
	refuse(&l, false, "does not fit the network: missing fc.bias; unexpected net.fc.bias");
	/* Two for one. */
	l = whole();
	add(&l, "module.fc.bias", 1, 5, 1, 0);
	refuse(&l, false, "does not fit the network: unexpected module.fc.bias");
}
END_TEST

/* A layer may itself be called as a prefix is. */
START_TEST(prefix_as_name)
{
	static const char text[] =
		"{'name':'model.a','type':'conv2d','out_channels':5,'kernel_size':4},"
		"{'name':'backbone','type':'batchnorm2d'}";
	struct net_case t;
	struct list l = {.n = 0};
	open_net(&t, text);
	add(&l, "model.a.weight", 4, 5, 3, 1);
	l.items[0].shape[2] = l.items[0].shape[3] = 4;
	add(&l, "model.a.bias", 1, 5, 1, 11);
	add(&l, "backbone.weight", 1, 5, 1, 21);
	add(&l, "backbone.bias", 1, 5, 1, 31);
	add(&l, "backbone.running_mean", 1, 5, 1, 41);
	add(&l, "backbone.running_var", 1, 5, 1, 51);
	if (weights_load(&t.net, save(&l), false, NULL, &err) < 0)
		ck_abort_msg("%s", err.text);
	has(&t, "model.a.bias", 11);
	has(&t, "backbone.weight", 21);
	net_close(&t);
}
END_TEST

START_TEST(number_types)
{
	static const enum et_dtype types[] = {ET_F16, ET_BF16, ET_F64};
	for (size_t i = 0; i < ET_COUNT(types); i++)
		for (int strict = 0; strict < 2; strict++) {
			struct list l = whole();
			for (size_t k = 0; k < l.n; k++)
				if (l.items[k].dtype == ET_F32)
					l.items[k].dtype = types[i];
			accept(&l, strict, 77);
		}
	/* All of a file turned to 16 bits, the counter too: it is of no use to us. */
	struct list l = whole();
	find(&l, "bn.num_batches_tracked")->dtype = ET_F16;
	accept(&l, false, 3);
	l = whole();
	find(&l, "fc.bias")->dtype = ET_I64;
	struct net_case t;
	open_net(&t, layers);
	ck_assert_int_eq(weights_load(&t.net, save(&l), false, NULL, &err), ET_EDATA);
	ck_assert_msg(strstr(err.text, "fc.bias") && strstr(err.text, "I64"), "%s", err.text);
	net_close(&t);
}
END_TEST

START_TEST(counters)
{
	struct list l = whole();
	drop(&l, "bn.num_batches_tracked");
	accept(&l, false, 3);
	refuse(&l, true, "does not fit the network: missing bn.num_batches_tracked");
	/* One of one element is one; one of several must not be read into one. */
	l = whole();
	*find(&l, "bn.num_batches_tracked") = (struct item){.name = "bn.num_batches_tracked",
							    .dtype = ET_I64,
							    .rank = 1,
							    .shape = {1},
							    .first = 5};
	accept(&l, false, 5);
	find(&l, "bn.num_batches_tracked")->shape[0] = 1000;
	refuse(&l, false,
	       "does not fit the network: of another shape bn.num_batches_tracked (expected [], "
	       "found [1000])");
	find(&l, "bn.num_batches_tracked")->shape[0] = 0;
	refuse(&l, false,
	       "does not fit the network: of another shape bn.num_batches_tracked (expected [], "
	       "found [0])");
}
END_TEST

/* ---- what does not --------------------------------------------------------------------------- */

START_TEST(misfits)
{
	struct list l = whole();
	drop(&l, "c.bias");
	refuse(&l, false, "does not fit the network: missing c.bias");
	add(&l, "c.scale", 1, 2, 1, 0);
	refuse(&l, false, "does not fit the network: missing c.bias; unexpected c.scale");
	find(&l, "bn.weight")->shape[0] = 3;
	refuse(&l, false,
	       "does not fit the network: missing c.bias; of another shape bn.weight (expected "
	       "[2], found [3]); unexpected c.scale");
	l = whole();
	find(&l, "c.weight")->rank = 2;
	refuse(&l, true,
	       "does not fit the network: of another shape c.weight (expected [2,3,1,1], found "
	       "[2,3])");
	l = whole();
	find(&l, "fc.weight")->rank = 4;
	refuse(&l, false,
	       "does not fit the network: of another shape fc.weight (expected [5,2], found "
	       "[5,2,1,1])");
	l = (struct list){.n = 0};
	add(&l, "fc.weight", 2, 5, 2, 61);
	refuse(&l, false,
	       "does not fit the network: missing c.weight, c.bias, bn.weight, bn.bias, "
	       "bn.running_mean, ...");
	l = whole();
	for (char k = 'a'; k <= 'g'; k++)
		add(&l, (char[]){k, 0}, 0, 1, 1, 0);
	refuse(&l, false, "does not fit the network: unexpected a, b, c, d, e, ...");
}
END_TEST

/* Names at their longest still make one line. */
START_TEST(long_names)
{
	struct list l = whole();
	struct net_case t;
	for (char k = 'a'; k <= 'g'; k++) {
		char name[100];
		memset(name, k, 99);
		name[99] = 0;
		add(&l, name, 0, 1, 1, 0);
	}
	open_net(&t, layers);
	ck_assert_int_eq(weights_load(&t.net, save(&l), false, NULL, &err), ET_EDATA);
	ck_assert_uint_lt(strlen(err.text), sizeof(err.text));
	ck_assert_ptr_nonnull(strstr(err.text, "unexpected aaaa"));
	net_close(&t);
}
END_TEST

/* Another number of classes: the head stays as it was, and is named. */
START_TEST(other_head)
{
	struct net_case t;
	char dropped[256];
	struct list l = whole();
	find(&l, "fc.weight")->shape[0] = 7;
	find(&l, "fc.bias")->shape[0] = 7;
	open_net(&t, layers);
	const struct et_param *w = net_param(&t.net, "fc.weight"),
			      *b = net_param(&t.net, "fc.bias");
	float before[10], bias[5];
	memcpy(before, w->value, sizeof(before));
	memcpy(bias, b->value, sizeof(bias));
	const char *path = save(&l);
	if (weights_load(&t.net, path, false, dropped, &err) < 0)
		ck_abort_msg("%s", err.text);
	ck_assert_str_eq(dropped, "fc: [7,2] in the file, [5,2] here");
	num_check_bits("weight", w->value, before, sizeof(before));
	num_check_bits("bias", b->value, bias, sizeof(bias));
	has(&t, "c.weight", 1);
	has(&t, "bn.running_var", 51);
	ck_assert_int_eq(weights_load(&t.net, path, false, NULL, &err), ET_OK);
	net_close(&t);
	refuse(&l, true,
	       "does not fit the network: of another shape fc.weight (expected [5,2], found "
	       "[7,2]), fc.bias (expected [5], found [7])");
	/* Other inputs are another network; so is another size of any other layer. */
	find(&l, "fc.weight")->shape[1] = 3;
	refuse(&l, false,
	       "does not fit the network: of another shape fc.weight (expected [5,2], found "
	       "[7,3])");
	l = whole();
	find(&l, "c.weight")->shape[0] = 3;
	refuse(&l, false,
	       "does not fit the network: of another shape c.weight (expected [2,3,1,1], found "
	       "[3,3,1,1])");
}
END_TEST

TCase *tcase_misfits(void)
{
	TCase *tc = num_tcase("misfits");
	tcase_add_checked_fixture(tc, scratch_open, scratch_close);
	tcase_add_test(tc, prefixes);
	tcase_add_test(tc, prefix_as_name);
	tcase_add_test(tc, number_types);
	tcase_add_test(tc, counters);
	tcase_add_test(tc, misfits);
	tcase_add_test(tc, long_names);
	tcase_add_test(tc, other_head);
	return tc;
}

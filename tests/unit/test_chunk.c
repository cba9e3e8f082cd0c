/*
 * Which layers run for how many images at a time, and what memory that takes; test_program.c and
 * test_features.c see to it that the numbers stay the same.
 */
#include <string.h>

#include "net/program.h"
#include "net_case.h"

/* Maps of 3.2 MB, 0.8 MB, 0.2 MB and less. */
static const char layers[] =
	"{'name':'a','type':'conv2d','out_channels':64,'kernel_size':3,'stride':2,'padding':1},"
	"{'type':'relu'},{'type':'maxpool2d','kernel_size':2},"
	"{'name':'b','type':'basic_block','out_channels':64},"
	"{'name':'c','type':'basic_block','out_channels':32,'stride':4},"
	"{'name':'d','type':'basic_block','out_channels':32},"
	"{'name':'e','type':'conv2d','out_channels':128,'kernel_size':1},"
	"{'type':'global_avgpool2d'},{'name':'fc','type':'linear','out_features':4}";

/* A net that is planned, and nothing more. */
static void plan(struct net_case *t, const struct et_ctx *ctx, int last, int batch,
		 int chunk_growth)
{
	struct et_err err;
	const char *text = net_text(3, 224, 224, 4, layers);

	ck_assert_int_eq(et_spec_parse(&t->spec, text, strlen(text), "t.json", &err), ET_OK);
	ck_assert_int_eq(et_net_build(&t->net, &t->spec, ctx, &err), ET_OK);
	t->net.chunk_growth = chunk_growth;
	ck_assert_int_eq(et_net_select(&t->net, "", last, true, &err), ET_OK);
	ck_assert_int_eq(et_net_set_modes(&t->net, "exact", "", NULL, &err), ET_OK);
	ck_assert_int_eq(et_net_plan(&t->net, batch, batch, 0, &t->train, &t->eval, &err), ET_OK);
}

static int chunk_of(struct et_net *net, const struct et_program *p, const char *layer)
{
	return et_segment_of(p, net_node(net, layer)->index)->chunk;
}

START_TEST(by_shape)
{
	struct et_ctx ctx = {.k = et_kern_select("generic"), .threads = 1};
	struct net_case t;
	size_t image = 112 * 112 * 64 * sizeof(float);

	plan(&t, &ctx, 1, 32, 0);
	for (int training = 0; training < 2; training++) {
		const struct et_program *p = training ? t.net.train : t.net.eval;
		ck_assert_int_eq(chunk_of(&t.net, p, "a"), 1);
		ck_assert_int_eq(chunk_of(&t.net, p, "b.conv2"), 1);
		/* 75 kB an image, with the residual: 13 of them fit, and make three chunks. */
		ck_assert_int_eq(chunk_of(&t.net, p, "d.conv2"), 11);
		ck_assert_int_eq(chunk_of(&t.net, p, "e"), training ? 32 : 11);
		/* Behind c its large input is no longer wanted. */
		ck_assert_int_eq(chunk_of(&t.net, p, "c.downsample.0"), 1);
		/* One image's first map and its pooled one; not 32 of each. */
		ck_assert_uint_ge(p->live, image * 5 / 4);
		ck_assert_uint_lt(p->live, image * 2);
		ck_assert_int_eq(p->segments[p->n_segments - 1].end, t.net.n);
	}
	net_close(&t);

	/* Nothing frozen: whole batches in training, chunks in evaluation. */
	plan(&t, &ctx, 0, 16, 0);
	ck_assert_int_eq(t.net.train->n_segments, 1);
	ck_assert_int_eq(chunk_of(&t.net, t.net.train, "a"), 16);
	ck_assert_int_eq(chunk_of(&t.net, t.net.eval, "a"), 1);
	net_close(&t);
	plan(&t, &ctx, 1, 1, 0);
	ck_assert_uint_ge(t.net.train->live, image * 5 / 4);
	net_close(&t);
}
END_TEST

/* Segments are made one after another, end where features begin, and have chunks of one size. */
START_TEST(segments)
{
	struct et_ctx ctx = {.k = et_kern_select("generic"), .threads = 1};

	for (int growth = 1; growth < 12; growth++)
		for (int batch = 1; batch < 12; batch++) {
			struct net_case t;
			num_label("%d nodes an image more, batches of %d", growth, batch);
			plan(&t, &ctx, 2, batch, growth);
			for (int training = 0; training < 2; training++) {
				const struct et_program *p = training ? t.net.train : t.net.eval;
				int begin = 0, chunk = 1;
				bool cut = false;
				for (int i = 0; i < p->n_segments; i++) {
					const struct et_segment *s = &p->segments[i];
					ck_assert_int_gt(s->end, begin);
					ck_assert_int_ge(s->chunk, chunk);
					ck_assert_int_le(s->chunk, batch);
					ck_assert_ptr_eq(et_segment_of(p, begin), s);
					ck_assert_ptr_eq(et_segment_of(p, s->end - 1), s);
					ck_assert_int_eq(et_segment_begin(p, s), begin);
					cut |= begin == p->prefix;
					begin = s->end;
					chunk = s->chunk;
				}
				ck_assert_int_eq(begin, t.net.n);
				ck_assert(cut && p->prefix > 0);
				for (int k = 0; k < p->n_cut; k++)
					ck_assert(p->whole[p->cut[k]]);
			}
			net_close(&t);
		}
}
END_TEST

/* The first layer that is not finite for any image, not the first that is met. */
START_TEST(blame)
{
	struct et_ctx ctx = {.k = et_kern_at(0), .threads = 1};
	struct net_setup setup = {.eval_batch = 5, .chunk_growth = 100};
	static const char two[] =
		"{'name':'a','type':'conv2d','out_channels':2,'kernel_size':1,'bias':false},"
		"{'name':'b','type':'conv2d','out_channels':2,'kernel_size':1,'bias':false},"
		"{'name':'c','type':'conv2d','out_channels':2,'kernel_size':1,'bias':false},"
		"{'type':'global_avgpool2d'},{'name':'fc','type':'linear','out_features':2}";
	struct net_case t;
	char text[100];

	net_open(&t, &ctx, net_text(1, 1, 1, 2, two), &setup);
	ck_assert_int_eq(chunk_of(&t.net, t.net.eval, "a"), 1);
	for (int i = 0; i < t.net.n_params; i++)
		for (size_t k = 0; k < t.net.params[i].count; k++)
			t.net.params[i].value[k] = 1e10f;
	float *x = num_floats(5);
	struct et_pass pass = {.x = x, .n = 5};
	for (int i = 0; i < 5; i++)
		x[i] = 1e-5f;

	ck_assert(!et_net_find_nonfinite(&t.net, &pass, text, sizeof(text)));
	x[1] = 1e10f; /* overflows in c */
	x[3] = 1e30f; /* in a */
	ck_assert(et_net_find_nonfinite(&t.net, &pass, text, sizeof(text)));
	ck_assert_str_eq(text, "layer a: output");
	x[3] = 0;
	ck_assert(et_net_find_nonfinite(&t.net, &pass, text, sizeof(text)));
	ck_assert_str_eq(text, "layer c: output");
	net_close(&t);
}
END_TEST

Suite *suite_chunk(void);
Suite *suite_chunk(void)
{
	Suite *s = suite_create("chunk");
	TCase *tc = num_tcase("chunk");

	suite_add_tcase(s, tc);
	tcase_add_test(tc, by_shape);
	tcase_add_test(tc, segments);
	tcase_add_test(tc, blame);
	return s;
}

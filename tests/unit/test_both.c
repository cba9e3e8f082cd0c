/*
 * Both gradients of a convolution in one walk over dy: against the oracle, and bit for bit what the
 * two operators make apart, under every instruction set and number of threads.
 */
#include <string.h>

#include "conv_case.h"
#include "op/depthwise.h"

struct both_case {
	struct conv_case t;
	void (*both)(const struct et_ctx *x, const struct et_conv *g, int n,
		     const struct et_conv_pair *pair, struct et_arena *work);
	const struct et_prologue *pro; /* or NULL */
	float *dx, *dw;
};

static void run_both(void *arg, const struct et_ctx *x, struct et_arena *work)
{
	struct both_case *b = arg;
	struct conv_case *t = &b->t;

	struct et_conv_pair pair = {.in = num_at(work, t->x),
				    .pro = b->pro,
				    .dy = num_at(work, t->dy),
				    .w = num_at(work, t->w),
				    .dx = num_at(work, t->dx),
				    .dw = num_at(work, t->dw)};
	b->both(x, &t->g, t->n, &pair, work);
	/* The same scratch serves those apart. */
	if (!et_measuring(work))
		memcpy(b->dw, t->dw0, et_conv_weights(&t->g) * sizeof(float));
	et_conv_data(x, &t->g, t->n, num_at(work, t->dy), num_at(work, t->w), num_at(work, b->dx),
		     work);
	et_conv_weight(x, &t->g, t->n, num_at(work, t->x), b->pro, num_at(work, t->dy),
		       num_at(work, b->dw), work);
	if (et_measuring(work))
		return;
	struct num_sizes s = conv_sizes(t);
	num_check_bits("dx", t->dx, b->dx, s.x * sizeof(float));
	num_check_bits("dw", t->dw, b->dw, s.w * sizeof(float));
}

static void check_both(void *arg)
{
	const struct both_case *b = arg;

	if (b->pro)
		return; /* the oracle has none; et_conv_weight's is tested in test_conv.c */
	num_check("dx", b->t.dx, &b->t.want_dx, 8);
	num_check("dw", b->t.dw, &b->t.want_dw, 8);
}

/* With and without a prologue. */
static void check_shape(const struct et_conv *g, int n,
			void (*both)(const struct et_ctx *x, const struct et_conv *g, int n,
				     const struct et_conv_pair *pair, struct et_arena *work),
			struct et_rng *r)
{
	for (int prologue = 0; prologue < 2; prologue++) {
		struct both_case b = {.t = conv_random(g, n, r), .both = both};
		struct num_sizes s = conv_sizes(&b.t);
		size_t c = (size_t)g->c;
		struct et_prologue pro = {num_normal(r, c), num_normal(r, c), ET_ACT_RELU6};
		b.dx = num_floats(s.x);
		b.dw = num_floats(s.w);
		b.pro = prologue ? &pro : NULL;
		conv_label(&b.t, "walk%s", prologue ? " through a prologue" : "");
		struct num_out out[] = {{b.t.dx, s.x * sizeof(float), NULL},
					{b.t.dw, s.w * sizeof(float), b.t.dw0}};
		num_run(run_both, check_both, &b, out, ET_COUNT(out));
	}
}

/* Pixels: less than a block, whole blocks, a part; filters of several depth blocks; a channel. */
static const struct {
	int n, h, w, c, k;
} shapes[] = {
	{2, 5, 7, 1, 1},      {1, 1, 2, 3, 5},	  {3, 16, 16, 16, 96}, {1, 37, 41, 24, 13},
	{2, 19, 23, 40, 300}, {5, 33, 31, 7, 17}, {4, 20, 20, 64, 33}, {1, 9, 30, 70, 520},
};

START_TEST(walks)
{
	struct et_rng r = num_rng(300, (uint32_t)_i);
	struct et_conv g = {.h = shapes[_i].h,
			    .w = shapes[_i].w,
			    .c = shapes[_i].c,
			    .k = shapes[_i].k,
			    .kh = 1,
			    .kw = 1,
			    .sh = 1,
			    .sw = 1,
			    .dh = 1,
			    .dw = 1,
			    .groups = 1};

	ck_assert_int_eq(et_conv_shape(&g, NULL), ET_OK);
	ck_assert(et_conv_walks_both(&g));
	check_shape(&g, shapes[_i].n, et_conv_both, &r);
}
END_TEST

static struct et_conv depthwise(int h, int w, int c, int kernel, int stride, int pad, int dilation)
{
	struct et_conv g = {.h = h,
			    .w = w,
			    .c = c,
			    .k = c,
			    .kh = kernel,
			    .kw = kernel,
			    .sh = stride,
			    .sw = stride,
			    .ph = pad,
			    .pw = pad,
			    .dh = dilation,
			    .dw = dilation,
			    .groups = c};
	ck_assert_int_eq(et_conv_shape(&g, NULL), ET_OK);
	return g;
}

/*
 * Strips of channels, groups that end within an image and at an odd row, rows of x that no tap
 * meets, of which there are more than of dy or fewer.
 */
enum { DEPTHWISE_SHAPES = 13 };
static struct et_conv depthwise_shape(int i)
{
	const struct et_conv g[DEPTHWISE_SHAPES] = {
		depthwise(23, 18, 35, 3, 1, 1, 1), depthwise(14, 9, 210, 3, 2, 1, 1),
		depthwise(17, 12, 70, 5, 1, 2, 1), depthwise(19, 11, 130, 5, 2, 2, 1),
		depthwise(9, 13, 66, 7, 1, 3, 1),  depthwise(21, 14, 5, 7, 2, 3, 1),
		depthwise(12, 10, 9, 2, 3, 0, 1),  depthwise(15, 15, 20, 3, 1, 2, 2),
		depthwise(6, 5, 17, 3, 1, 0, 1),   depthwise(5, 7, 3, 3, 1, 2, 1),
		depthwise(1, 1, 40, 3, 2, 1, 1),   depthwise(20, 16, 6, 3, 4, 0, 1),
		depthwise(31, 7, 400, 3, 1, 1, 1),
	};
	return g[i];
}

START_TEST(depthwise_walks)
{
	struct et_rng r = num_rng(301, (uint32_t)_i);
	struct et_conv g = depthwise_shape(_i);

	check_shape(&g, 1 + _i % 3, et_depthwise_both, &r);
}
END_TEST

/* What a net calls, on either side of where one walk pays. */
START_TEST(backward)
{
	struct et_rng r = num_rng(302, (uint32_t)_i);
	struct et_conv g = depthwise(_i ? 64 : 20, 64, 64, 3, 1, 1, 1);

	ck_assert_int_eq(et_depthwise_walks(&g, 1), _i);
	check_shape(&g, 1, et_conv_backward, &r);
}
END_TEST

/* ---- with batch norm on both sides ----------------------------------------------------------- */

struct beside_case {
	struct conv_case t;
	float *z, *a, *b, *d, *scale, *shift; /* behind: its input and slopes [k] */
	float *mean;			      /* before: [c] */
	struct et_prologue before;
	double *s1, *s2;
	float *gone, *dx, *dw; /* dy through batch norm; what is made of it apart */
};

static void run_beside(void *arg, const struct et_ctx *x, struct et_arena *work)
{
	struct beside_case *b = arg;
	struct conv_case *t = &b->t;
	const struct et_prologue after = {b->scale, b->shift, ET_ACT_RELU6};
	const struct et_bn_grad through = {num_at(work, b->z), &after, b->a, b->b, b->d};
	const struct et_bn_sums sums = {b->mean, &b->before, b->s1, b->s2};
	struct et_conv_pair pair = {.in = num_at(work, t->x),
				    .pro = &b->before,
				    .dy = num_at(work, t->dy),
				    .w = num_at(work, t->w),
				    .dx = num_at(work, t->dx),
				    .dw = num_at(work, t->dw),
				    .through = &through,
				    .sums = &sums};
	et_conv_both(x, &t->g, t->n, &pair, work);
	if (!et_measuring(work)) {
		memcpy(b->dw, t->dw0, et_conv_weights(&t->g) * sizeof(float));
		et_bn_through(x, conv_sizes(t).y / (size_t)t->g.k, t->g.k, &through, t->dy,
			      b->gone);
	}
	pair.dy = num_at(work, b->gone);
	pair.dx = num_at(work, b->dx);
	pair.dw = num_at(work, b->dw);
	pair.through = NULL;
	pair.sums = NULL;
	et_conv_both(x, &t->g, t->n, &pair, work);
	if (et_measuring(work))
		return;
	struct num_sizes s = conv_sizes(t);
	num_check_bits("dx", t->dx, b->dx, s.x * sizeof(float));
	num_check_bits("dw", t->dw, b->dw, s.w * sizeof(float));
}

/* The sums, from dx as it is, in double. */
static void check_beside(void *arg)
{
	const struct beside_case *b = arg;
	size_t c = (size_t)b->t.g.c, rows = conv_sizes(&b->t).x / c;

	for (size_t j = 0; j < c; j++) {
		double s1 = 0, s2 = 0, m1 = 0, m2 = 0;
		for (size_t r = 0; r < rows; r++) {
			float z = b->t.x[r * c + j],
			      v = z * b->before.scale[j] + b->before.shift[j];
			double g = v <= 0 ? 0 : (double)b->t.dx[r * c + j];
			double off = (double)z - (double)b->mean[j];
			s1 += g;
			s2 += g * off;
			m1 += fabs(g);
			m2 += fabs(g * off);
		}
		ck_assert_msg(fabs(b->s1[j] - s1) <= 1e-5 * m1 && fabs(b->s2[j] - s2) <= 1e-5 * m2,
			      "%s: channel %zu: sums %g %g, not %g %g", num_label_text(), j,
			      b->s1[j], b->s2[j], s1, s2);
	}
}

static void beside_shape(const struct et_conv *g, int n, struct et_rng *r)
{
	size_t c = (size_t)g->c, k = (size_t)g->k;
	struct beside_case b = {.t = conv_random(g, n, r)};
	struct num_sizes s = conv_sizes(&b.t);
	b.z = num_normal(r, s.y);
	b.a = num_normal(r, k);
	b.b = num_normal(r, k);
	b.d = num_normal(r, k);
	b.scale = num_normal(r, k);
	b.shift = num_normal(r, k);
	b.mean = num_normal(r, c);
	b.before = (struct et_prologue){num_normal(r, c), num_normal(r, c), ET_ACT_RELU};
	b.s1 = num_alloc(c, sizeof(double));
	b.s2 = num_alloc(c, sizeof(double));
	b.gone = num_floats(s.y);
	b.dx = num_floats(s.x);
	b.dw = num_floats(s.w);
	conv_label(&b.t, "walk between batch norms");
	struct num_out out[] = {{b.t.dx, s.x * sizeof(float), NULL},
				{b.t.dw, s.w * sizeof(float), b.t.dw0},
				{b.s1, c * sizeof(double), NULL},
				{b.s2, c * sizeof(double), NULL}};
	num_run(run_beside, check_beside, &b, out, ET_COUNT(out));
}

START_TEST(beside)
{
	struct et_rng r = num_rng(301, (uint32_t)_i);
	struct et_conv g = {.h = shapes[_i].h,
			    .w = shapes[_i].w,
			    .c = shapes[_i].c,
			    .k = shapes[_i].k,
			    .kh = 1,
			    .kw = 1,
			    .sh = 1,
			    .sw = 1,
			    .dh = 1,
			    .dw = 1,
			    .groups = 1};

	ck_assert_int_eq(et_conv_shape(&g, NULL), ET_OK);
	beside_shape(&g, shapes[_i].n, &r);
}
END_TEST

START_TEST(depthwise_beside)
{
	struct et_rng r = num_rng(303, (uint32_t)_i);
	struct et_conv g = depthwise_shape(_i);

	beside_shape(&g, 1 + _i % 3, &r);
}
END_TEST

/* Other shapes are left to the operators apart. */
START_TEST(declined)
{
	const struct et_conv point = {.h = 8,
				      .w = 8,
				      .c = 16,
				      .k = 16,
				      .kh = 1,
				      .kw = 1,
				      .sh = 1,
				      .sw = 1,
				      .dh = 1,
				      .dw = 1,
				      .groups = 1};
	struct et_conv g[7];

	ck_assert(et_conv_walks_both(&point));
	for (size_t i = 0; i < ET_COUNT(g); i++)
		g[i] = point;
	g[0].kw = 3;
	g[1].kh = 3;
	g[2].sh = 2;
	g[3].pw = 1;
	g[4].groups = 2;
	g[5].c = g[5].k = 1024;
	g[6].h = g[6].w = 1; /* a linear layer */
	for (size_t i = 0; i < ET_COUNT(g); i++)
		ck_assert_msg(!et_conv_walks_both(&g[i]), "shape %zu", i);
}
END_TEST

Suite *suite_both(void);
Suite *suite_both(void)
{
	Suite *s = suite_create("both");
	TCase *tc = num_tcase("one walk");
	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, walks, 0, ET_COUNT(shapes));
	tcase_add_loop_test(tc, depthwise_walks, 0, DEPTHWISE_SHAPES);
	tcase_add_loop_test(tc, backward, 0, 2);
	tcase_add_loop_test(tc, beside, 0, ET_COUNT(shapes));
	tcase_add_loop_test(tc, depthwise_beside, 0, DEPTHWISE_SHAPES);
	tcase_add_test(tc, declined);
	return s;
}

/*
 * The fused update of linear layers: its kernel against sums in double, and a layer of every shape
 * against gradient, optimizer and all, bit for bit.
 */
#include <string.h>

#include "mode/mode.h"
#include "num.h"

#define GAP 5 /* floats between rows that must stay untouched */

/* rows x cols weights at distance ld, of which the gaps are NaN. */
static float *strided(struct et_rng *r, size_t rows, size_t cols)
{
	size_t ld = cols + GAP;
	float *dense = num_normal(r, rows * cols), *out = num_floats(rows * ld - GAP);

	for (size_t i = 0; i < rows; i++)
		memcpy(out + i * ld, dense + i * cols, cols * sizeof(float));
	return out;
}

static void gaps_are_kept(const float *w, size_t rows, size_t cols)
{
	for (size_t i = 0; i + 1 < rows; i++)
		for (size_t j = cols; j < cols + GAP; j++)
			ck_assert(isnan(w[i * (cols + GAP) + j]));
}

static void check_kernel(const struct et_kern *k, struct et_rng *r, size_t rows, size_t cols,
			 size_t n, bool momentum)
{
	size_t ld = cols + GAP, count = rows * ld - GAP;
	float *x = num_normal(r, n * cols), *dy = num_normal(r, rows * n);
	float *w0 = strided(r, rows, cols), *v0 = strided(r, rows, cols);
	float *w = num_floats(count), *v = num_floats(count), *dx = num_normal(r, n * cols);
	struct ref want_dx = num_ref(n * cols), want_w = num_ref(count), want_v = num_ref(count);
	const float lr = 0.05f, mu = momentum ? 0.9f : 0, wd = 0.25f, gscale = 0.5f;

	memcpy(w, w0, count * sizeof(float));
	memcpy(v, v0, count * sizeof(float));
	for (size_t i = 0; i < n * cols; i++)
		ref_term(&want_dx, i, (double)dx[i]);
	for (size_t i = 0; i < rows; i++)
		for (size_t j = 0; j < cols; j++) {
			size_t at = i * ld + j;
			for (size_t b = 0; b < n; b++) {
				double d = (double)dy[i * n + b];
				ref_term(&want_dx, b * cols + j, d * (double)w0[at]);
				ref_term(&want_v, at, (double)gscale * d * (double)x[b * cols + j]);
			}
			ref_term(&want_v, at, (double)wd * (double)w0[at]);
			ref_term(&want_v, at, (double)mu * (double)v0[at]);
			ref_term(&want_w, at, (double)w0[at]);
			ref_term(&want_w, at, -(double)lr * want_v.v[at]);
			want_w.mag[at] += (double)lr * want_v.mag[at];
		}
	struct et_one_pass p = {.rows = rows,
				.cols = cols,
				.n = n,
				.ld = ld,
				.x = x,
				.dy = dy,
				.dx = dx,
				.w = w,
				.v = momentum ? v : NULL,
				.lr = lr,
				.momentum = mu,
				.weight_decay = wd,
				.gscale = gscale};
	num_label("%s, %zu rows, %zu columns, %zu images", k->name, rows, cols, n);
	ck_assert(k->one_pass(&p));
	gaps_are_kept(w, rows, cols);
	gaps_are_kept(v, rows, cols);
	for (size_t i = 0; i < rows; i++) { /* the gaps apart */
		struct ref row = {.n = cols, .v = want_w.v + i * ld, .mag = want_w.mag + i * ld};
		num_check("w", w + i * ld, &row, (double)n + 2);
		row = (struct ref){.n = cols, .v = want_v.v + i * ld, .mag = want_v.mag + i * ld};
		if (momentum)
			num_check("v", v + i * ld, &row, (double)n + 2);
		else
			num_check_bits("v", v + i * ld, v0 + i * ld, cols * sizeof(float));
	}
	num_check("dx", dx, &want_dx, (double)rows + 1);
	num_check_guards();

	/* A bad weight anywhere is reported. */
	w[(rows - 1) * ld + cols - 1] = NAN;
	ck_assert(!k->one_pass(&p));
}

START_TEST(kernel)
{
	const struct et_kern *k = et_kern_at((size_t)_i);
	const size_t rows[] = {1, 3, 4, 9}, images[] = {1, 2, 7};
	struct et_rng r = num_rng(31, 0);

	for (size_t a = 0; a < ET_COUNT(rows); a++)
		for (size_t b = 0; b < ET_COUNT(images); b++)
			for (size_t vectors = 1; vectors < 6; vectors++)
				check_kernel(k, &r, rows[a], vectors * (size_t)k->vl, images[b],
					     (a + b + vectors) % 2);
}
END_TEST

/* ---- a layer against exact ------------------------------------------------------------------- */

struct layer_case {
	struct et_layer layer;
	struct et_hooks hooks;
	int n;
	bool want_dx, momentum;
	const float *x, *dy, *w0, *v0;
	float *dx, *w, *v;
	struct et_rule rule;
};

static void run_step(void *arg, const struct et_ctx *x, struct et_arena *work)
{
	struct layer_case *c = arg;
	struct et_call call = {
		.x = x, .layer = &c->layer, .opt = c->hooks.step->opt, .n = c->n, .work = work};
	bool fine = c->hooks.step->mode->step(&call, num_at(work, c->x), num_at(work, c->dy),
					      c->want_dx ? num_at(work, c->dx) : NULL,
					      num_at(work, c->w),
					      c->momentum ? num_at(work, c->v) : NULL, &c->rule);
	ck_assert(et_measuring(work) || fine);
}

/* Gradient and optimizer apart, by the same kernels. */
static void check_step(void *arg)
{
	struct layer_case *c = arg;
	struct et_conv *g = &c->layer.g;
	size_t weights = (size_t)g->k * (size_t)g->c, ins = (size_t)c->n * (size_t)g->c;
	static struct et_arena work;
	struct et_err err;
	(void)err;

	if (!work.base)
		ck_assert_int_eq(et_arena_open(&work, (size_t)64 << 20, &err), ET_OK);
	float *w = num_floats(weights), *v = num_floats(weights), *dw = num_floats(weights);
	float *dx = num_floats(ins);
	bool same = false;
	for (size_t i = 0; et_kern_at(i) && !same; i++) {
		struct et_ctx x = {.k = et_kern_at(i), .threads = 1};
		memcpy(w, c->w0, weights * sizeof(float));
		memcpy(v, c->v0, weights * sizeof(float));
		memset(dw, 0, weights * sizeof(float));
		et_conv_weight(&x, g, c->n, c->x, NULL, c->dy, dw, &work);
		et_conv_data(&x, g, c->n, c->dy, w, dx, &work);
		x.k->sgd(weights, w, dw, c->momentum ? v : NULL, c->rule.lr, c->rule.momentum,
			 c->rule.weight_decay, 1);
		same = memcmp(w, c->w, weights * sizeof(float)) == 0 &&
		       (!c->momentum || memcmp(v, c->v, weights * sizeof(float)) == 0) &&
		       (!c->want_dx || memcmp(dx, c->dx, ins * sizeof(float)) == 0);
	}
	/* The driver does not say which instruction set ran: one of them must have given this. */
	ck_assert_msg(same, "%s: not the bits of exact", num_label_text());
}

START_TEST(layer)
{
	const int outs[] = {1, 3, 10, 259, 520}, ins[] = {16, 20, 64, 208},
		  images[] = {1, 5, 32, 40};
	struct et_rng r = num_rng(32, (uint32_t)_i);
	struct et_recipe recipe;
	struct et_err err, why;
	struct layer_case c = {.n = images[num_int(&r, 0, 3)],
			       .want_dx = num_int(&r, 0, 3) > 0,
			       .momentum = _i % 2,
			       .rule = {.lr = 0.05f, .weight_decay = _i % 3 ? 0.01f : 0}};
	int k = outs[_i % 5], in = ins[_i % 4];

	c.rule.momentum = c.momentum ? 0.9f : 0;
	c.layer = (struct et_layer){.name = "fc", .linear = true, .wants_dx = c.want_dx};
	c.layer.g = (struct et_conv){.h = 1,
				     .w = 1,
				     .c = in,
				     .k = k,
				     .kh = 1,
				     .kw = 1,
				     .sh = 1,
				     .sw = 1,
				     .dh = 1,
				     .dw = 1,
				     .groups = 1,
				     .p = 1,
				     .q = 1};
	ck_assert_int_eq(et_recipe_parse("exact", &recipe, &err), ET_OK);
	ck_assert_int_eq(et_hooks_resolve(&c.hooks, &recipe, &c.layer, &why, &err), ET_OK);
	ck_assert_ptr_nonnull(c.hooks.step);
	size_t weights = (size_t)k * (size_t)in;
	c.x = num_normal(&r, (size_t)c.n * (size_t)in);
	c.dy = num_normal(&r, (size_t)c.n * (size_t)k);
	c.w0 = num_normal(&r, weights);
	c.v0 = num_normal(&r, weights);
	c.w = num_floats(weights);
	c.v = num_floats(weights);
	c.dx = num_floats((size_t)c.n * (size_t)in);
	struct num_out out[] = {{c.w, weights * sizeof(float), c.w0},
				{c.v, weights * sizeof(float), c.v0},
				{c.dx, (size_t)c.n * (size_t)in * sizeof(float), NULL}};
	num_label("%d to %d, %d images%s%s", in, k, c.n, c.momentum ? ", momentum" : "",
		  c.want_dx ? "" : ", no dx");
	num_run(run_step, check_step, &c, out, c.want_dx ? 3 : 2);
}
END_TEST

/* Scratch for a batch serves every smaller one: the last of an epoch. */
START_TEST(fewer)
{
	const int outs[] = {2, 10, 520}, ins[] = {16, 100, 1280};
	struct layer_case c = {.rule = {.lr = 0.05f}, .want_dx = true};
	struct et_recipe recipe;
	struct et_err err, why;
	int k = outs[_i % 3], in = ins[_i / 3];

	c.layer = (struct et_layer){.name = "fc", .linear = true, .wants_dx = true};
	c.layer.g = (struct et_conv){
		.h = 1, .w = 1, .c = in, .k = k, .kh = 1, .kw = 1, .sh = 1, .sw = 1, .groups = 1};
	c.layer.g.dh = c.layer.g.dw = c.layer.g.p = c.layer.g.q = 1;
	ck_assert_int_eq(et_recipe_parse("exact", &recipe, &err), ET_OK);
	ck_assert_int_eq(et_hooks_resolve(&c.hooks, &recipe, &c.layer, &why, &err), ET_OK);
	for (size_t i = 0; et_kern_at(i); i++) {
		struct et_ctx x = {.k = et_kern_at(i), .threads = 1 + _i % 3};
		size_t peak = 0;
		for (c.n = 1; c.n <= 40; c.n++) {
			struct et_arena work = et_arena_measure();
			run_step(&c, &x, &work);
			ck_assert_msg(work.peak >= peak, "%s: %d to %d: %d images need %zu, %d %zu",
				      x.k->name, in, k, c.n, work.peak, c.n - 1, peak);
			peak = work.peak;
		}
	}
}
END_TEST

Suite *suite_delta(void);
Suite *suite_delta(void)
{
	Suite *s = suite_create("delta");
	TCase *tc = num_tcase("delta");
	int isas = 0;

	while (et_kern_at((size_t)isas))
		isas++;
	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, kernel, 0, isas);
	tcase_add_loop_test(tc, layer, 0, 40);
	tcase_add_loop_test(tc, fewer, 0, 9);
	return s;
}

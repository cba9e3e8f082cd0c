/* Gradient filtering against PyTorch's numbers and the oracle, as a training step calls it. */
#include <stdio.h>
#include <string.h>

#include "conv_case.h"
#include "gold.h"
#include "mode/mode.h"
#include "ref_mode.h"

enum { PER_RUN = 16, RUNS = 30 };

struct filter_case {
	struct et_layer layer;
	struct et_hooks hooks;
	struct ref_conv o;
	int n, r;
	bool paper;
	const float *x, *w, *dy; /* as in memory; dy full or, with in_patches, means */
	float *scratch;		 /* dy again, which backward may write to */
	bool in_patches, out_patches;
	struct et_need need;
	float *state, *saved, *dx, *dw; /* dx or dw NULL: not asked for */
	const float *dw0;
	size_t ny, ndx, ndw;
	struct ref want_dx, want_dw; /* as in memory */
};

static void run_filter(void *arg, const struct et_ctx *x, struct et_arena *work)
{
	struct filter_case *t = arg;
	const struct et_technique *save = t->hooks.save, *back = t->hooks.backward;
	struct et_call c = {.x = x,
			    .layer = &t->layer,
			    .opt = back->opt,
			    .n = t->n,
			    .state = num_at(work, t->state),
			    .work = work};
	const struct et_backward b = {.saved = num_at(work, t->saved),
				      .w = num_at(work, t->w),
				      .dy = num_at(work, t->scratch),
				      .dx = num_at(work, t->dx),
				      .dw = num_at(work, t->dw),
				      .in_patches = t->in_patches,
				      .out_patches = t->out_patches};

	ck_assert_ptr_eq(save, back);
	if (!et_measuring(work))
		memcpy(t->scratch, t->dy, t->ny * sizeof(float));
	save->mode->save(&c, num_at(work, t->x), num_at(work, t->saved));
	if (back->mode->prepare)
		back->mode->prepare(&c, num_at(work, t->w));
	back->mode->backward(&c, &b);
}

static void check_filter(void *arg)
{
	const struct filter_case *t = arg;
	num_check("dx", t->dx, &t->want_dx, 8);
	num_check("dw", t->dw, &t->want_dw, 8);
}

static void call_all(struct filter_case *t)
{
	const struct num_out out[] = {{t->saved, t->need.saved, NULL},
				      {t->dx, t->ndx * sizeof(float), NULL},
				      {t->dw, t->ndw * sizeof(float), t->dw0}};
	num_run(run_filter, check_filter, t, out, ET_COUNT(out));
}

static void label(const struct filter_case *t, const char *what)
{
	const struct et_conv *g = &t->layer.g;
	num_label(
		"%.60s: filter:%d%s, n %d, %dx%dx%d, k %d, kernel %dx%d, stride %d,%d, pad %d,%d, "
		"dilation %d,%d, groups %d, patches %d %d",
		what, t->r, t->paper ? ",paper" : "", t->n, g->h, g->w, g->c, g->k, g->kh, g->kw,
		g->sh, g->sw, g->ph, g->pw, g->dh, g->dw, g->groups, t->in_patches, t->out_patches);
}

/* False when the layer is refused; then *why says so. Hooks point into *t: it stays where it is. */
static bool filter_open(struct filter_case *t, const struct et_conv *g, int n, int r, bool paper,
			struct et_err *why)
{
	struct et_recipe recipe;
	struct et_err err;
	char text[32];

	*t = (struct filter_case){.layer = {.name = "conv", .g = *g, .wants_dx = true}};
	t->n = n;
	t->r = r;
	t->paper = paper;
	snprintf(text, sizeof(text), "filter:%d%s", r, paper ? ",scale=paper" : "");
	ck_assert_int_eq(et_recipe_parse(text, &recipe, &err), ET_OK);
	ck_assert_int_eq(et_hooks_resolve(&t->hooks, &recipe, &t->layer, why, &err), ET_OK);
	if (!t->hooks.backward)
		return false;
	ck_assert(t->hooks.backward->mode->flat_dw);
	t->need = et_hooks_need(&t->hooks, &t->layer, n);
	t->o = (struct ref_conv){.n = n,
				 .c = g->c,
				 .h = g->h,
				 .w = g->w,
				 .k = g->k,
				 .kh = g->kh,
				 .kw = g->kw,
				 .sh = g->sh,
				 .sw = g->sw,
				 .ph = g->ph,
				 .pw = g->pw,
				 .dh = g->dh,
				 .dw = g->dw,
				 .groups = g->groups};
	ck_assert(ref_conv_size(&t->o) && t->o.p == g->p && t->o.q == g->q);
	t->ny = (size_t)n * (size_t)(g->p * g->q) * (size_t)g->k;
	t->ndx = (size_t)n * (size_t)(g->h * g->w) * (size_t)g->c;
	t->ndw = (size_t)g->k * (size_t)(g->c / g->groups);
	t->state = t->need.state ? num_guarded(t->need.state) : NULL;
	t->saved = num_guarded(t->need.saved);
	return true;
}

/* x, dy as [n,pixels,channels]; w as PyTorch's; dw0: what dw holds before. */
static void filter_fill(struct filter_case *t, const float *x, const float *torch, const float *dy,
			const float *dw0)
{
	const struct et_conv *g = &t->layer.g;
	size_t nw = et_conv_weights(g), taps = (size_t)(g->kh * g->kw);
	size_t hw = (size_t)(g->h * g->w), pq = (size_t)(g->p * g->q);
	struct ref dx = num_ref(t->ndx), dw = num_ref(nw);
	float *w = num_floats(nw);

	ref_filter_backward(&t->o, t->r, t->paper, num_nchw(t->n, hw, g->c, x),
			    num_double(torch, nw), num_nchw(t->n, pq, g->k, dy), &dx, &dw);
	et_conv_from_torch(g, torch, w);
	t->x = x;
	t->w = w;
	t->dy = dy;
	t->dw0 = dw0;
	t->scratch = num_floats(t->ny);
	t->dx = num_floats(t->ndx);
	t->dw = num_floats(t->ndw);
	t->want_dx = num_nhwc(t->n, hw, g->c, &dx);
	t->want_dw = num_ref(t->ndw);
	for (size_t i = 0; i < t->ndw; i++) {
		t->want_dw.v[i] = dw.v[i * taps] + (double)dw0[i];
		t->want_dw.mag[i] = dw.mag[i * taps] + fabs((double)dw0[i]);
	}
}

/* ---- PyTorch --------------------------------------------------------------------------------- */

static void near_gold(const char *what, const float *got, const float *want, size_t n, size_t step)
{
	double most = 0;
	for (size_t i = 0; i < n; i++)
		most = fmax(most, fabs((double)want[i * step]));
	for (size_t i = 0; i < n; i++)
		if (!(fabs((double)got[i] - (double)want[i * step]) <= 1e-5 * most))
			ck_abort_msg("%s: %s[%zu]: %.9g, expected %.9g", num_label_text(), what, i,
				     (double)got[i], (double)want[i * step]);
}

static void gold_filter(const struct gold_case *c)
{
	struct et_conv g = {0};
	const struct {
		const char *key;
		int *v;
	} keys[] = {{"h", &g.h},	  {"w", &g.w},	 {"c", &g.c},	{"k", &g.k},
		    {"kh", &g.kh},	  {"kw", &g.kw}, {"sh", &g.sh}, {"sw", &g.sw},
		    {"ph", &g.ph},	  {"pw", &g.pw}, {"dh", &g.dh}, {"dw", &g.dw},
		    {"groups", &g.groups}};
	struct filter_case t;
	struct et_err why;

	for (size_t i = 0; i < ET_COUNT(keys); i++)
		*keys[i].v = gold_int(c, keys[i].key);
	ck_assert_int_eq(et_conv_shape(&g, NULL), ET_OK);
	ck_assert(filter_open(&t, &g, gold_int(c, "n"), gold_int(c, "r"), gold_int(c, "paper"),
			      &why));
	size_t hw = (size_t)(g.h * g.w), pq = (size_t)(g.p * g.q);
	filter_fill(&t, gold_nhwc(c, "x", t.n, hw, g.c), gold_f32(c, "w", et_conv_weights(&g)),
		    gold_nhwc(c, "dy", t.n, pq, g.k), num_alloc(t.ndw, sizeof(float)));
	label(&t, c->name);
	call_all(&t);
	near_gold("dx", t.dx, gold_nhwc(c, "dx", t.n, hw, g.c), t.ndx, 1);
	near_gold("dw", t.dw, gold_f32(c, "dw", et_conv_weights(&g)), t.ndw, (size_t)(g.kh * g.kw));
}

START_TEST(gold)
{
	gold_each("filter", "filter", 55, gold_filter);
}
END_TEST

/* ---- the oracle ------------------------------------------------------------------------------ */

/* A random case; n and r small enough for shapes of several patches, and large enough for one. */
static void random_case(struct filter_case *t, uint32_t i)
{
	struct et_rng rng = num_rng(711, i);
	struct et_conv g = conv_shape((enum conv_kind)(i % CONV_KINDS), &rng);
	struct et_err why;
	int n = num_int(&rng, 1, 3), r = num_int(&rng, 1, 8);

	ck_assert(filter_open(t, &g, n, r, num_int(&rng, 0, 3) == 0, &why));
	const float *x = num_normal(&rng, t->ndx), *dy = num_normal(&rng, t->ny);
	const float *w = num_normal(&rng, et_conv_weights(&g));
	filter_fill(t, x, w, dy, num_normal(&rng, t->ndw));
}

START_TEST(oracle)
{
	for (int i = _i * PER_RUN; i < (_i + 1) * PER_RUN; i++) {
		struct filter_case t;
		random_case(&t, (uint32_t)i);
		label(&t, "oracle");
		call_all(&t);
	}
}
END_TEST

/* Either gradient alone is the same as with the other. */
START_TEST(halves)
{
	for (uint32_t i = 0; i < 2 * CONV_KINDS; i++) {
		struct filter_case t;
		random_case(&t, 1000 + i);
		struct et_arena plan = et_arena_measure(), work;
		struct et_ctx x = {.k = et_kern_select(NULL), .threads = 2};
		struct et_err err;
		float *dx = t.dx, *dw = t.dw;

		label(&t, "halves");
		run_filter(&t, &x, &plan);
		ck_assert_int_eq(et_arena_open(&work, plan.peak, &err), ET_OK);
		memcpy(dw, t.dw0, t.ndw * sizeof(float));
		t.dx = NULL;
		run_filter(&t, &x, &work);
		t.dw = NULL;
		t.dx = dx;
		run_filter(&t, &x, &work);
		t.dw = dw;
		ck_assert(!work.failed);
		check_filter(&t);
		num_check_guards();
		et_arena_close(&work);
	}
}
END_TEST

/* The first element of a side of n that is in a patch, or -1. */
static int first_of(const struct ref_filter_side *s, int patch, int n)
{
	int size = s->r * s->stride, first = patch * size - s->before_in;
	first = first < 0 ? 0 : first;
	return first < n && first < (patch + 1) * size - s->before_in ? first : -1;
}

/* dx of whole pixels to one of patches, or false where a patch has no pixel to tell it. */
static bool expect_patches(struct filter_case *t)
{
	struct ref_filter_side rows, cols;
	size_t c = (size_t)t->o.c, at = 0;

	ref_filter_sides(&t->o, t->r, &rows, &cols);
	struct ref want = num_ref((size_t)(t->n * rows.grid * cols.grid) * c);
	for (int n = 0; n < t->n; n++)
		for (int i = 0; i < rows.grid; i++)
			for (int j = 0; j < cols.grid; j++) {
				int y = first_of(&rows, i, t->o.h), x = first_of(&cols, j, t->o.w);
				if (y < 0 || x < 0)
					return false;
				size_t from = (size_t)((n * t->o.h + y) * t->o.w + x) * c;
				for (size_t ch = 0; ch < c; ch++, at++) {
					want.v[at] = t->want_dx.v[from + ch];
					want.mag[at] = t->want_dx.mag[from + ch];
				}
			}
	t->want_dx = want;
	t->ndx = want.n;
	t->dx = num_floats(want.n);
	return true;
}

static void give_patches(struct filter_case *t)
{
	struct ref_filter_side rows, cols;
	ref_filter_sides(&t->o, t->r, &rows, &cols);
	size_t pq = (size_t)(t->o.p * t->o.q), grid = (size_t)(rows.grid * cols.grid);
	struct ref means = num_ref((size_t)(t->n * t->o.k) * grid);

	ref_filter_means(&t->o, t->r, num_nchw(t->n, pq, t->o.k, t->dy), &means);
	means = num_nhwc(t->n, grid, t->o.k, &means);
	float *dy = num_floats(means.n);
	for (size_t i = 0; i < means.n; i++)
		dy[i] = (float)means.v[i];
	t->dy = dy;
	t->ny = means.n;
	t->scratch = num_floats(t->ny);
}

/* Gradients that stay on the grid, coming, going, or both; the grids are those it tells. */
START_TEST(on_patches)
{
	int told = 0;
	for (uint32_t i = 0; i < 4 * CONV_KINDS; i++) {
		struct filter_case t;
		random_case(&t, 2000 + i);
		struct ref_filter_side rows, cols;
		struct et_grid out, in;

		t.hooks.backward->mode->grids(&t.layer, t.hooks.backward->opt, &out, &in);
		ref_filter_sides(&t.o, t.r, &rows, &cols);
		label(&t, "grids");
		ck_assert(out.gh == rows.grid && out.gw == cols.grid && in.gh == rows.grid &&
			  in.gw == cols.grid);
		ck_assert(out.h == t.o.p && out.w == t.o.q && in.h == t.o.h && in.w == t.o.w);
		ck_assert(out.side_h == t.r && out.side_w == t.r);
		ck_assert(in.side_h == t.r * t.o.sh && in.side_w == t.r * t.o.sw);
		ck_assert(out.pad_h == rows.before_out && out.pad_w == cols.before_out);
		ck_assert(in.pad_h == rows.before_in && in.pad_w == cols.before_in);

		t.in_patches = i % 3 != 0;
		t.out_patches = i % 3 != 1 && expect_patches(&t);
		if (t.in_patches)
			give_patches(&t);
		told += t.out_patches;
		label(&t, "patches");
		call_all(&t);
	}
	ck_assert_int_ge(told, 2 * CONV_KINDS);
}
END_TEST

/* NaN in one place: in all of its patch's gradients, in every dw of its channel, nowhere else. */
START_TEST(not_a_number)
{
	struct et_conv g = {.h = 6, .w = 7, .c = 5, .k = 4, .kh = 3, .kw = 3, .groups = 1};
	g.sh = g.sw = g.ph = g.pw = g.dh = g.dw = 1;
	ck_assert_int_eq(et_conv_shape(&g, NULL), ET_OK);
	struct et_rng rng = num_rng(712, 0);
	struct filter_case t;
	struct et_err why;

	ck_assert(filter_open(&t, &g, 2, 2, false, &why));
	const float *x = num_normal(&rng, t.ndx);
	float *dy = num_normal(&rng, t.ny);
	dy[(3 * 7 + 5) * 4 + 2] = NAN;
	filter_fill(&t, x, num_normal(&rng, et_conv_weights(&g)), dy,
		    num_alloc(t.ndw, sizeof(float)));
	size_t spoilt = 0;
	for (size_t i = 0; i < t.ndx; i++)
		spoilt += isnan(t.want_dx.v[i]);
	ck_assert_uint_eq(spoilt, 4 * 5);
	label(&t, "NaN");
	call_all(&t);
}
END_TEST

START_TEST(refuses_linear)
{
	struct et_layer l = {.name = "fc", .linear = true, .wants_dx = true};
	struct et_recipe recipe;
	struct et_hooks hooks;
	struct et_err why, err;

	l.g = (struct et_conv){.h = 1, .w = 1, .c = 3, .k = 2, .kh = 1, .kw = 1, .groups = 1};
	l.g.sh = l.g.sw = l.g.dh = l.g.dw = 1;
	ck_assert_int_eq(et_conv_shape(&l.g, NULL), ET_OK);
	ck_assert_int_eq(et_recipe_parse("filter:2", &recipe, &err), ET_OK);
	ck_assert_int_eq(et_hooks_resolve(&hooks, &recipe, &l, &why, &err), ET_OK);
	ck_assert_int_eq(why.code, ET_EUSAGE);
	ck_assert_ptr_nonnull(strstr(why.text, "fc"));
	ck_assert(!hooks.backward || strcmp(hooks.backward->mode->name, "filter"));
}
END_TEST

Suite *suite_filter(void);
Suite *suite_filter(void)
{
	Suite *s = suite_create("filter");
	TCase *tc = num_tcase("filter");
	suite_add_tcase(s, tc);
	tcase_add_test(tc, gold);
	tcase_add_loop_test(tc, oracle, 0, RUNS);
	tcase_add_test(tc, halves);
	tcase_add_test(tc, on_patches);
	tcase_add_test(tc, not_a_number);
	tcase_add_test(tc, refuses_linear);
	return s;
}

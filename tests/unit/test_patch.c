/* Patches: operators on random grids, and their kernels, against plain loops in double. */
#include <stdio.h>
#include <string.h>

#include "num.h"

#define GRIDS 60

static size_t count_isas(void)
{
	size_t n = 0;
	while (et_kern_at(n))
		n++;
	return n;
}

/* ---- operators ------------------------------------------------------------------------------- */

struct patch_case {
	struct et_grid g;
	int n, c;
	bool mean;
	enum et_act act;
	const float *pic, *patch, *vec; /* [n,h,w,c], [n,gh,gw,c], [n,c] */
	const float *sum0;
	float *pool, *spread, *total, *y, *share, *fill;
	uint8_t *count;
	struct ref want_pool, want_spread, want_total, want_share, want_fill;
	uint8_t *want_count;
};

static size_t pixels(const struct patch_case *t)
{
	return (size_t)t->n * (size_t)(t->g.h * t->g.w * t->c);
}

static size_t patches(const struct patch_case *t)
{
	return (size_t)t->n * (size_t)(t->g.gh * t->g.gw * t->c);
}

static void run(void *arg, const struct et_ctx *x, struct et_arena *work)
{
	struct patch_case *t = arg;

	et_patch_total(x, &t->g, t->n, t->c, num_at(work, t->patch), num_at(work, t->total), work);
	if (et_measuring(work))
		return;
	et_patch_pool(x, &t->g, t->n, t->c, t->pic, t->mean ? 0 : 1, t->pool);
	et_patch_spread(x, &t->g, t->n, t->c, t->patch, t->spread);
	et_patch_fill(x, &t->g, t->n, t->c, 0.5f, t->vec, t->fill);
	et_act_count(x, t->act, &t->g, t->n, t->c, t->pic, t->y, t->count);
	et_act_share(x, &t->g, t->n, t->c, t->count, t->patch, t->share);
}

static void check(void *arg)
{
	const struct patch_case *t = arg;
	const struct et_grid *g = &t->g;

	num_check("pool", t->pool, &t->want_pool, 8);
	num_check("spread", t->spread, &t->want_spread, 0);
	num_check("total", t->total, &t->want_total, 8);
	num_check("share", t->share, &t->want_share, 4);
	num_check("fill", t->fill, &t->want_fill, 1);
	num_check_bits("count", t->count, t->want_count, patches(t));
	for (size_t i = 0; i < pixels(t); i++) {
		int y = (int)(i / (size_t)t->c / (size_t)g->w) % g->h + g->pad_h;
		int x = (int)(i / (size_t)t->c) % g->w + g->pad_w;
		float v = t->pic[i], want = v > 0 ? v : 0;
		bool inside = y >= 0 && y < g->gh * g->side_h && x >= 0 && x < g->gw * g->side_w;
		if (t->act == ET_ACT_RELU6 && want > 6)
			want = 6;
		/* Activations are only asked for where the grid covers the picture. */
		ck_assert_msg(!inside || t->y[i] == want, "%s: y[%zu] %g of %g", num_label_text(),
			      i, (double)t->y[i], (double)v);
	}
}

/* Adds value at every pixel of every patch: plain loops over pixels, by the definition. */
static void expect(struct patch_case *t)
{
	const struct et_grid *g = &t->g;
	int *size = num_alloc((size_t)(g->gh * g->gw), sizeof(int));

	for (size_t i = 0; i < (size_t)t->c; i++)
		ref_term(&t->want_total, i, (double)t->sum0[i]);
	for (int pass = 0; pass < 2; pass++)
		for (int img = 0; img < t->n; img++)
			for (int y = 0; y < g->h; y++)
				for (int x = 0; x < g->w; x++) {
					int i = y + g->pad_h, j = x + g->pad_w;
					bool in = i >= 0 && j >= 0 && i < g->gh * g->side_h &&
						  j < g->gw * g->side_w;
					if (!in)
						continue;
					i /= g->side_h;
					j /= g->side_w;
					if (!pass) {
						size[i * g->gw + j] += img == 0;
						continue;
					}
					double by = size[i * g->gw + j];
					for (int c = 0; c < t->c; c++) {
						size_t p = (size_t)(((img * g->h + y) * g->w + x) *
									    t->c +
								    c);
						size_t q = (size_t)(((img * g->gh + i) * g->gw +
								     j) * t->c +
								    c);
						double v = (double)t->pic[p],
						       d = (double)t->patch[q];
						bool pass_through =
							v > 0 && (t->act == ET_ACT_RELU || v < 6);
						ref_term(&t->want_pool, q, v / (t->mean ? by : 1));
						ref_term(&t->want_spread, p, d);
						ref_term(&t->want_total, (size_t)c, d);
						ref_term(&t->want_share, q,
							 pass_through ? d / by : 0);
						t->want_count[q] =
							(uint8_t)(t->want_count[q] + pass_through);
					}
				}
	for (size_t q = 0; q < patches(t); q++) {
		size_t img = q / (size_t)(g->gh * g->gw * t->c);
		ref_term(&t->want_fill, q,
			 0.5 * (double)t->vec[img * (size_t)t->c + q % (size_t)t->c]);
	}
}

/* Patches of 1 to 15 pixels a side, more or less than the picture; rims outside with negative pads.
 */
static struct et_grid random_grid(struct et_rng *r)
{
	for (;;) {
		int h = num_int(r, 1, 17), w = num_int(r, 1, 17);
		int sh = num_int(r, 1, 15), sw = num_int(r, 1, 15);
		int gh = (h + sh - 1) / sh, gw = (w + sw - 1) / sw;
		if (num_int(r, 0, 2) == 0 && gh > 1)
			gh--;
		if (num_int(r, 0, 2) == 0 && gw > 1)
			gw--;
		return et_grid_make(h, w, sh, sw, gh, gw);
	}
}

START_TEST(operators)
{
	int negative = 0, large = 0;

	for (uint32_t i = 0; i < GRIDS; i++) {
		struct et_rng r = num_rng(220, (uint32_t)_i * GRIDS + i);
		struct patch_case t = {.g = random_grid(&r), .n = num_int(&r, 1, 3)};
		const struct et_grid *g = &t.g;
		t.c = num_int(&r, 0, 1) ? num_int(&r, 1, 9) : num_int(&r, 10, 40);
		t.mean = num_int(&r, 0, 1);
		t.act = num_int(&r, 0, 1) ? ET_ACT_RELU : ET_ACT_RELU6;
		ck_assert_int_eq(g->pad_h, (int)ceil((g->gh * g->side_h - g->h) / 2.0));
		ck_assert_int_eq(g->pad_w, (int)ceil((g->gw * g->side_w - g->w) / 2.0));
		negative += g->pad_h < 0 || g->pad_w < 0;
		large += g->side_h > g->h || g->side_w > g->w;
		float *pic = num_normal(&r, pixels(&t));
		for (size_t k = 0; k < pixels(&t); k++)
			pic[k] *= 5;
		t.pic = pic;
		t.patch = num_normal(&r, patches(&t));
		t.vec = num_normal(&r, (size_t)(t.n * t.c));
		t.sum0 = num_normal(&r, (size_t)t.c);
		t.pool = num_floats(patches(&t));
		t.share = num_floats(patches(&t));
		t.fill = num_floats(patches(&t));
		t.spread = num_floats(pixels(&t));
		t.y = num_floats(pixels(&t));
		t.total = num_floats((size_t)t.c);
		t.count = num_guarded(patches(&t));
		t.want_count = num_alloc(patches(&t), 1);
		t.want_pool = num_ref(patches(&t));
		t.want_share = num_ref(patches(&t));
		t.want_fill = num_ref(patches(&t));
		t.want_spread = num_ref(pixels(&t));
		t.want_total = num_ref((size_t)t.c);
		expect(&t);
		num_label("grid %u: n %d, %dx%dx%d, patches of %dx%d, %dx%d of them, pads %d %d", i,
			  t.n, g->h, g->w, t.c, g->side_h, g->side_w, g->gh, g->gw, g->pad_h,
			  g->pad_w);
		const struct num_out out[] = {
			{t.pool, patches(&t) * sizeof(float), NULL},
			{t.spread, pixels(&t) * sizeof(float), NULL},
			{t.total, (size_t)t.c * sizeof(float), t.sum0},
			{t.y, pixels(&t) * sizeof(float), NULL},
			{t.count, patches(&t), NULL},
			{t.share, patches(&t) * sizeof(float), NULL},
			{t.fill, patches(&t) * sizeof(float), NULL},
		};
		num_run(run, check, &t, out, ET_COUNT(out));
	}
	ck_assert(negative > 3 && large > 3);
}
END_TEST

/* ---- sums over taps -------------------------------------------------------------------------- */

struct taps_case {
	struct et_conv g;
	bool keep_h, keep_w;
	const float *w;
	float *out;
	struct ref want;
};

static void run_taps(void *arg, const struct et_ctx *x, struct et_arena *work)
{
	struct taps_case *t = arg;
	if (!et_measuring(work))
		et_conv_tap_sum(x, &t->g, t->keep_h, t->keep_w, t->w, t->out);
}

static void check_taps(void *arg)
{
	const struct taps_case *t = arg;
	num_check("sum of taps", t->out, &t->want, 4);
}

START_TEST(taps)
{
	for (uint32_t i = 0; i < GRIDS; i++) {
		struct et_rng r = num_rng(221, i);
		struct taps_case t = {.g = {.kh = num_int(&r, 1, 5), .kw = num_int(&r, 1, 5)}};
		struct et_conv *g = &t.g;
		t.keep_h = num_int(&r, 0, 1);
		t.keep_w = !t.keep_h && num_int(&r, 0, 1);
		if ((t.keep_h || g->kh == 1) && (t.keep_w || g->kw == 1))
			continue; /* nothing to add up */
		g->groups = num_int(&r, 1, 3);
		g->c = g->groups * num_int(&r, 1, 20);
		g->k = g->groups * num_int(&r, 1, 9);
		if (num_int(&r, 0, 2) == 0)
			g->c = g->k = g->groups = num_int(&r, 2, 40);
		bool dw = et_conv_depthwise(g);
		int cn = dw ? g->c : g->c / g->groups, outer = dw ? 1 : g->k;
		int oh = t.keep_h ? g->kh : 1, ow = t.keep_w ? g->kw : 1;
		size_t n = (size_t)(outer * oh * ow * cn);
		t.w = num_normal(&r, et_conv_weights(g));
		t.out = num_floats(n);
		t.want = num_ref(n);
		for (int k = 0; k < outer; k++)
			for (int a = 0; a < g->kh; a++)
				for (int b = 0; b < g->kw; b++)
					for (int c = 0; c < cn; c++) {
						int oa = t.keep_h ? a : 0, ob = t.keep_w ? b : 0;
						size_t from = (size_t)(((k * g->kh + a) * g->kw +
									b) * cn +
								       c);
						size_t to =
							(size_t)(((k * oh + oa) * ow + ob) * cn +
								 c);
						ref_term(&t.want, to, (double)t.w[from]);
					}
		num_label("taps %u: c %d, k %d, %dx%d, groups %d, keep %d %d", i, g->c, g->k, g->kh,
			  g->kw, g->groups, t.keep_h, t.keep_w);
		const struct num_out out[] = {{t.out, n * sizeof(float), NULL}};
		num_run(run_taps, check_taps, &t, out, 1);
	}
}
END_TEST

/* ---- kernels --------------------------------------------------------------------------------- */

START_TEST(count_kernel)
{
	const struct et_kern *k = et_kern_at((size_t)_i);
	struct et_rng r = num_rng(222, 0);

	for (size_t c = 1; c < 70; c++) {
		int rows = num_int(&r, 1, 5), cols = num_int(&r, 1, 51);
		size_t row = ((size_t)cols + (size_t)num_int(&r, 0, 2)) * c;
		size_t n = (size_t)(rows - 1) * row + (size_t)cols * c;
		enum et_act act = c % 2 ? ET_ACT_RELU : ET_ACT_RELU6;
		float *x = num_normal(&r, n), *y = num_floats(n);
		uint8_t *count = num_guarded(c), *want = num_alloc(c, 1);
		bool in_place = num_int(&r, 0, 1);
		static const float corner[] = {0, -0.0f, 6, NAN, INFINITY, -INFINITY};
		for (size_t i = 0; i < n; i++)
			x[i] = num_int(&r, 0, 9) ? 5 * x[i] : corner[num_int(&r, 0, 5)];
		if (c % 5 == 0) /* as many as a byte holds */
			for (size_t i = 0; i < n; i++)
				x[i] = 1;
		float *want_y = num_alloc(n, sizeof(float));
		memcpy(want_y, in_place ? x : y, n * sizeof(float));
		for (int a = 0; a < rows; a++)
			for (int b = 0; b < cols; b++)
				for (size_t ch = 0; ch < c; ch++) {
					size_t at = (size_t)a * row + (size_t)b * c + ch;
					float v = x[at], hi = act == ET_ACT_RELU6 ? 6 : INFINITY;
					bool pass = isnan(v) ||
						    (v > 0 && (v < hi || act == ET_ACT_RELU));
					want[ch] = (uint8_t)(want[ch] + pass);
					want_y[at] = isnan(v) ? v : v <= 0 ? 0 : v > hi ? hi : v;
				}
		num_label("%s: count of %zu channels, %dx%d", k->name, c, rows, cols);
		float *to = in_place ? x : y;
		k->act_count(rows, cols, row, c, x, to, count, act);
		num_check_bits("count", count, want, c);
		for (size_t i = 0; i < n; i++)
			ck_assert_msg(to[i] == want_y[i] || (isnan(to[i]) && isnan(want_y[i])),
				      "%s: y[%zu] is %g, not %g", num_label_text(), i,
				      (double)to[i], (double)want_y[i]);
		num_check_guards();
	}
}
END_TEST

START_TEST(share_and_sum_kernels)
{
	const struct et_kern *k = et_kern_at((size_t)_i);
	struct et_rng r = num_rng(223, 0);

	for (size_t n = 1; n < 140; n++) {
		float *dy = num_normal(&r, n), *dx = num_floats(n);
		uint8_t *count = num_guarded(n);
		struct ref want = num_ref(n);
		for (size_t i = 0; i < n; i++) {
			count[i] = (uint8_t)num_int(&r, 0, 255);
			ref_term(&want, i, (double)dy[i] * count[i] * (double)0.0625f);
		}
		num_label("%s: %zu", k->name, n);
		k->share(n, count, 0.0625f, dy, dx);
		num_check("share", dx, &want, 2);
		k->share(n, count, 0.0625f, dy, dy);
		num_check_bits("share in place", dy, dx, n * sizeof(float));

		size_t rows = (size_t)num_int(&r, 1, 30), ld = n + (size_t)num_int(&r, 0, 5);
		float *x = num_normal(&r, (rows - 1) * ld + n), *y = num_floats(n);
		struct ref sum = num_ref(n);
		for (size_t a = 0; a < rows; a++)
			for (size_t i = 0; i < n; i++)
				ref_term(&sum, i, (double)x[a * ld + i]);
		k->row_sum(rows, ld, n, x, y);
		num_check("row_sum", y, &sum, 4);
		num_check_guards();
	}
}
END_TEST

Suite *suite_patch(void);
Suite *suite_patch(void)
{
	Suite *s = suite_create("patch");
	TCase *tc = num_tcase("operators");
	int isas = (int)count_isas();
	tcase_add_loop_test(tc, operators, 0, 4);
	tcase_add_test(tc, taps);
	suite_add_tcase(s, tc);
	tc = num_tcase("kernels");
	tcase_add_loop_test(tc, count_kernel, 0, isas);
	tcase_add_loop_test(tc, share_and_sum_kernels, 0, isas);
	suite_add_tcase(s, tc);
	return s;
}

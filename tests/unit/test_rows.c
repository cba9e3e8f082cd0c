/*
 * Kernels of gates, pooling and resizing, of every instruction set, against plain loops in double.
 */
#include "num.h"

static const struct et_kern *kern(int i)
{
	return et_kern_at((size_t)i);
}

/* ---- gates ----------------------------------------------------------------------------------- */

START_TEST(gates)
{
	const struct et_kern *k = kern(_i);
	struct et_rng r = num_rng(90, 0);
	for (size_t c = 1; c < 75; c++)
		for (size_t rows = 1; rows < 9; rows += 3) {
			size_t ld = c + c % 3, n = (rows - 1) * ld + c;
			float *x = num_normal(&r, n), *dy = num_normal(&r, n);
			float *s = num_normal(&r, c), *y = num_floats(n), *sum = num_floats(c);
			struct ref product = num_ref(n), dot = num_ref(c);
			for (size_t i = 0; i < n; i++) {
				if (i % ld >= c) {
					product.v[i] = NAN; /* untouched */
					continue;
				}
				ref_term(&product, i, (double)x[i] * (double)s[i % ld]);
				ref_term(&dot, i % ld, (double)x[i] * (double)dy[i]);
			}
			num_label("%s, %zu rows of %zu, %zu apart", k->name, rows, c, ld);
			k->row_mul(rows, c, ld, x, s, y);
			num_check("row_mul", y, &product, 1);
			k->col_dot(rows, c, ld, x, dy, sum);
			num_check("col_dot", sum, &dot, 4);
			num_check_guards();
		}
}
END_TEST

/* ---- max pooling ----------------------------------------------------------------------------- */

struct max_row {
	struct et_dw_row g;
	int kh;
	size_t in, out;
	const float *x[4];
};

/* Every window has a tap inside, as pooling's padding has it. */
static struct max_row max_new(struct et_rng *r)
{
	struct max_row m = {.kh = num_int(r, 1, 4)};
	struct et_dw_row *g = &m.g;

	g->dw = 1;
	do {
		g->c = num_int(r, 0, 2) ? num_int(r, 1, 20) : num_int(r, 20, 60);
		g->w = num_int(r, 1, 12);
		g->kw = num_int(r, 1, 4);
		g->sw = num_int(r, 1, 4);
		g->pw = num_int(r, 0, g->kw / 2);
	} while (g->w + 2 * g->pw < g->kw);
	g->q = (g->w + 2 * g->pw - g->kw) / g->sw + 1;
	if (num_int(r, 0, 1) && g->q * g->sw < g->w + g->pw)
		g->q++; /* as ceil_mode would */
	m.in = (size_t)(g->w * g->c);
	m.out = (size_t)(g->q * g->c);
	for (int a = 0; a < m.kh; a++) {
		float *x = num_normal(r, m.in);
		for (size_t i = 0; i < m.in; i++) {
			x[i] = rintf(x[i]);
			if (!num_int(r, 0, 30))
				x[i] = num_int(r, 0, 1) ? NAN : -INFINITY;
		}
		m.x[a] = a == m.kh - 1 || num_int(r, 0, 3) ? x : NULL;
	}
	return m;
}

/* The first of the largest taps of one window and channel, a later NaN before all. */
static float max_of(const struct max_row *m, int j, int ch, int *tap)
{
	float best = 0;

	*tap = -1;
	for (int a = 0; a < m->kh; a++)
		for (int b = 0; m->x[a] && b < m->g.kw; b++) {
			int i = j * m->g.sw - m->g.pw + b;
			if (i < 0 || i >= m->g.w)
				continue;
			float v = m->x[a][i * m->g.c + ch];
			if (*tap < 0 || v > best || isnan(v)) {
				best = v;
				*tap = a * m->g.kw + b;
			}
		}
	return best;
}

START_TEST(max_forward)
{
	const struct et_kern *k = kern(_i);
	struct et_rng r = num_rng(91, 0);
	for (int shape = 0; shape < 200; shape++) {
		struct max_row m = max_new(&r);
		float *y = num_floats(m.out), *plain = num_floats(m.out);
		uint8_t *index = num_guarded(m.out);
		num_label("%s, max %d: w %d, c %d, kernel %dx%d, stride %d, padding %d", k->name,
			  shape, m.g.w, m.g.c, m.kh, m.g.kw, m.g.sw, m.g.pw);
		k->max_forward(&m.g, m.kh, m.x, y, index);
		for (int i = 0; i < (int)m.out; i++) {
			int tap;
			float want = max_of(&m, i / m.g.c, i % m.g.c, &tap);
			ck_assert_msg(isnan(want) ? isnan(y[i]) : y[i] == want, "%s: y[%d] is %g",
				      num_label_text(), i, (double)y[i]);
			ck_assert_msg(index[i] == tap, "%s: index[%d] is %d, not %d",
				      num_label_text(), i, index[i], tap);
		}
		k->max_forward(&m.g, m.kh, m.x, plain, NULL);
		num_check_bits("y without index", plain, y, m.out * sizeof(float));
		num_check_guards();
	}
}
END_TEST

START_TEST(max_backward)
{
	const struct et_kern *k = kern(_i);
	struct et_rng r = num_rng(92, 0);
	for (int shape = 0; shape < 200; shape++) {
		struct max_row m = max_new(&r);
		const float *dy[4] = {0};
		const uint8_t *index[4] = {0};
		float *dx = num_floats(m.in);
		struct ref want = num_ref(m.in);
		for (int a = 0; a < m.kh; a++) {
			if (!m.x[a])
				continue;
			uint8_t *ix = num_guarded(m.out);
			dy[a] = num_normal(&r, m.out);
			for (int i = 0; i < (int)m.out; i++) {
				ix[i] = (uint8_t)num_int(&r, 0, m.kh * m.g.kw - 1);
				int at = i / m.g.c * m.g.sw - m.g.pw + ix[i] % m.g.kw;
				if (ix[i] / m.g.kw == a && at >= 0 && at < m.g.w)
					ref_term(&want, (size_t)(at * m.g.c + i % m.g.c),
						 (double)dy[a][i]);
			}
			index[a] = ix;
		}
		num_label("%s, max' %d: w %d, c %d, kernel %dx%d, stride %d, padding %d", k->name,
			  shape, m.g.w, m.g.c, m.kh, m.g.kw, m.g.sw, m.g.pw);
		k->max_backward(&m.g, m.kh, dy, index, dx);
		num_check("dx", dx, &want, 2);
		num_check_guards();
	}
}
END_TEST

/* ---- weighted windows ------------------------------------------------------------------------ */

START_TEST(window)
{
	const struct et_kern *k = kern(_i);
	struct et_rng r = num_rng(93, 0);
	for (int shape = 0; shape < 300; shape++) {
		size_t c = (size_t)num_int(&r, 1, 90);
		struct et_window g = {.rows = num_int(&r, 1, 4), .cols = num_int(&r, 1, 5)};
		g.pixel = c + (size_t)num_int(&r, 0, 3);
		g.row = (size_t)g.cols * g.pixel + (size_t)num_int(&r, 0, 9);
		g.count = num_int(&r, 0, 1) ? 1 : 2.5f;
		if (num_int(&r, 0, 1)) {
			g.wrow = num_normal(&r, (size_t)g.rows);
			g.wcol = num_normal(&r, (size_t)g.cols);
		}
		bool acc = num_int(&r, 0, 1);
		float *x = num_normal(&r, (size_t)(g.rows - 1) * g.row +
						  (size_t)(g.cols - 1) * g.pixel + c);
		float *y = acc ? num_normal(&r, c) : num_floats(c);
		struct ref want = num_ref(c);
		for (size_t ch = 0; ch < c; ch++) {
			if (acc)
				ref_term(&want, ch, (double)y[ch]);
			for (int i = 0; i < g.rows * g.cols; i++) {
				int a = i / g.cols, b = i % g.cols;
				double w = g.wrow ? (double)g.wrow[a] * (double)g.wcol[b] : 1;
				size_t at = (size_t)a * g.row + (size_t)b * g.pixel + ch;
				ref_term(&want, ch, w * (double)x[at] / (double)g.count);
			}
		}
		num_label("%s, window %dx%d of %zu, count %g, weights %d, acc %d", k->name, g.rows,
			  g.cols, c, (double)g.count, g.wrow != NULL, acc);
		k->window(&g, c, x, acc, y);
		num_check("y", y, &want, 4);
		num_check_guards();
	}
}
END_TEST

START_TEST(lerp_row)
{
	const struct et_kern *k = kern(_i);
	struct et_rng r = num_rng(94, 0);
	for (int shape = 0; shape < 300; shape++) {
		size_t n = (size_t)num_int(&r, 1, 20), c = (size_t)num_int(&r, 1, 40);
		int w = num_int(&r, 1, 9), *lo = num_guarded(n * sizeof(int));
		float *part = num_floats(n), *y = num_floats(n * c);
		float *x0 = num_normal(&r, (size_t)w * c), *x1 = num_normal(&r, (size_t)w * c);
		float down = num_int(&r, 0, 2) ? et_rng_unit(&r) : 0;
		struct ref want = num_ref(n * c);
		int at = 0;
		for (size_t j = 0; j < n; j++) {
			at += num_int(&r, 0, 2);
			lo[j] = at < w ? at : w - 1;
			part[j] = num_int(&r, 0, 3) ? et_rng_unit(&r) : 0;
		}
		for (size_t i = 0; i < n * c; i++) {
			size_t j = i / c, p0 = (size_t)lo[j] * c + i % c;
			size_t p1 = lo[j] + 1 < w ? p0 + c : p0;
			double right = (double)part[j], d = (double)down;
			ref_term(&want, i, (1 - right) * (1 - d) * (double)x0[p0]);
			ref_term(&want, i, (1 - right) * d * (double)x1[p0]);
			ref_term(&want, i, right * (1 - d) * (double)x0[p1]);
			ref_term(&want, i, right * d * (double)x1[p1]);
		}
		num_label("%s, lerp %d: n %zu, w %d, c %zu", k->name, shape, n, w, c);
		k->lerp_row(n, lo, part, w, c, x0, x1, down, y);
		num_check("y", y, &want, 4);
		num_check_guards();
	}
}
END_TEST

Suite *suite_rows(void);
Suite *suite_rows(void)
{
	Suite *s = suite_create("rows");
	TCase *tc = num_tcase("kernels");
	int isas = 0;

	while (et_kern_at((size_t)isas))
		isas++;
	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, gates, 0, isas);
	tcase_add_loop_test(tc, max_forward, 0, isas);
	tcase_add_loop_test(tc, max_backward, 0, isas);
	tcase_add_loop_test(tc, window, 0, isas);
	tcase_add_loop_test(tc, lerp_row, 0, isas);
	return s;
}

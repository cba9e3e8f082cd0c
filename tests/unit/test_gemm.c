/*
 * The parallel GEMM by itself: what convolution does not use of gathers, scatters, transposed and
 * per-tap B, accumulation and epilogue, against plain loops in double.
 */
#include <string.h>

#include "num.h"

struct gemm {
	struct et_gather a;
	int16_t tap_y[6], tap_x[6];
	size_t rows, depth; /* of A */
	size_t src;	    /* floats of a.src */
	double *dense;	    /* A written out, [rows][depth] */
};

/* Offsets reach beyond the picture on all sides. */
static struct gemm gemm_new(struct et_rng *r)
{
	struct gemm g = {.a = {.taps = num_int(r, 1, 6)}};
	struct et_gather *a = &g.a;

	a->n = num_int(r, 1, 3);
	a->h = num_int(r, 1, 7);
	a->w = num_int(r, 1, 7);
	a->cn = num_int(r, 1, 70);
	a->c0 = num_int(r, 0, 2) * num_int(r, 0, 5);
	a->c = a->c0 + a->cn + num_int(r, 0, 1) * num_int(r, 0, 5);
	a->gh = num_int(r, 1, 6);
	a->gw = num_int(r, 1, 9);
	a->sh = num_int(r, 1, 2);
	a->sw = num_int(r, 1, 2);
	for (int t = 0; t < a->taps; t++) {
		g.tap_y[t] = (int16_t)num_int(r, -2, 2);
		g.tap_x[t] = (int16_t)num_int(r, -3, 3);
		if (t && num_int(r, 0, 1)) { /* often the next one in memory */
			g.tap_y[t] = g.tap_y[t - 1];
			g.tap_x[t] = (int16_t)(g.tap_x[t - 1] + 1);
		}
	}
	g.rows = (size_t)(a->n * a->gh * a->gw);
	g.depth = (size_t)(a->taps * a->cn);
	g.src = (size_t)(a->n * a->h * a->w * a->c);
	a->src = num_normal(r, g.src);
	g.dense = num_alloc(g.rows * g.depth, sizeof(double));
	for (size_t i = 0; i < g.rows * g.depth; i++) {
		int m = (int)(i / g.depth), at = (int)(i % g.depth);
		int img = m / (a->gh * a->gw), tap = at / a->cn, ch = at % a->cn;
		int y = m / a->gw % a->gh * a->sh + g.tap_y[tap];
		int x = m % a->gw * a->sw + g.tap_x[tap];
		if (y >= 0 && y < a->h && x >= 0 && x < a->w)
			g.dense[i] =
				(double)a->src[((img * a->h + y) * a->w + x) * a->c + a->c0 + ch];
	}
	return g;
}

static void gemm_label(const struct gemm *g, const char *what, int cols, int shape)
{
	num_label("%s %d: %zu rows, %d columns, depth %d x %d of %d", what, shape, g->rows, cols,
		  g->a.taps, g->a.cn, g->a.c);
}

static struct et_gather gather_at(const struct et_arena *work, const struct gemm *g)
{
	struct et_gather a = g->a;
	a.src = num_at(work, a.src);
	a.y = g->tap_y;
	a.x = g->tap_x;
	return a;
}

/* ---- et_gemm_rows ---------------------------------------------------------------------------- */

struct rows_case {
	struct gemm g;
	struct et_gemm_rows m; /* without its gather */
	struct et_epilogue e;
	struct et_scatter to;
	size_t tap_b[6];
	float *b, *c, *before;
	size_t size; /* of c */
	struct ref want;
};

static void run_rows(void *arg, const struct et_ctx *x, struct et_arena *work)
{
	const struct rows_case *t = arg;
	struct et_epilogue e = {num_at(work, t->e.scale), num_at(work, t->e.shift),
				num_at(work, t->e.residual), t->e.act, NULL};
	struct et_gemm_rows m = t->m;
	m.a = gather_at(work, &t->g);
	m.b = num_at(work, t->b);
	m.c = num_at(work, t->c);
	m.tap_b = t->m.tap_b ? t->tap_b : NULL;
	m.to = t->m.to ? &t->to : NULL;
	m.epi = t->m.epi ? &e : NULL;
	et_gemm_rows(x, &m, work);
}

static void check_rows(void *arg)
{
	const struct rows_case *t = arg;
	num_check("C", t->c, &t->want, 4);
}

/* B in any of its three layouts; returns B[p][j] as depth x cols. */
static double *make_b(struct rows_case *t, struct et_rng *r)
{
	size_t depth = t->g.depth, cols = (size_t)t->m.cols, cn = (size_t)t->g.a.cn;
	double *b = num_alloc(depth * cols, sizeof(double));
	int layout = num_int(r, 0, 2);
	size_t pad = (size_t)num_int(r, 0, 3), size;

	t->m.bt = layout == 0;
	t->m.ldb = pad + (t->m.bt ? depth : cols);
	size = t->m.bt ? (cols - 1) * t->m.ldb + depth : (depth - 1) * t->m.ldb + cols;
	if (layout == 2) { /* taps in reverse order, so that their place matters */
		t->m.tap_b = t->tap_b;
		for (int tap = 0; tap < t->g.a.taps; tap++)
			t->tap_b[tap] = (size_t)(t->g.a.taps - 1 - tap) * cn * t->m.ldb;
	}
	t->b = num_normal(r, size);
	for (size_t i = 0; i < depth * cols; i++) {
		size_t p = i / cols, j = i % cols;
		size_t from = p * t->m.ldb + j;
		if (t->m.bt)
			from = j * t->m.ldb + p;
		else if (t->m.tap_b)
			from = t->tap_b[p / cn] + p % cn * t->m.ldb + j;
		b[i] = (double)t->b[from];
	}
	return b;
}

/* Where row m of C begins, and with it how large C is. */
static size_t row_at(const struct rows_case *t, size_t m)
{
	size_t gw = (size_t)t->g.a.gw, gh = (size_t)t->g.a.gh;
	if (!t->m.to)
		return m * t->m.ldc;
	size_t img = m / gw / gh, y = m / gw % gh * (size_t)t->to.sh + (size_t)t->to.y0;
	size_t x = m % gw * (size_t)t->to.sw + (size_t)t->to.x0;
	return ((img * (size_t)t->to.h + y) * (size_t)t->to.w + x) * t->m.ldc;
}

static void rows_expect(struct rows_case *t, const double *b)
{
	size_t cols = (size_t)t->m.cols;
	const enum ref_act acts[] = {REF_NONE, REF_RELU, REF_RELU6};

	t->want = num_ref(t->size);
	for (size_t i = 0; i < t->size; i++)
		t->want.v[i] = (double)t->before[i]; /* mag 0: must stay */
	for (size_t m = 0; m < t->g.rows; m++)
		for (size_t j = 0; j < cols; j++) {
			size_t at = row_at(t, m) + j;
			struct ref one = {1, &t->want.v[at], &t->want.mag[at]};
			if (t->m.acc)
				one.mag[0] = fabs(one.v[0]);
			else
				one.v[0] = 0;
			for (size_t p = 0; p < t->g.depth; p++)
				ref_term(&one, 0, t->g.dense[m * t->g.depth + p] * b[p * cols + j]);
			if (!t->m.epi)
				continue;
			double scale = t->e.scale ? (double)t->e.scale[j] : 1;
			double shift = t->e.shift ? (double)t->e.shift[j] : 0;
			double residual = t->e.residual ? (double)t->e.residual[at] : 0;
			ref_epilogue(1, 1, 1, &scale, &shift, &residual, acts[t->e.act], &one);
		}
}

static void rows_case(struct et_rng *r, int shape)
{
	struct rows_case t = {.g = gemm_new(r)};

	t.m.cols = num_int(r, 0, 9) ? num_int(r, 1, 70) : num_int(r, 500, 1100);
	t.m.acc = num_int(r, 0, 1);
	t.m.ldc = (size_t)(t.m.cols + num_int(r, 0, 3));
	if (num_int(r, 0, 1)) {
		t.m.to = &t.to;
		t.to.sh = num_int(r, 1, 2);
		t.to.sw = num_int(r, 1, 3);
		t.to.y0 = num_int(r, 0, 1);
		t.to.x0 = num_int(r, 0, 2);
		t.to.h = (t.g.a.gh - 1) * t.to.sh + t.to.y0 + num_int(r, 1, 2);
		t.to.w = (t.g.a.gw - 1) * t.to.sw + t.to.x0 + num_int(r, 1, 2);
	}
	const double *b = make_b(&t, r);
	t.size = row_at(&t, t.g.rows - 1) + (size_t)t.m.cols;
	t.c = num_floats(t.size);
	t.before = num_normal(r, t.size);
	if (num_int(r, 0, 1)) {
		t.m.epi = &t.e;
		t.e.scale = num_int(r, 0, 1) ? num_normal(r, (size_t)t.m.cols) : NULL;
		t.e.shift = num_int(r, 0, 1) ? num_normal(r, (size_t)t.m.cols) : NULL;
		t.e.residual = num_int(r, 0, 1) ? num_normal(r, t.size) : NULL;
		t.e.act = (enum et_act)num_int(r, ET_ACT_NONE, ET_ACT_RELU6);
	}
	rows_expect(&t, b);
	gemm_label(&t.g, "gemm_rows", t.m.cols, shape);
	num_run(run_rows, check_rows, &t, &(struct num_out){t.c, t.size * sizeof(float), t.before},
		1);
}

START_TEST(gemm_rows)
{
	for (int shape = _i * 10; shape < _i * 10 + 10; shape++) {
		struct et_rng r = num_rng(30, (uint32_t)shape);
		rows_case(&r, shape);
	}
}
END_TEST

/* ---- et_gemm_sum ----------------------------------------------------------------------------- */

struct sum_case {
	struct gemm g;
	struct et_gemm_sum m;
	float *d, *c, *before;
	struct ref want;
};

static void run_sum(void *arg, const struct et_ctx *x, struct et_arena *work)
{
	const struct sum_case *t = arg;
	struct et_gemm_sum m = t->m;
	m.a = gather_at(work, &t->g);
	m.d = num_at(work, t->d);
	m.c = num_at(work, t->c);
	et_gemm_sum(x, &m, work);
}

static void check_sum(void *arg)
{
	const struct sum_case *t = arg;
	num_check("C", t->c, &t->want, 4);
}

START_TEST(gemm_sum)
{
	for (int shape = _i * 10; shape < _i * 10 + 10; shape++) {
		struct et_rng r = num_rng(31, (uint32_t)shape);
		struct sum_case t = {.g = gemm_new(&r)};
		size_t rows = (size_t)num_int(&r, 1, 70);

		t.m.rows = (int)rows;
		t.m.ldd = rows + (size_t)num_int(&r, 0, 3);
		t.m.ldc = t.g.depth + (size_t)num_int(&r, 0, 3);
		size_t size = (rows - 1) * t.m.ldc + t.g.depth;
		t.d = num_normal(&r, (t.g.rows - 1) * t.m.ldd + rows);
		t.c = num_floats(size);
		t.before = num_normal(&r, size);
		t.want = num_ref(size);
		for (size_t i = 0; i < size; i++) {
			size_t row = i / t.m.ldc, p = i % t.m.ldc;
			t.want.v[i] = (double)t.before[i];
			t.want.mag[i] = p < t.g.depth ? fabs(t.want.v[i]) : 0;
			for (size_t m = 0; m < t.g.rows && p < t.g.depth; m++)
				ref_term(&t.want, i,
					 (double)t.d[m * t.m.ldd + row] *
						 t.g.dense[m * t.g.depth + p]);
		}
		gemm_label(&t.g, "gemm_sum", (int)rows, shape);
		num_run(run_sum, check_sum, &t,
			&(struct num_out){t.c, size * sizeof(float), t.before}, 1);
	}
}
END_TEST

/* ---- blocks, moments ------------------------------------------------------------------------- */

/* A matrix that is its own im2col. */
struct plain {
	size_t rows, depth, cols;
	float *a, *b, *c, *sum, *mean, *var, *shift;
	int columns;
	struct ref want_mean, want_var;
};

static const int16_t no_offset[1];

static struct et_gather plain_view(const struct plain *t, const struct et_arena *work)
{
	return (struct et_gather){.src = num_at(work, t->a),
				  .n = (int)t->rows,
				  .h = 1,
				  .w = 1,
				  .c = (int)t->depth,
				  .cn = (int)t->depth,
				  .gh = 1,
				  .gw = 1,
				  .sh = 1,
				  .sw = 1,
				  .taps = 1,
				  .y = no_offset,
				  .x = no_offset};
}

static void plain_rows(const struct plain *t, const struct et_ctx *x, struct et_arena *work)
{
	const struct et_moments moments = {num_at(work, t->mean), num_at(work, t->var)};
	const struct et_epilogue epi = {
		.shift = num_at(work, t->shift), .act = ET_ACT_RELU, .moments = &moments};
	struct et_gemm_rows m = {.a = plain_view(t, work),
				 .b = num_at(work, t->b),
				 .ldb = t->depth,
				 .bt = true,
				 .c = num_at(work, t->c),
				 .ldc = t->cols,
				 .cols = (int)t->cols,
				 .epi = &epi};
	et_gemm_rows(x, &m, work);
}

static void plain_sum(const struct plain *t, const struct et_ctx *x, struct et_arena *work)
{
	struct et_gemm_sum s = {.a = plain_view(t, work),
				.d = num_at(work, t->c),
				.ldd = t->cols,
				.rows = (int)t->cols,
				.c = num_at(work, t->sum),
				.ldc = t->depth};
	et_gemm_sum(x, &s, work);
}

static void run_plain(void *arg, const struct et_ctx *ctx, struct et_arena *work)
{
	const struct plain *t = arg;
	struct et_ctx x = *ctx;

	x.columns = t->columns;
	plain_rows(t, &x, work);
	plain_sum(t, &x, work);
}

/* Moments of what was written. */
static void check_plain(void *arg)
{
	struct plain *t = arg;
	size_t size = t->rows * t->cols;

	t->want_mean = num_ref(t->cols);
	t->want_var = num_ref(t->cols);
	for (size_t i = 0; i < size; i++)
		ref_term(&t->want_mean, i % t->cols, (double)t->c[i] / (double)t->rows);
	for (size_t i = 0; i < size; i++) {
		double v = (double)t->c[i], d = v - t->want_mean.v[i % t->cols];
		ref_term(&t->want_var, i % t->cols, d * d / (double)t->rows);
		t->want_var.mag[i % t->cols] += 2 * fabs(d * v) / (double)t->rows;
	}
	num_check("mean", t->mean, &t->want_mean, 4);
	num_check("variance", t->var, &t->want_var, 4);
}

static void plain_case(struct et_rng *r, size_t rows, size_t depth, size_t cols)
{
	struct plain t = {.rows = rows, .depth = depth, .cols = cols};
	size_t size = rows * cols, sums = cols * depth;

	t.a = num_normal(r, rows * depth);
	t.b = num_normal(r, cols * depth);
	t.shift = num_normal(r, cols);
	t.c = num_floats(size);
	t.sum = num_floats(sums);
	t.mean = num_floats(cols);
	t.var = num_floats(cols);
	float *zeros = num_alloc(sums, sizeof(float)), *first[2] = {NULL, NULL};
	struct num_out out[] = {{t.c, size * sizeof(float), NULL},
				{t.sum, sums * sizeof(float), zeros},
				{t.mean, cols * sizeof(float), NULL},
				{t.var, cols * sizeof(float), NULL}};
	for (int i = 0; i < 3; i++) {
		/* 96 and 192: panels of every instruction set */
		t.columns = (int[]){0, 96, 192}[i];
		num_label("%zu x %zu x %zu in blocks of %d columns", rows, depth, cols, t.columns);
		num_run(run_plain, check_plain, &t, out, 4);
		/* The last run was with the last instruction set, each time. */
		for (int o = 0; o < 2; o++) {
			if (!first[o])
				first[o] = num_floats(out[o].bytes / sizeof(float));
			if (i == 0)
				memcpy(first[o], out[o].v, out[o].bytes);
			num_check_bits("another block", out[o].v, first[o], out[o].bytes);
		}
	}
}

START_TEST(plain)
{
	struct et_rng r = num_rng(32, (uint32_t)_i);
	switch (_i) {
	case 0: /* many rows: several blocks of moments, several chunks of the sum */
		plain_case(&r, 5000, 17, 29);
		break;
	case 1: /* several depths and blocks of columns */
		plain_case(&r, 61, 300, 230);
		break;
	default: /* a block of moments ends within the last tile; in place */
		plain_case(&r, 2100, 40, 48);
	}
}
END_TEST

/* ---- the loop over pieces -------------------------------------------------------------------- */

struct pieces {
	size_t n, grain;
	int threads, calls;
	unsigned char seen[1000];
	bool bad; /* a piece that should not be; asserts are for the main thread */
};

static void mark_piece(void *arg, size_t begin, size_t end, int thread)
{
	struct pieces *p = arg;
	bool bad = begin >= end || end > p->n || begin % p->grain || thread < 0 ||
		   thread >= p->threads || (end != p->n && end % p->grain);
#pragma omp critical
	{
		p->bad |= bad;
		p->calls++;
		for (size_t i = begin; !bad && i < end; i++)
			p->seen[i]++;
	}
}

static void check_pieces(const struct et_ctx *x, size_t n, size_t grain, size_t most)
{
	struct pieces p = {.n = n, .grain = grain, .threads = x->threads};
	if (most)
		et_parallel_in(x, most, n, grain, mark_piece, &p);
	else
		et_parallel(x, n, grain, mark_piece, &p);
	ck_assert(!p.bad);
	ck_assert(!most || p.calls <= (int)most);
	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(p.seen[i], 1);
}

/* Many jobs after each other, as in a step. */
static void check_jobs(void *arg)
{
	const struct et_ctx *x = arg;
	const size_t grains[] = {1, 7, 32, 5000};
	for (size_t g = 0; g < ET_COUNT(grains); g++)
		for (size_t n = 0; n <= 1000; n += n < 70 ? 1 : 155) {
			check_pieces(x, n, grains[g], 0);
			check_pieces(x, n, grains[g], n % 5 + 1);
		}
}

START_TEST(parallel)
{
	struct et_ctx x = {.k = et_kern_at(0), .threads = _i};
	check_jobs(&x);
	ck_assert_ptr_null(x.team);
}
END_TEST

START_TEST(team)
{
	struct et_ctx x = {.k = et_kern_at(0), .threads = _i};
	for (int round = 0; round < 5; round++) {
		et_team_run(&x, check_jobs, &x);
		ck_assert_ptr_null(x.team);
	}
}
END_TEST

/* Scratch for many rows does for fewer: a last batch is smaller. */
START_TEST(scratch)
{
	struct plain t = {.depth = 24, .cols = 40};

	for (int threads = 1; threads <= 3; threads++) {
		const struct et_ctx x = {.k = et_kern_at(0), .threads = threads};
		size_t rows = 0, sum = 0;
		for (t.rows = 1; t.rows < 60000; t.rows += 1 + t.rows / 16) {
			struct et_arena a = et_arena_measure(), b = et_arena_measure();
			plain_rows(&t, &x, &a);
			plain_sum(&t, &x, &b);
			ck_assert_msg(a.peak >= rows, "%zu rows: %zu bytes, %zu for fewer", t.rows,
				      a.peak, rows);
			ck_assert_msg(b.peak >= sum, "sum over %zu: %zu bytes, %zu for fewer",
				      t.rows, b.peak, sum);
			rows = a.peak;
			sum = b.peak;
		}
	}
}
END_TEST

Suite *suite_gemm(void);
Suite *suite_gemm(void)
{
	Suite *s = suite_create("gemm");
	TCase *tc = num_tcase("oracle");
	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, parallel, 1, 6);
	tcase_add_loop_test(tc, team, 1, 6);
	tcase_add_loop_test(tc, gemm_rows, 0, 12);
	tcase_add_loop_test(tc, gemm_sum, 0, 8);
	tcase_add_loop_test(tc, plain, 0, 3);
	tcase_add_test(tc, scratch);
	return s;
}

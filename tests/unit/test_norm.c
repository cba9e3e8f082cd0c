/* Batch norm: by hand, against PyTorch, and against the oracle on random shapes. */
#include "gold.h"

/* A channel's numbers come from NHWC rows; the oracle's from [n,c,hw]: one picture of rows pixels.
 */
struct norm {
	size_t rows;
	int c;
	bool batch;
	enum et_act act; /* behind it */
	float *x, *dy, *gamma, *beta, *mean, *invstd, *scale, *shift;
	float *dx, *dgamma, *dbeta;	/* outputs; NULL when not wanted */
	float *dgamma0, *dbeta0;	/* before */
	struct ref want_mean, want_var; /* of x */
	struct ref want_y, want_dx, want_dgamma, want_dbeta;
};

static void with_before(struct ref *r, const float *before)
{
	for (size_t i = 0; i < r->n; i++)
		ref_term(r, i, (double)before[i]);
}

/* Is the activation behind flat at v? */
static bool flat(enum et_act act, double v)
{
	return act != ET_ACT_NONE && (v <= 0 || (act == ET_ACT_RELU6 && v >= 6));
}

/* Everything the oracle has to say about x, dy, mean, invstd and gamma. */
static void norm_expect(struct norm *t)
{
	size_t c = (size_t)t->c, n = t->rows * c;
	int hw = (int)t->rows;
	const double *x = num_nchw(1, t->rows, t->c, t->x);
	float *passed = num_alloc(n, sizeof(float));
	const double *mean = num_double(t->mean, c), *invstd = num_double(t->invstd, c);
	const double *gamma = num_double(t->gamma, c), *beta = num_double(t->beta, c);
	struct ref y = num_ref(n), dx = num_ref(n);

	for (size_t i = 0; i < c; i++) {
		t->scale[i] = t->gamma[i] * t->invstd[i];
		t->shift[i] = t->beta[i] - t->mean[i] * t->scale[i];
	}
	for (size_t i = 0; i < n; i++) {
		double v = (double)t->x[i] * (double)t->scale[i % c] + (double)t->shift[i % c];
		passed[i] = flat(t->act, v) ? 0 : t->dy[i];
	}
	const double *dy = num_nchw(1, t->rows, t->c, passed);
	t->want_mean = num_ref(c);
	t->want_var = num_ref(c);
	t->want_dgamma = num_ref(c);
	t->want_dbeta = num_ref(c);
	ref_bn_stats(1, t->c, hw, x, &t->want_mean, &t->want_var);
	ref_bn_forward(1, t->c, hw, x, mean, invstd, gamma, beta, &y);
	ref_bn_backward(1, t->c, hw, x, dy, mean, invstd, gamma, t->batch, &dx, &t->want_dgamma,
			&t->want_dbeta);
	t->want_y = num_nhwc(1, t->rows, t->c, &y);
	t->want_dx = num_nhwc(1, t->rows, t->c, &dx);
	with_before(&t->want_dgamma, t->dgamma0);
	with_before(&t->want_dbeta, t->dbeta0);
}

/* mean and invstd of x itself, rounded to float as a layer would keep them. */
static void own_statistics(struct norm *t)
{
	size_t c = (size_t)t->c;
	struct ref mean = num_ref(c), var = num_ref(c);
	ref_bn_stats(1, t->c, (int)t->rows, num_nchw(1, t->rows, t->c, t->x), &mean, &var);
	for (size_t i = 0; i < c; i++) {
		t->mean[i] = (float)mean.v[i];
		t->invstd[i] = (float)(1 / sqrt(var.v[i] + 1e-5));
	}
}

static struct norm norm_new(size_t rows, int channels, bool batch)
{
	size_t c = (size_t)channels, n = rows * c;
	struct norm t = {.rows = rows, .c = channels, .batch = batch};
	t.x = num_floats(n);
	t.dy = num_floats(n);
	t.gamma = num_floats(c);
	t.beta = num_floats(c);
	t.mean = num_floats(c);
	t.invstd = num_floats(c);
	t.scale = num_floats(c);
	t.shift = num_floats(c);
	t.dx = num_floats(n);
	t.dgamma = num_floats(c);
	t.dbeta = num_floats(c);
	t.dgamma0 = num_alloc(c, sizeof(float));
	t.dbeta0 = num_alloc(c, sizeof(float));
	return t;
}

static void normal(struct et_rng *r, float *x, size_t n, float scale, float shift)
{
	for (size_t i = 0; i < n; i++)
		x[i] = et_rng_normal(r) * scale + shift;
}

static struct norm norm_random(struct et_rng *r, size_t rows, int channels, bool batch,
			       enum et_act act)
{
	size_t c = (size_t)channels, n = rows * c;
	struct norm t = norm_new(rows, channels, batch);
	t.act = act;
	normal(r, t.x, n, 1.5f, 1);
	normal(r, t.dy, n, 1, 0.5f);
	normal(r, t.gamma, c, 1, 0);
	normal(r, t.beta, c, 1, 0);
	normal(r, t.mean, c, 1, 0);
	normal(r, t.dgamma0, c, 1, 0);
	normal(r, t.dbeta0, c, 1, 0);
	for (size_t i = 0; i < c; i++)
		t.invstd[i] = 0.1f + et_rng_unit(r);
	if (batch)
		own_statistics(&t);
	norm_expect(&t);
	return t;
}

/* ---- running --------------------------------------------------------------------------------- */

struct stats {
	struct norm *t;
	float *mean, *var;
};

static void run_stats(void *arg, const struct et_ctx *x, struct et_arena *work)
{
	struct stats *s = arg;
	et_bn_stats(x, s->t->rows, s->t->c, num_at(work, s->t->x), num_at(work, s->mean),
		    num_at(work, s->var), work);
}

static void check_stats(void *arg)
{
	const struct stats *s = arg;
	num_check("mean", s->mean, &s->t->want_mean, 16);
	num_check("var", s->var, &s->t->want_var, 16);
}

static void stats_run(struct norm *t)
{
	size_t bytes = (size_t)t->c * sizeof(float);
	struct stats s = {t, num_floats((size_t)t->c), num_floats((size_t)t->c)};
	num_run(run_stats, check_stats, &s,
		(struct num_out[]){{s.mean, bytes, NULL}, {s.var, bytes, NULL}}, 2);
}

static void run_affine(void *arg, const struct et_ctx *x, struct et_arena *work)
{
	struct norm *t = arg;
	size_t c = (size_t)t->c;
	float *scale = et_arena_alloc(work, c, sizeof(float));
	float *shift = et_arena_alloc(work, c, sizeof(float));
	const struct et_prologue p = {scale, shift, ET_ACT_NONE};
	for (size_t i = 0; i < c && !et_measuring(work); i++) {
		scale[i] = t->gamma[i] * t->invstd[i];
		shift[i] = t->beta[i] - t->mean[i] * scale[i];
	}
	if (!et_measuring(work))
		et_affine(x, t->rows, t->c, t->x, &p, t->dx);
	et_arena_release(work, 0);
}

static void check_affine(void *arg)
{
	const struct norm *t = arg;
	num_check("y", t->dx, &t->want_y, 4);
}

static void run_backward(void *arg, const struct et_ctx *x, struct et_arena *work)
{
	struct norm *t = arg;
	const struct et_prologue after = {num_at(work, t->scale), num_at(work, t->shift), t->act};
	et_bn_backward(x, t->rows, t->c, num_at(work, t->x), num_at(work, t->dy),
		       num_at(work, t->mean), num_at(work, t->invstd), num_at(work, t->gamma),
		       t->batch, t->act ? &after : NULL, num_at(work, t->dx),
		       num_at(work, t->dgamma), num_at(work, t->dbeta), work);
}

static void check_backward(void *arg)
{
	const struct norm *t = arg;
	if (t->dx)
		num_check("dx", t->dx, &t->want_dx, 8);
	if (t->dgamma)
		num_check("dgamma", t->dgamma, &t->want_dgamma, 16);
	if (t->dbeta)
		num_check("dbeta", t->dbeta, &t->want_dbeta, 16);
}

static void backward_run(struct norm *t)
{
	size_t c = (size_t)t->c * sizeof(float), outs = 0;
	struct num_out out[3];
	if (t->dx)
		out[outs++] = (struct num_out){t->dx, t->rows * c, NULL};
	if (t->dgamma)
		out[outs++] = (struct num_out){t->dgamma, c, t->dgamma0};
	if (t->dbeta)
		out[outs++] = (struct num_out){t->dbeta, c, t->dbeta0};
	num_run(run_backward, check_backward, t, out, outs);
}

static void forward_run(struct norm *t)
{
	num_run(run_affine, check_affine, t,
		&(struct num_out){t->dx, t->rows * (size_t)t->c * sizeof(float), NULL}, 1);
}

/* ---- by hand --------------------------------------------------------------------------------- */

static void exactly(const char *what, const float *got, const float *want, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ck_assert_msg(got[i] == want[i], "%s[%zu] is %g, not %g", what, i, (double)got[i],
			      (double)want[i]);
}

START_TEST(hand)
{
	struct et_ctx x = {.k = et_kern_at((size_t)_i), .threads = 1};
	struct et_arena work;
	struct et_err err;
	ck_assert_int_eq(et_arena_open(&work, 1 << 20, &err), ET_OK);

	/* channels: 1 3 5 7 (mean 4, variance 5) and -1 -1 1 1 (0, 1), gamma 2, beta 1 */
	const float in[] = {1, -1, 3, -1, 5, 1, 7, 1}, dy[] = {1, 1, 0, 2, 0, 3, 2, 6};
	const float gamma[] = {2, 2}, half[] = {0.5f, 1}, at[] = {4, 0};
	float mean[2], var[2], y[8], dx[8], dgamma[2] = {0}, dbeta[2] = {0};

	et_bn_stats(&x, 4, 2, in, mean, var, &work);
	exactly("mean", mean, at, 2);
	exactly("var", var, (const float[]){5, 1}, 2);
	const float scale[] = {1, 2}, shift[] = {-3, 1};
	struct et_prologue p = {scale, shift, ET_ACT_NONE};
	et_affine(&x, 4, 2, in, &p, y);
	exactly("y", y, (const float[]){-2, -1, 0, -1, 2, 3, 4, 3}, 8);
	/* with a ReLU behind it: the first two rows and what is 0 are cut off */
	p.act = ET_ACT_RELU;
	et_affine(&x, 4, 2, in, &p, y);
	exactly("act", y, (const float[]){0, 0, 0, 0, 2, 3, 4, 3}, 8);
	et_bn_backward(&x, 4, 2, in, dy, at, half, gamma, false, &p, dx, dgamma, dbeta, &work);
	exactly("cut dx", dx, (const float[]){0, 0, 0, 0, 0, 6, 2, 12}, 8);
	exactly("cut dgamma", dgamma, (const float[]){3, 9}, 2);
	exactly("cut dbeta", dbeta, (const float[]){2, 9}, 2);
	memset(dgamma, 0, sizeof(dgamma));
	memset(dbeta, 0, sizeof(dbeta));
	et_bn_backward(&x, 4, 2, in, dy, at, half, gamma, false, NULL, dx, dgamma, dbeta, &work);
	exactly("frozen dx", dx, (const float[]){1, 2, 0, 4, 0, 6, 2, 12}, 8);
	exactly("dgamma", dgamma, (const float[]){1.5f, 6}, 2);
	exactly("dbeta", dbeta, (const float[]){3, 12}, 2);
	/* the second channel again, its statistics its own */
	const float in1[] = {-1, -1, 1, 1}, dy1[] = {1, 2, 3, 6};
	et_bn_backward(&x, 4, 1, in1, dy1, at + 1, half + 1, gamma, true, NULL, dx, dgamma, dbeta,
		       &work);
	exactly("batch dx", dx, (const float[]){-1, 1, -3, 3}, 4);
	exactly("added dgamma", dgamma, (const float[]){7.5f}, 1);
	exactly("added dbeta", dbeta, (const float[]){15}, 1);
	et_arena_close(&work);
}
END_TEST

/* ---- PyTorch --------------------------------------------------------------------------------- */

static void gold_norm(const struct gold_case *c)
{
	int n = gold_int(c, "n"), channels = gold_int(c, "c");
	size_t hw = (size_t)(gold_int(c, "h") * gold_int(c, "w")), m = (size_t)channels;
	struct norm t = norm_new((size_t)n * hw, channels, gold_int(c, "batch"));

	t.x = gold_nhwc(c, "x", n, hw, channels);
	t.dy = gold_nhwc(c, "dy", n, hw, channels);
	t.gamma = gold_f32(c, "gamma", m);
	t.beta = gold_f32(c, "beta", m);
	t.mean = gold_f32(c, "mean", m);
	const float *var = gold_f32(c, "var", m);
	for (size_t i = 0; i < m; i++)
		t.invstd[i] = (float)(1 / sqrt((double)var[i] + gold_num(c, "eps")));
	norm_expect(&t);
	if (t.batch) {
		num_check_ref("oracle's mean", &t.want_mean, t.mean, 0.5);
		num_check_ref("oracle's var", &t.want_var, var, 0.5);
		stats_run(&t);
	}
	/* mean and invstd went through float: somewhat off on either side */
	num_check_ref("oracle's y", &t.want_y, gold_nhwc(c, "y", n, hw, channels), 2);
	num_check_ref("oracle's dx", &t.want_dx, gold_nhwc(c, "dx", n, hw, channels), 4);
	num_check_ref("oracle's dgamma", &t.want_dgamma, gold_f32(c, "dgamma", m), 4);
	num_check_ref("oracle's dbeta", &t.want_dbeta, gold_f32(c, "dbeta", m), 1);
	forward_run(&t);
	backward_run(&t);
}

START_TEST(gold)
{
	gold_each("norm", "batchnorm2d", 5, gold_norm);
}
END_TEST

/* ---- against the oracle ---------------------------------------------------------------------- */

static const struct {
	size_t rows;
	int c;
} shapes[] = {{1, 1},	 {2, 3},    {7, 16},   {49, 33},   {100, 1},  {37, 70},
	      {3000, 5}, {40, 500}, {9, 2000}, {20000, 3}, {513, 32}, {1100, 17}};

START_TEST(oracle)
{
	size_t rows = shapes[_i].rows;
	int c = shapes[_i].c;
	for (int which = 0; which < 6; which++) {
		struct et_rng r = num_rng(40, (uint32_t)(6 * _i + which));
		bool batch = which % 2;
		struct norm t = norm_random(&r, rows, c, batch, which / 2);
		num_label("%s norm of %zu rows of %d, act %d", batch ? "batch" : "frozen", rows, c,
			  t.act);
		stats_run(&t);
		forward_run(&t);
		backward_run(&t);
	}
}
END_TEST

/* Any of dx, dgamma, dbeta may be unwanted, and x too where nothing needs it. */
START_TEST(unwanted)
{
	struct et_rng r = num_rng(41, 0);
	for (unsigned which = 0; which < 32; which++) {
		struct norm t =
			norm_random(&r, 50, 19, which & 8, which & 16 ? ET_ACT_RELU6 : ET_ACT_NONE);
		num_label("batch %d, dx %d, dgamma %d, dbeta %d, act %d", t.batch, which & 1,
			  which >> 1 & 1, which >> 2 & 1, t.act);
		if (!(which & 1))
			t.dx = NULL;
		if (!(which & 2))
			t.dgamma = NULL;
		if (!(which & 4))
			t.dbeta = NULL;
		if (!t.batch && !t.dgamma && !t.act)
			t.x = NULL;
		backward_run(&t);
	}
}
END_TEST

/* dx may be dy, and y may be x. */
START_TEST(in_place)
{
	struct et_rng r = num_rng(42, 0);
	for (int which = 0; which < 6; which++) {
		bool batch = which % 2;
		struct norm t = norm_random(&r, 60, 21, batch, which / 2);
		size_t bytes = 60 * 21 * sizeof(float);
		const struct num_out out[] = {{t.dx, bytes, t.dy},
					      {t.dgamma, 21 * sizeof(float), t.dgamma0},
					      {t.dbeta, 21 * sizeof(float), t.dbeta0}};
		t.dy = t.dx;
		num_label("dx is dy, batch %d, act %d", batch, t.act);
		num_run(run_backward, check_backward, &t, out, 3);
		const struct num_out y = {t.dx, bytes, t.x};
		t.x = t.dx;
		num_label("y is x");
		num_run(run_affine, check_affine, &t, &y, 1);
	}
}
END_TEST

/* Mean far above the deviation: E[x^2] - E[x]^2 in float would give nonsense. */
START_TEST(offset)
{
	struct et_rng r = num_rng(43, 0);
	const size_t rows = shapes[_i].rows;
	struct norm t = norm_new(rows, shapes[_i].c, true);
	normal(&r, t.x, rows * (size_t)t.c, 1, 1000);
	normal(&r, t.dy, rows * (size_t)t.c, 1, 0);
	normal(&r, t.gamma, (size_t)t.c, 1, 0);
	normal(&r, t.beta, (size_t)t.c, 1, 0);
	own_statistics(&t);
	norm_expect(&t);
	/* Means of parts are off by some eps of 1000, which makes about 1e-4 here. */
	for (size_t i = 0; i < t.want_var.n; i++)
		t.want_var.mag[i] += 100;
	num_label("mean 1000 of %zu rows of %d", rows, t.c);
	stats_run(&t);
}
END_TEST

START_TEST(nan_spreads)
{
	struct et_rng r = num_rng(44, 0);
	for (int which = 0; which < 4; which++) {
		struct norm t = norm_random(&r, 70, 18, which & 1, ET_ACT_NONE);
		(which & 2 ? t.dy : t.x)[333] = NAN;
		if (t.batch)
			own_statistics(&t);
		norm_expect(&t);
		num_label("NaN in %s, batch %d", which & 2 ? "dy" : "x", t.batch);
		stats_run(&t);
		forward_run(&t);
		backward_run(&t);
	}
}
END_TEST

Suite *suite_norm(void);
Suite *suite_norm(void)
{
	Suite *s = suite_create("norm");
	TCase *tc = num_tcase("norm");
	int isas = 0;

	while (et_kern_at((size_t)isas))
		isas++;
	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, hand, 0, isas);
	tcase_add_test(tc, gold);
	tcase_add_loop_test(tc, oracle, 0, ET_COUNT(shapes));
	tcase_add_test(tc, unwanted);
	tcase_add_test(tc, in_place);
	tcase_add_loop_test(tc, offset, 0, ET_COUNT(shapes));
	tcase_add_test(tc, nan_spreads);
	return s;
}

/* Softmax cross-entropy: by hand, against PyTorch, and against the oracle. */
#include <string.h>

#include "gold.h"

struct job {
	struct et_loss l;
	size_t rows;
	double norm;
	float *logits, *dlogits; /* dlogits NULL: only the loss is wanted */
	int32_t *label;
	struct et_loss_sum sum, before;
	struct ref want, want_dz; /* of the loss, of dlogits */
	size_t correct, used;
};

static void run(void *arg, const struct et_ctx *x, struct et_arena *work)
{
	struct job *t = arg;
	struct et_loss l = t->l;
	l.weight = num_at(work, l.weight);
	et_loss_forward(x, &l, t->rows, num_at(work, t->logits), num_at(work, t->label), t->norm,
			num_at(work, t->dlogits), num_at(work, &t->sum), work);
}

static void check(void *arg)
{
	const struct job *t = arg;
	/* Added to what was there, in double; but through float sums and exponentials. */
	float loss = (float)(t->sum.loss - t->before.loss);
	num_check("loss", &loss, &t->want, 4);
	if (t->dlogits)
		num_check("dlogits", t->dlogits, &t->want_dz, 8);
	ck_assert_uint_eq(t->sum.rows - t->before.rows, t->used);
	ck_assert_uint_eq(t->sum.correct - t->before.correct, t->correct);
}

static void expect(struct job *t)
{
	size_t n = t->rows * (size_t)t->l.k;
	struct ref_loss o = {
		.k = t->l.k, .ignore = t->l.ignore, .smoothing = (double)t->l.smoothing};
	o.weight = t->l.weight ? num_double(t->l.weight, (size_t)o.k) : NULL;
	t->want = num_ref(1);
	t->want_dz = num_ref(n);
	ref_loss_forward(&o, t->rows, num_double(t->logits, n), t->label, t->norm, &t->want,
			 &t->want_dz, &t->correct, &t->used);
	double norm = ref_loss_norm(&o, t->rows, t->label);
	ck_assert_double_le(fabs(et_loss_norm(&t->l, t->rows, t->label) - norm), 1e-12 * norm);
}

static void loss_run(struct job *t)
{
	size_t bytes = t->rows * (size_t)t->l.k * sizeof(float);
	const struct num_out out[] = {{&t->sum, sizeof(t->sum), &t->before},
				      {t->dlogits, bytes, NULL}};
	num_run(run, check, t, out, t->dlogits ? 2 : 1);
	if (!t->dlogits)
		return;

	struct job loss_only = *t;
	loss_only.dlogits = NULL;
	num_run(run, check, &loss_only,
		&(struct num_out){&loss_only.sum, sizeof(t->sum), &t->before}, 1);

	struct job in_place = *t; /* dlogits may be logits */
	in_place.logits = in_place.dlogits;
	num_run(run, check, &in_place,
		(struct num_out[]){{&in_place.sum, sizeof(t->sum), &t->before},
				   {in_place.dlogits, bytes, t->logits}},
		2);
}

static struct job loss_new(struct et_rng *r, size_t rows, int k, float spread)
{
	struct job t = {.l = {.k = k, .ignore = -1}, .rows = rows, .norm = (double)rows};
	t.logits = num_normal(r, rows * (size_t)k);
	t.dlogits = num_floats(rows * (size_t)k);
	t.label = num_guarded(rows * sizeof(int32_t));
	t.before = (struct et_loss_sum){.loss = 0.25, .correct = 10, .rows = 20};
	for (size_t i = 0; i < rows * (size_t)k; i++)
		t.logits[i] *= spread;
	for (size_t i = 0; i < rows; i++)
		t.label[i] = num_int(r, 0, k - 1);
	return t;
}

/* ---- by hand --------------------------------------------------------------------------------- */

START_TEST(hand)
{
	const double ln4 = log(4.0);
	const float z[] = {0, 1.0986123f, 7, 7}, weight[] = {2, 4}; /* p = 1/4, 3/4 */
	const int32_t label[] = {0, 1};
	struct et_loss l = {.k = 2, .ignore = -1};
	struct et_loss_sum sum = {0};
	struct et_ctx x = {.k = et_kern_at((size_t)_i), .threads = 1};
	struct et_arena work;
	struct et_err err;
	float dz[4];

	ck_assert_int_eq(et_arena_open(&work, 1 << 20, &err), ET_OK);
	ck_assert(et_loss_norm(&l, 2, label) == 2);
	et_loss_forward(&x, &l, 1, z, label, 1, dz, &sum, &work);
	ck_assert_double_le(fabs(sum.loss - ln4), 1e-6);
	ck_assert(fabsf(dz[0] + 0.75f) < 1e-6f && fabsf(dz[1] - 0.75f) < 1e-6f);
	ck_assert(sum.correct == 0 && sum.rows == 1);

	l.smoothing = 0.5f;
	l.weight = weight;
	ck_assert(et_loss_norm(&l, 2, label) == 6);
	sum.loss = 0;
	et_loss_forward(&x, &l, 1, z, label, 2, dz, &sum, &work);
	ck_assert_double_le(fabs(sum.loss - (1.5 * ln4 + log(4.0 / 3)) / 2), 1e-6);
	ck_assert(fabsf(dz[0] + 0.4375f) < 1e-6f && fabsf(dz[1] - 0.4375f) < 1e-6f);

	/* One row ignored; the other's equal logits make class 0 the guess, which is wrong. */
	l = (struct et_loss){.k = 2, .ignore = 0};
	sum = (struct et_loss_sum){0};
	ck_assert(et_loss_norm(&l, 2, label) == 1);
	et_loss_forward(&x, &l, 2, z, label, 1, dz, &sum, &work);
	ck_assert_double_le(fabs(sum.loss - log(2.0)), 1e-6);
	ck_assert(dz[0] == 0 && dz[1] == 0 && dz[2] == 0.5f && dz[3] == -0.5f);
	ck_assert(sum.correct == 0 && sum.rows == 1);
	et_arena_close(&work);
}
END_TEST

/* ---- PyTorch --------------------------------------------------------------------------------- */

static void gold_loss(const struct gold_case *c)
{
	size_t rows = (size_t)gold_int(c, "rows"), k = (size_t)gold_int(c, "k");
	struct job t = {.rows = rows, .l = {.k = (int)k, .ignore = gold_int(c, "ignore")}};

	t.l.smoothing = (float)gold_num(c, "smoothing");
	t.l.weight = gold_int(c, "weighted") ? gold_f32(c, "weight", k) : NULL;
	t.logits = gold_f32(c, "logits", rows * k);
	t.dlogits = num_floats(rows * k);
	t.label = gold_i32(c, "label", rows);
	t.norm = et_loss_norm(&t.l, rows, t.label);
	ck_assert_double_le(fabs(t.norm - (double)*gold_f32(c, "norm", 1)), 1e-6 * t.norm);
	expect(&t);
	num_check_ref("oracle's loss", &t.want, gold_f32(c, "y", 1), 1);
	num_check_ref("oracle's gradient", &t.want_dz, gold_f32(c, "dlogits", rows * k), 1);
	ck_assert_int_eq((int)t.correct, gold_int(c, "correct"));
	ck_assert_int_eq((int)t.used, gold_int(c, "used"));
	loss_run(&t);
}

START_TEST(gold)
{
	gold_each("loss", "cross_entropy", 10, gold_loss);
}
END_TEST

/* ---- against the oracle ---------------------------------------------------------------------- */

START_TEST(oracle)
{
	const struct {
		size_t rows;
		int k;
	} t[] = {{1, 1},   {1, 2},    {3, 10},	  {33, 7},   {100, 100},
		 {65, 21}, {5, 1000}, {70000, 3}, {2000, 19}};
	for (int which = 0; which < 8; which++) {
		struct et_rng r = num_rng(80, (uint32_t)(8 * _i + which));
		struct job l = loss_new(&r, t[_i].rows, t[_i].k, which & 1 ? 30 : 3);
		float *weight = num_floats((size_t)t[_i].k);
		for (int j = 0; j < t[_i].k; j++)
			weight[j] = 0.1f + et_rng_unit(&r);
		l.l.smoothing = which & 2 ? 0.1f : 0;
		l.l.weight = which & 4 ? weight : NULL;
		if (which % 3 == 2) {
			l.l.ignore = which & 1 ? 255 : 0;
			for (size_t i = 0; i < l.rows; i += 3)
				l.label[i] = l.l.ignore;
		}
		l.norm = et_loss_norm(&l.l, l.rows, l.label) + 1; /* a larger batch's */
		expect(&l);
		num_label("%zu rows of %d, smoothing %d, weights %d, ignore %d", l.rows, l.l.k,
			  which >> 1 & 1, which >> 2 & 1, l.l.ignore);
		loss_run(&l);
	}
}
END_TEST

/* Two halves with the whole batch's norm are the whole batch. */
START_TEST(micro_batches)
{
	struct et_rng r = num_rng(81, 0);
	struct job t = loss_new(&r, 90, 11, 2);
	struct et_ctx x = {.k = et_kern_at(0), .threads = 2};
	struct et_loss_sum whole = {0}, parts = {0};
	struct et_arena work;
	struct et_err err;
	float *dz = num_floats((size_t)90 * 11);

	ck_assert_int_eq(et_arena_open(&work, 1 << 20, &err), ET_OK);
	et_loss_forward(&x, &t.l, 90, t.logits, t.label, 90, t.dlogits, &whole, &work);
	for (size_t at = 0; at < 90; at += 30)
		et_loss_forward(&x, &t.l, 30, t.logits + at * 11, t.label + at, 90, dz + at * 11,
				&parts, &work);
	num_check_bits("dlogits", dz, t.dlogits, (size_t)90 * 11 * sizeof(float));
	ck_assert_double_le(fabs(whole.loss - parts.loss), 1e-12);
	ck_assert(whole.correct == parts.correct && whole.rows == parts.rows);
	et_arena_close(&work);
}
END_TEST

/* A NaN logit makes the loss and its row's gradient NaN, wherever it stands. */
START_TEST(nan_spreads)
{
	const int ks[] = {1, 3, 8, 16, 21, 40};
	for (size_t i = 0; i < ET_COUNT(ks); i++)
		for (int at = 0; at < ks[i]; at++) {
			struct et_rng r = num_rng(82, (uint32_t)i);
			struct job t = loss_new(&r, 3, ks[i], 2);
			t.logits[ks[i] + at] = at % 2 ? NAN : -NAN;
			if (at % 3 == 2)
				t.logits[ks[i] + at] = INFINITY; /* Inf - Inf */
			expect(&t);
			ck_assert(isnan(t.want.v[0]));
			t.correct = 0; /* of the row nothing is known; the others below */
			struct et_ctx x = {.k = et_kern_at((size_t)_i), .threads = 1};
			struct et_loss_sum sum = {0};
			struct et_arena work;
			struct et_err err;
			ck_assert_int_eq(et_arena_open(&work, 1 << 20, &err), ET_OK);
			et_loss_forward(&x, &t.l, 3, t.logits, t.label, 3, t.dlogits, &sum, &work);
			ck_assert_msg(isnan(sum.loss), "k %d, NaN at %d: loss %g", ks[i], at,
				      sum.loss);
			for (int j = 0; j < ks[i]; j++) {
				ck_assert(isnan(t.dlogits[ks[i] + j]));
				ck_assert(!isnan(t.dlogits[j]) && !isnan(t.dlogits[2 * ks[i] + j]));
			}
			et_arena_close(&work);
		}
}
END_TEST

/* -Inf is a class that cannot be: no gradient, and no NaN as long as it is not the label. */
START_TEST(minus_infinity)
{
	struct et_rng r = num_rng(83, 0);
	struct job t = loss_new(&r, 4, 20, 2);
	for (int i = 0; i < 4; i++) {
		t.logits[i * 20 + 3 * i] = -INFINITY;
		t.label[i] = 3 * i + 1;
	}
	struct et_ctx x = {.k = et_kern_at((size_t)_i), .threads = 1};
	struct et_loss_sum sum = {0};
	struct et_arena work;
	struct et_err err;
	ck_assert_int_eq(et_arena_open(&work, 1 << 20, &err), ET_OK);
	et_loss_forward(&x, &t.l, 4, t.logits, t.label, 4, t.dlogits, &sum, &work);
	ck_assert(isfinite(sum.loss));
	for (int i = 0; i < 80; i++)
		ck_assert(isfinite(t.dlogits[i]));
	for (int i = 0; i < 4; i++)
		ck_assert(t.dlogits[i * 20 + 3 * i] == 0);
	et_arena_close(&work);
}
END_TEST

START_TEST(all_ignored)
{
	struct et_rng r = num_rng(84, 0);
	struct job t = loss_new(&r, 70, 5, 2);
	t.l.ignore = 255;
	for (int i = 0; i < 70; i++)
		t.label[i] = 255;
	expect(&t);
	ck_assert(et_loss_norm(&t.l, 70, t.label) == 0);
	num_label("all rows ignored");
	loss_run(&t);
}
END_TEST

Suite *suite_loss(void);
Suite *suite_loss(void)
{
	Suite *s = suite_create("loss");
	TCase *tc = num_tcase("loss");
	int isas = 0;

	while (et_kern_at((size_t)isas))
		isas++;
	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, hand, 0, isas);
	tcase_add_test(tc, gold);
	tcase_add_loop_test(tc, oracle, 0, 9);
	tcase_add_test(tc, micro_batches);
	tcase_add_loop_test(tc, nan_spreads, 0, isas);
	tcase_add_loop_test(tc, minus_infinity, 0, isas);
	tcase_add_test(tc, all_ignored);
	return s;
}

/*
 * Kernels of exponentials and dropout, of every instruction set, against plain loops in double.
 */
#include <float.h>
#include <string.h>

#include "num.h"

static const struct et_kern *kern(int i)
{
	return et_kern_at((size_t)i);
}

/* Units in the last place of a float near x. */
static double ulp(double x)
{
	int e;
	frexp(x, &e);
	return fmax(ldexp(1, e - FLT_MANT_DIG), (double)FLT_TRUE_MIN);
}

/* Flushed to zero on 32-bit ARM. */
static bool close_to(float got, double want, double ulps)
{
	if (isnan(want))
		return isnan(got);
	return fabs((double)got - want) <= ulps * ulp(want) || (want < (double)FLT_MIN && got == 0);
}

/* All magnitudes, both signs, and what is special. */
static float *range(size_t *n)
{
	const float special[] = {0,	     -0.0f,  NAN,    INFINITY, -INFINITY, 88.72283f,
				 88.722839f, 88.73f, -87.4f, -103.9f,  -103.98f,  -104.1f};
	size_t count = ET_COUNT(special);
	float *x = num_floats(50000);
	memcpy(x, special, sizeof(special));
	for (float v = 1e-8f; v < 120; v *= 1.001f) {
		x[count++] = v;
		x[count++] = -v;
		ck_assert_uint_lt(count, 49998);
	}
	*n = count;
	return x;
}

START_TEST(sigmoid)
{
	const struct et_kern *k = kern(_i);
	size_t n;
	float *x = range(&n), *y = num_floats(n), *dx = num_floats(n), *one = num_floats(1);
	k->sigmoid(n, x, y);
	for (size_t i = 0; i < n; i++) {
		double want = isnan(x[i]) ? NAN : 1 / (1 + exp(-(double)x[i]));
		ck_assert_msg(close_to(y[i], want, 2.5), "%s: sigmoid(%.9g) is %.9g, not %.9g",
			      k->name, (double)x[i], (double)y[i], want);
		if (i % 37 == 0 || i < 12) { /* the same wherever it stands */
			k->sigmoid(1, x + i, one);
			num_check_bits("sigmoid of one", one, y + i, sizeof(float));
		}
	}
	struct et_rng r = num_rng(95, 0);
	for (size_t m = 0; m < 101; m++) {
		float *dy = num_normal(&r, m);
		struct ref want = num_ref(m);
		k->sigmoid_bwd(m, y + 40, dy, dx);
		for (size_t i = 0; i < m; i++) {
			double s = (double)y[40 + i];
			ref_term(&want, i, (double)dy[i] * s * (1 - s));
		}
		num_label("%s, sigmoid' of %zu", k->name, m);
		num_check("dx", dx, &want, 3);
		float *in_place = num_floats(m);
		memcpy(in_place, x + 40, m * sizeof(float));
		k->sigmoid(m, in_place, in_place);
		num_check_bits("in place", in_place, y + 40, m * sizeof(float));
		num_check_guards();
	}
}
END_TEST

START_TEST(exponential)
{
	const struct et_kern *k = kern(_i);
	size_t n;
	float *x = range(&n), *e = num_floats(n);
	k->exp_sum(n, x, 0, e);
	for (size_t i = 0; i < n; i++) {
		double want = exp((double)x[i]);
		if (want >= 0x1p128) /* rounds to it from a half ulp below, which no input meets */
			ck_assert_msg(e[i] == INFINITY, "%s: exp(%.9g)", k->name, (double)x[i]);
		else
			ck_assert_msg(close_to(e[i], want, 1), "%s: exp(%.9g) is %.9g, not %.9g",
				      k->name, (double)x[i], (double)e[i], want);
	}
}
END_TEST

START_TEST(exp_sum)
{
	const struct et_kern *k = kern(_i);
	struct et_rng r = num_rng(96, 0);
	for (size_t n = 1; n < 300; n += n < 101 ? 1 : 37) {
		float *x = num_normal(&r, n), *y = num_floats(n);
		float top = k->row_max(n, x);
		struct ref want = num_ref(n), sum = num_ref(1);
		for (size_t i = 0; i < n; i++) {
			double z = (double)x[i] - (double)top;
			ref_term(&want, i, exp(z));
			want.mag[i] *= 1 + fabs(z);
			ref_term(&sum, 0, exp(z));
			sum.mag[0] += exp(z) * fabs(z);
			ck_assert(x[i] <= top);
		}
		num_label("%s, exp_sum of %zu", k->name, n);
		float got = k->exp_sum(n, x, top, y), alone = k->exp_sum(n, x, top, NULL);
		num_check("e", y, &want, 1);
		num_check("sum", &got, &sum, 3);
		num_check_bits("sum alone", &alone, &got, sizeof(got));
		k->exp_sum(n, x, top, x);
		num_check_bits("in place", x, y, n * sizeof(float));
		num_check_guards();
	}
}
END_TEST

START_TEST(row_max)
{
	const struct et_kern *k = kern(_i);
	struct et_rng r = num_rng(97, 0);
	for (size_t n = 1; n < 101; n++) {
		float *x = num_normal(&r, n);
		num_label("%s, row_max of %zu", k->name, n);
		for (size_t at = 0; at < n; at++) {
			float keep = x[at];
			x[at] = 10;
			ck_assert(k->row_max(n, x) == 10);
			x[at] = -NAN;
			ck_assert(isnan(k->row_max(n, x)));
			x[at] = NAN;
			ck_assert(isnan(k->row_max(n, x)));
			x[at] = keep;
		}
		for (size_t i = 0; i < n; i++)
			x[i] = -INFINITY;
		ck_assert(k->row_max(n, x) == -INFINITY);
		num_check_guards();
	}
}
END_TEST

/* ---- dropout --------------------------------------------------------------------------------- */

START_TEST(philox)
{
	const struct et_kern *k = kern(_i);
	const uint32_t key[2] = {0x12345678, 0x9abcdef0};
	for (size_t n = 0; n < 101; n++) {
		uint32_t counter[4] = {(uint32_t)(7 * n), 5, 0xffffffff, 1};
		uint32_t *got = num_guarded(n * 16), *want = num_alloc(n, 16);
		for (size_t i = 0; i < n; i++) {
			uint32_t at[4];
			memcpy(at, counter, sizeof(at));
			at[0] += (uint32_t)i;
			et_philox(key, at, want + 4 * i);
		}
		num_label("%s, philox of %zu", k->name, n);
		k->philox(key, counter, n, got);
		num_check_bits("numbers", got, want, n * 16);
		num_check_guards();
	}
}
END_TEST

START_TEST(drop)
{
	const struct et_kern *k = kern(_i);
	struct et_rng r = num_rng(98, 0);
	for (size_t n = 0; n < 101; n++) {
		uint32_t *number = num_guarded(n * sizeof(uint32_t));
		uint32_t *bits = num_guarded(et_bit_words(n) * sizeof(uint32_t));
		float *x = num_normal(&r, n), *y = num_floats(n);
		const uint32_t least = 1u << 22;
		for (size_t i = 0; i < n; i++) /* some just on either side, some with high bits */
			number[i] = i % 3 ? et_rng_u32(&r) : (least << 8) - (i % 2);
		for (size_t i = 0; i < n; i += 9)
			x[i] = NAN;
		num_label("%s, drop of %zu", k->name, n);
		k->drop(n, number, least, 2, x, y, bits);
		for (size_t i = 0; i < n; i++) {
			bool keep = number[i] >> 8 >= least;
			ck_assert((bits[i / 32] >> (i % 32) & 1) == keep);
			if (isnan(x[i]))
				ck_assert(isnan(y[i]));
			else
				ck_assert(y[i] == (keep ? 2 * x[i] : 0));
		}
		k->drop(n, number, least, 2, x, x, NULL);
		num_check_bits("in place, no bits", x, y, n * sizeof(float));
		num_check_guards();
	}
}
END_TEST

Suite *suite_exp(void);
Suite *suite_exp(void)
{
	Suite *s = suite_create("exp");
	TCase *tc = num_tcase("kernels");
	int isas = 0;

	while (et_kern_at((size_t)isas))
		isas++;
	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, sigmoid, 0, isas);
	tcase_add_loop_test(tc, exponential, 0, isas);
	tcase_add_loop_test(tc, exp_sum, 0, isas);
	tcase_add_loop_test(tc, row_max, 0, isas);
	tcase_add_loop_test(tc, philox, 0, isas);
	tcase_add_loop_test(tc, drop, 0, isas);
	return s;
}

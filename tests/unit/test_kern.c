/*
 * Elementwise and per-channel kernels of every instruction set against plain loops in double: all
 * sizes around the vector lengths, outputs and inputs between guards. The others are in
 * test_tile.c and test_update.c.
 */
#include <float.h>
#include <stdio.h>
#include <string.h>

#include "num.h"

/* Beyond three vectors of the widest unit, so that every tail and every unrolled body is met. */
#define SIZES 101

static const struct et_kern *kern(int i, size_t n)
{
	const struct et_kern *k = et_kern_at((size_t)i);
	num_label("%s, n %zu", k->name, n);
	return k;
}

static float *copy(const float *x, size_t n)
{
	float *y = num_floats(n);
	memcpy(y, x, n * sizeof(float));
	return y;
}

START_TEST(table)
{
	const struct et_kern *k = et_kern_at((size_t)_i);
	ck_assert_ptr_eq(et_kern_select(k->name), k);
	ck_assert_ptr_nonnull(strstr(et_kern_names(), k->name));
	ck_assert_int_ge(k->vl, 4);
	ck_assert_int_le(k->mr, ET_MR_MAX);
	ck_assert_int_le(k->nr, ET_NR_MAX);
	ck_assert_int_le(k->kc, ET_KC_MAX);
	ck_assert_int_eq(k->nr % k->vl, 0);
	ck_assert_int_eq(k->nc % k->nr, 0);
}
END_TEST

START_TEST(select_kern)
{
	ck_assert_ptr_eq(et_kern_select(NULL), et_kern_at(0));
	ck_assert_ptr_null(et_kern_select("mmx"));
	ck_assert_ptr_null(et_kern_select(""));
	ck_assert_ptr_nonnull(et_kern_select("generic"));
	ck_assert_ptr_null(et_kern_at(99));
}
END_TEST

/* Runs y = f(a, b) apart and in place, and compares both with want. */
static void check_pair(const char *what, const struct ref *want, const float *a, const float *b,
		       void (*f)(size_t, const float *, const float *, float *))
{
	float *y = num_floats(want->n), *inplace = copy(a, want->n);
	f(want->n, a, b, y);
	num_check(what, y, want, 1);
	f(want->n, inplace, b, inplace);
	num_check_bits(what, inplace, y, want->n * sizeof(float));
}

START_TEST(add_mul)
{
	struct et_rng r = num_rng(1, 0);
	for (size_t n = 0; n < SIZES; n++) {
		const struct et_kern *k = kern(_i, n);
		float *a = num_normal(&r, n), *b = num_normal(&r, n);
		struct ref sum = num_ref(n), product = num_ref(n);
		for (size_t i = 0; i < n; i++) {
			ref_term(&sum, i, (double)a[i]);
			ref_term(&sum, i, (double)b[i]);
			ref_term(&product, i, (double)a[i] * (double)b[i]);
		}
		check_pair("add", &sum, a, b, k->add);
		check_pair("mul", &product, a, b, k->mul);
		num_check_guards();
	}
}
END_TEST

START_TEST(axpy_scale)
{
	struct et_rng r = num_rng(2, 0);
	for (size_t n = 0; n < SIZES; n++) {
		const struct et_kern *k = kern(_i, n);
		float *x = num_normal(&r, n), *y = num_normal(&r, n), *s = num_floats(n);
		struct ref axpy = num_ref(n), scale = num_ref(n);
		for (size_t i = 0; i < n; i++) {
			ref_term(&axpy, i, (double)y[i]);
			ref_term(&axpy, i, -1.5 * (double)x[i]);
			ref_term(&scale, i, -1.5 * (double)x[i]);
		}
		k->axpy(n, -1.5f, x, y);
		num_check("axpy", y, &axpy, 1);
		k->scale(n, -1.5f, x, s);
		num_check("scale", s, &scale, 1);
		k->scale(n, -1.5f, x, x);
		num_check_bits("scale in place", x, s, n * sizeof(float));
		num_check_guards();
	}
}
END_TEST

/* Values where an activation could go wrong. */
static const float corners[] = {
	0.0f,	      -0.0f,	     6.0f,    5.9999995f, 6.0000005f, NAN,   INFINITY, -INFINITY,
	FLT_MIN,      -FLT_MIN,	     FLT_MAX, -FLT_MAX,	  3.0f,	      -3.0f, 1.0f,     -1.0f,
#if !defined(__arm__) /* NEON on 32-bit ARM flushes denormals */
	FLT_TRUE_MIN, -FLT_TRUE_MIN,
#endif
};

static bool bit(const uint32_t *bits, size_t i)
{
	return bits[i / 32] >> (i % 32) & 1;
}

static void check_act(const struct et_kern *k, size_t n, size_t first, enum et_act act)
{
	float *x = num_floats(n), *y = num_floats(n);
	uint32_t *bits = num_guarded(et_bit_words(n) * sizeof(uint32_t));
	enum ref_act ref = act == ET_ACT_RELU ? REF_RELU : REF_RELU6;

	for (size_t i = 0; i < n; i++)
		x[i] = corners[(first + i) % ET_COUNT(corners)];
	k->act(n, x, y, bits, act);
	for (size_t i = 0; i < n; i++) {
		double want = ref_act(ref, (double)x[i]);
		bool pass = isnan(x[i]) || ref_act_slope(ref, (double)x[i]) > 0;
		ck_assert_msg(isnan(want) ? isnan(y[i]) : y[i] == (float)want,
			      "%s: act %d of %g at %zu is %g", num_label_text(), (int)act,
			      (double)x[i], i, (double)y[i]);
		ck_assert_msg(bit(bits, i) == pass, "%s: act %d of %g at %zu: wrong bit",
			      num_label_text(), (int)act, (double)x[i], i);
	}
	k->act(n, x, x, NULL, act);
	num_check_bits("in place without bits", x, y, n * sizeof(float));
	num_check_guards();
}

START_TEST(act_corners)
{
	for (size_t n = 0; n < SIZES; n++)
		for (size_t first = 0; first < ET_COUNT(corners); first += n ? 1 : 99) {
			const struct et_kern *k = kern(_i, n);
			if (n > 40 && first > 2)
				break; /* each lane has met each value by now */
			check_act(k, n, first, ET_ACT_RELU);
			check_act(k, n, first, ET_ACT_RELU6);
		}
}
END_TEST

START_TEST(mask)
{
	struct et_rng r = num_rng(3, 0);
	for (size_t n = 0; n < SIZES; n++) {
		const struct et_kern *k = kern(_i, n);
		float *dy = num_normal(&r, n), *dx = num_floats(n);
		uint32_t *bits = num_guarded(et_bit_words(n) * sizeof(uint32_t));
		for (size_t i = 0; i < et_bit_words(n); i++)
			bits[i] = et_rng_u32(&r);
		for (size_t i = 0; i < n; i += 7)
			dy[i] = NAN;
		k->mask(n, bits, dy, dx);
		for (size_t i = 0; i < n; i++)
			ck_assert(bit(bits, i) ? !memcmp(&dx[i], &dy[i], 4) : dx[i] == 0);
		k->mask(n, bits, dy, dy);
		num_check_bits("in place", dy, dx, n * sizeof(float));
		num_check_guards();
	}
}
END_TEST

START_TEST(hardswish)
{
	struct et_rng r = num_rng(4, 0);
	for (size_t n = 0; n < SIZES; n++) {
		const struct et_kern *k = kern(_i, n);
		float *x = num_normal(&r, n), *dy = num_normal(&r, n);
		float *y = num_floats(n), *dx = num_floats(n);
		struct ref want = num_ref(n), slope = num_ref(n);
		for (size_t i = 0; i < n; i++) {
			x[i] *= 3;
			if (i % 9 == 8)
				x[i] = (float[]){3, -3, NAN}[i % 3];
			ref_term(&want, i, ref_act(REF_HARDSWISH, (double)x[i]));
			want.mag[i] += fabs((double)x[i]);
			ref_term(&slope, i,
				 (double)dy[i] * ref_act_slope(REF_HARDSWISH, (double)x[i]));
			slope.mag[i] += fabs((double)dy[i]) * (fabs((double)x[i]) + 1);
		}
		k->hardswish(n, x, y);
		num_check("hardswish", y, &want, 2);
		k->hardswish_bwd(n, x, dy, dx);
		num_check("hardswish_bwd", dx, &slope, 2);
		k->hardswish_bwd(n, x, dy, dy);
		num_check_bits("hardswish_bwd in place", dy, dx, n * sizeof(float));
		k->hardswish(n, x, x);
		num_check_bits("hardswish in place", x, y, n * sizeof(float));
		num_check_guards();
	}
}
END_TEST

static double clipped(double v, enum et_act act)
{
	if (act == ET_ACT_NONE)
		return v;
	return v < 0 ? 0 : act == ET_ACT_RELU6 && v > 6 ? 6 : v;
}

/* Rows of c channels and everything that is summed or mapped over them. */
static void check_channels(const struct et_kern *k, struct et_rng *r, size_t rows, size_t c,
			   enum et_act act)
{
	size_t n = rows * c;
	float *x = num_normal(r, n), *dy = num_normal(r, n), *y = num_floats(n);
	float *a = num_normal(r, c), *b = num_normal(r, c), *d = num_normal(r, c);
	float *slope = num_normal(r, c);
	float *s1 = num_floats(c), *s3 = num_floats(c), *s4 = num_floats(c);
	struct ref affine = num_ref(n), dx = num_ref(n), sum = num_ref(c);
	struct ref sdy = num_ref(c), sdyx = num_ref(c);
	for (size_t j = 0; j < c; j++)
		slope[j] *= 6;
	const struct et_prologue p = {slope, d, act};

	num_label("%s, rows %zu, c %zu, act %d", k->name, rows, c, act);
	for (size_t i = 0; i < n; i++) {
		size_t j = i % c;
		double xi = (double)x[i], m = (double)a[j];
		double v = xi * (double)slope[j] + (double)d[j], cut = clipped(v, act);
		double di = v == cut ? (double)dy[i] : 0;
		/* The rounding of v, where it is not cut off. */
		if (v == cut)
			ref_term(&affine, i, xi * (double)slope[j]);
		ref_term(&affine, i, v == cut ? (double)d[j] : cut);
		ref_term(&dx, i, (double)a[j] * di);
		ref_term(&dx, i, (double)b[j] * xi);
		ref_term(&dx, i, (double)d[j]);
		ref_term(&sum, j, xi);
		ref_term(&sdy, j, di);
		ref_term(&sdyx, j, di * (xi - m));
	}
	k->affine(rows, c, x, &p, y);
	num_check("affine", y, &affine, 2);
	k->col_sum(rows, c, x, s1);
	num_check("col_sum", s1, &sum, 3);
	k->col_bn_bwd(rows, c, c, x, dy, a, act ? &p : NULL, s3, s4);
	num_check("col_bn_bwd s1", s3, &sdy, 3);
	num_check("col_bn_bwd s2", s4, &sdyx, 4);
	k->bn_dx(rows, c, c, x, dy, a, b, d, act ? &p : NULL, y, c);
	num_check("bn_dx", y, &dx, 2);

	k->bn_dx(rows, c, c, x, dy, a, b, d, &p, dy, c);
	num_check_bits("bn_dx in place", dy, y, n * sizeof(float));
	k->affine(rows, c, x, &p, x);
	num_check("affine in place", x, &affine, 2);
	num_check_guards();
}

/* What the activation stops, and what a NaN does: the same as in act. */
static void check_corners(const struct et_kern *k, size_t c)
{
	const float at[] = {-1, 0, 3, 6, 7, NAN};
	const bool relu[] = {false, false, true, true, true, true};
	const bool relu6[] = {false, false, true, false, false, true};
	float *one = num_floats(c), *zero = num_floats(c), *x = num_floats(c), *y = num_floats(c),
	      *dy = num_floats(c), *s1 = num_floats(c), *s2 = num_floats(c);

	for (size_t i = 0; i < c; i++) {
		one[i] = 1;
		zero[i] = 0;
		dy[i] = 5;
	}
	for (enum et_act act = ET_ACT_RELU; act <= ET_ACT_RELU6; act++)
		for (size_t v = 0; v < ET_COUNT(at); v++) {
			const struct et_prologue p = {one, zero, act};
			bool pass = (act == ET_ACT_RELU ? relu : relu6)[v];
			for (size_t i = 0; i < c; i++)
				x[i] = at[v];
			num_label("%s, c %zu, act %d at %g", k->name, c, act, (double)at[v]);
			k->col_bn_bwd(1, c, c, x, dy, zero, &p, s1, s2);
			k->bn_dx(1, c, c, x, dy, one, zero, zero, &p, y, c);
			for (size_t i = 0; i < c; i++) {
				ck_assert(s1[i] == (pass ? 5 : 0));
				ck_assert(isnan(at[v]) ? isnan(y[i]) : y[i] == (pass ? 5 : 0));
			}
			k->affine(1, c, x, &p, y);
			float cut = (float)clipped((double)at[v], act);
			for (size_t i = 0; i < c; i++)
				ck_assert(isnan(cut) ? isnan(y[i]) : y[i] == cut);
			num_check_guards();
		}
}

/* Rows that are further apart than they are long. */
static void check_moments(const struct et_kern *k, struct et_rng *r, size_t rows, size_t c)
{
	size_t ld = c + rows % 4;
	float *x = num_normal(r, (rows - 1) * ld + c), *mean = num_floats(c), *sq = num_floats(c);
	struct ref want_mean = num_ref(c), want_sq = num_ref(c);

	for (size_t i = 0; i < rows * c; i++)
		ref_term(&want_mean, i % c, (double)x[i / c * ld + i % c] / (double)rows);
	for (size_t i = 0; i < rows * c; i++) {
		double v = (double)x[i / c * ld + i % c], d = v - want_mean.v[i % c];
		ref_term(&want_sq, i % c, d * d);
		want_sq.mag[i % c] += 2 * fabs(d * v); /* what of the mean's rounding is seen */
	}
	num_label("%s, moments of %zu rows, c %zu", k->name, rows, c);
	k->col_moments(rows, ld, c, x, mean, sq);
	num_check("mean", mean, &want_mean, 3);
	num_check("squares", sq, &want_sq, 4);
	num_check_guards();
}

START_TEST(moments)
{
	const size_t rows[] = {1, 2, 5, 33};
	struct et_rng r = num_rng(7, 0);
	for (size_t i = 0; i < ET_COUNT(rows); i++)
		for (size_t c = 1; c < SIZES; c++)
			check_moments(et_kern_at((size_t)_i), &r, rows[i], c);
}
END_TEST

START_TEST(channels)
{
	const size_t rows[] = {0, 1, 2, 5, 33};
	struct et_rng r = num_rng(5, 0);
	for (size_t i = 0; i < ET_COUNT(rows); i++)
		for (size_t c = 1; c < SIZES; c++)
			for (enum et_act act = ET_ACT_NONE; act <= ET_ACT_RELU6; act++)
				check_channels(et_kern_at((size_t)_i), &r, rows[i], c, act);
	check_corners(et_kern_at((size_t)_i), 37);
}
END_TEST

Suite *suite_kern(void);
Suite *suite_kern(void)
{
	Suite *s = suite_create("kern");
	TCase *tc = num_tcase("kernels");
	int isas = 0;

	while (et_kern_at((size_t)isas))
		isas++;
	suite_add_tcase(s, tc);
	tcase_add_test(tc, select_kern);
	tcase_add_loop_test(tc, table, 0, isas);
	tcase_add_loop_test(tc, add_mul, 0, isas);
	tcase_add_loop_test(tc, axpy_scale, 0, isas);
	tcase_add_loop_test(tc, act_corners, 0, isas);
	tcase_add_loop_test(tc, mask, 0, isas);
	tcase_add_loop_test(tc, hardswish, 0, isas);
	tcase_add_loop_test(tc, channels, 0, isas);
	tcase_add_loop_test(tc, moments, 0, isas);
	return s;
}

/*
 * The kernels of sign symmetry and pruning under every instruction set: against the oracle, by
 * hand, and where they must not change or hide anything.
 */
#include <float.h>
#include <string.h>

#include "num.h"
#include "ref_mode.h"

#define SIZES 101

static const struct et_kern *kern(int i, size_t n)
{
	const struct et_kern *k = et_kern_at((size_t)i);
	num_label("%s, n %zu", k->name, n);
	return k;
}

static uint32_t bits(float x)
{
	uint32_t u;
	memcpy(&u, &x, sizeof(u));
	return u;
}

START_TEST(abs_sum)
{
	struct et_rng r = num_rng(70, 0);
	for (size_t n = 0; n < 8300; n += n < SIZES ? 1 : 997) {
		const struct et_kern *k = kern(_i, n);
		float *x = num_normal(&r, n);
		double want = 0;
		for (size_t i = 0; i < n; i++)
			want += fabs((double)x[i]);
		ck_assert_double_le(fabs(k->abs_sum(n, x) - want), 4 * FLT_EPSILON * want);
		for (size_t i = 0; n < SIZES && i < n; i++) {
			float keep = x[i];
			x[i] = -NAN;
			ck_assert(isnan(k->abs_sum(n, x)));
			x[i] = keep;
		}
		num_check_guards();
	}
}
END_TEST

START_TEST(uniform)
{
	const uint32_t corner[] = {0, 255, 256, 0x7fffffff, 0x80000000, 0xffffffff};
	const double value[] = {-1, -1, -1 + 0x1p-23, -0x1p-23, 0, 1 - 0x1p-23};
	struct et_rng r = num_rng(71, 0);

	for (size_t n = 0; n < SIZES; n++) {
		const struct et_kern *k = kern(_i, n);
		uint32_t *number = num_guarded(n * sizeof(*number));
		float *y = num_floats(n), *want = num_floats(n);
		struct et_rng same = r;
		for (size_t i = 0; i < n; i++) {
			number[i] = et_rng_u32(&r);
			want[i] = 0.3f * (2 * et_rng_unit(&same) - 1);
		}
		k->uniform(n, number, 0.3f, y);
		num_check_bits("y", y, want, n * sizeof(float));
		for (size_t i = 0; i < n; i++)
			number[i] = corner[i % ET_COUNT(corner)];
		k->uniform(n, number, 2, y);
		for (size_t i = 0; i < n; i++)
			ck_assert((double)y[i] == 2 * value[i % ET_COUNT(corner)]);
		num_check_guards();
	}
}
END_TEST

/* ---- signs ----------------------------------------------------------------------------------- */

START_TEST(sign)
{
	struct et_rng r = num_rng(72, 0);
	for (size_t n = 0; n < SIZES; n++) {
		const struct et_kern *k = kern(_i, n);
		float *w = num_normal(&r, n), *m = num_normal(&r, n), *b = num_floats(n);
		for (size_t i = 0; i < n; i += 5)
			w[i] = i % 2 ? 0.0f : -0.0f;
		double *size = num_double(m, n);
		for (size_t i = 0; i < n; i++)
			size[i] = fabs(size[i]) * 0.25;
		struct ref want = num_ref(n);
		ref_signs(n, 8, num_double(w, n), NULL, &want);
		k->sign(n, 0.5f, NULL, w, b); /* sqrt(2/8) */
		num_check("by alone", b, &want, 0);
		ref_signs(n, 8, num_double(w, n), size, &want);
		k->sign(n, -0.25f, m, w, b);
		num_check("by * m", b, &want, 0);
		float *in_w = num_floats(n);
		memcpy(in_w, w, n * sizeof(float));
		k->sign(n, 0.25f, m, in_w, in_w);
		num_check_bits("b is w", in_w, b, n * sizeof(float));
		k->sign(n, 0.25f, m, w, m);
		num_check_bits("b is m", m, b, n * sizeof(float));
		num_check_guards();
	}
}
END_TEST

/* With M = |w| B is w to the bit, zeros of both signs, infinities and NaN too. */
START_TEST(sign_of_itself)
{
	const float odd[] = {0, -0.0f, NAN, -NAN, INFINITY, -INFINITY, FLT_MIN, -FLT_MAX};
	struct et_rng r = num_rng(73, 0);
	for (size_t n = 0; n < SIZES; n++) {
		const struct et_kern *k = kern(_i, n);
		float *w = num_normal(&r, n), *m = num_floats(n), *b = num_floats(n);
		for (size_t i = 0; i < n; i++) {
			if (i % 3 == 0)
				w[i] = odd[i / 3 % ET_COUNT(odd)];
			m[i] = fabsf(w[i]);
		}
		k->sign(n, 1, m, w, b);
		num_check_bits("b", b, w, n * sizeof(float));
		k->sign(n, 1, w, w, b);
		num_check_bits("b of m = w", b, w, n * sizeof(float));
		for (size_t i = 0; i < n; i++)
			m[i] = isnan(w[i]) ? 1 : NAN;
		k->sign(n, 1, m, w, b);
		for (size_t i = 0; i < n; i++)
			ck_assert_msg(w[i] == 0 ? b[i] == 0 : isnan(b[i]),
				      "%s: a NaN at %zu is hidden", num_label_text(), i);
		num_check_guards();
	}
}
END_TEST

/* ---- random numbers -------------------------------------------------------------------------- */

/* The first numbers of a key are what they were when runs began that are to be resumed. */
START_TEST(noise)
{
	const uint32_t key[] = {0x01234567, 0x89abcdef};
	const uint32_t first[] = {0, 1, 1000, UINT32_MAX - 20};
	const double pinned[] = {8215223, 10494115, 9267989, 1668553, 9987211, 7255163};
	float all[2000];

	kern(_i, 0)->noise(ET_COUNT(all), key, 0, all);
	for (size_t i = 0; i < ET_COUNT(pinned); i++)
		ck_assert_msg((double)all[i] * 0x1p24 == pinned[i], "number %zu is %.0f", i,
			      (double)all[i] * 0x1p24);
	for (size_t n = 0; n < SIZES; n++)
		for (size_t f = 0; f < ET_COUNT(first); f++) {
			const struct et_kern *k = kern(_i, n);
			float *u = num_floats(n), one;
			k->noise(n, key, first[f], u);
			for (size_t i = 0; i < n; i++) {
				k->noise(1, key, first[f] + (uint32_t)i, &one);
				ck_assert(u[i] == one && u[i] > 0 && u[i] < 1);
				ck_assert((int)fmodf(u[i] * 0x1p24f, 2) == 1);
			}
			if (first[f] < 1001)
				num_check_bits("part", u, all + first[f], n * sizeof(float));
			num_check_guards();
		}
}
END_TEST

#define DRAWS 65536

/* Standard deviations between what pairs (a, b) do in 16 x 16 cells and independent ones. */
static double dependence(size_t n, const float *a, const float *b)
{
	enum { CELLS = 16 };
	double cell[CELLS * CELLS] = {0}, want = (double)n / ET_COUNT(cell), sum = 0;

	for (size_t i = 0; i < n; i++)
		cell[(int)(a[i] * CELLS) * CELLS + (int)(b[i] * CELLS)]++;
	for (size_t i = 0; i < ET_COUNT(cell); i++)
		sum += (cell[i] - want) * (cell[i] - want) / want;
	return (sum - ET_COUNT(cell) + 1) / sqrt(2 * (ET_COUNT(cell) - 1));
}

/* Uniform, whatever the neighbour, a number one vector or one picture on, or another key has. */
START_TEST(noise_random)
{
	const size_t lag[] = {1, 2, 3, 4, 8, 16, 49, 64, 784, 1024, 4096};
	float *u = num_floats(2 * DRAWS), *other = num_floats(DRAWS);
	struct et_rng r = num_rng(74, 0);
	const struct et_kern *k = et_kern_at(0);

	for (int round = 0; round < 20; round++) {
		const uint32_t key[] = {et_rng_u32(&r), et_rng_u32(&r)};
		const uint32_t next[] = {round % 2 ? key[0] : et_rng_u32(&r), et_rng_u32(&r)};
		k->noise(2 * DRAWS, key, et_rng_u32(&r), u);
		k->noise(DRAWS, next, et_rng_u32(&r), other);
		ck_assert_double_le(dependence(DRAWS, u, other), 5);
		for (size_t l = 0; l < ET_COUNT(lag); l++)
			ck_assert_double_le(dependence(DRAWS, u, u + lag[l]), 5);
	}
}
END_TEST

/* ---- pruning --------------------------------------------------------------------------------- */

START_TEST(prune_hand)
{
	const float d[] = {.10f, -.02f, .30f, -.50f, .05f, .01f, -.25f, .04f};
	const float u[] = {.50f, .05f, .90f, .10f, .40f, .90f, .70f, .02f};
	const float t = .1070752f, s = .2611205f;
	const float half[] = {t, -t, .3f, -.5f, t, 0, -.25f, t};
	const float most[] = {0, -s, .3f, -.5f, 0, 0, -s, s};
	float x[16], v[16];

	for (size_t n = 0; n <= 16; n++) { /* whole vectors and tails */
		const struct et_kern *k = kern(_i, n);
		for (size_t i = 0; i < 16; i++)
			v[i] = u[i % 8];
		for (int which = 0; which < 2; which++) {
			for (size_t i = 0; i < 16; i++)
				x[i] = d[i % 8];
			k->prune(n, v, which ? s : t, x);
			for (size_t i = 0; i < 16; i++)
				ck_assert(x[i] == (i >= n ? d : which ? most : half)[i % 8]);
		}
	}
}
END_TEST

START_TEST(prune)
{
	const double p[] = {0.1, 0.5, 0.9, 0.99};
	struct et_rng r = num_rng(75, 0);
	for (size_t n = 1; n < SIZES; n++) {
		const struct et_kern *k = kern(_i, n);
		float *x = num_normal(&r, n), *u = num_floats(n);
		bool *close = num_alloc(n, sizeof(bool));
		for (size_t i = 0; i < n; i++)
			u[i] = et_rng_unit(&r);
		struct ref want = num_ref(n);
		double tau = ref_prune(n, p[n % ET_COUNT(p)], num_double(x, n), num_double(u, n),
				       &want, close);
		float *in = num_floats(n);
		memcpy(in, x, n * sizeof(float));
		k->prune(n, u, (float)tau, x);
		for (size_t i = 0; i < n; i++)
			if (close[i])
				x[i] = (float)want.v[i];
		num_check("x", x, &want, 1);
		for (size_t i = 0; i < n; i++) /* what stays keeps its bits */
			if (!close[i] && fabs((double)in[i]) > tau)
				ck_assert_uint_eq(bits(x[i]), bits(in[i]));
		num_check_guards();
	}
}
END_TEST

/* NaN and Inf stay; with tau 0, NaN or where everything is larger so does every bit. */
START_TEST(prune_nothing)
{
	const float odd[] = {NAN, -NAN, INFINITY, -INFINITY, 5, -5}, tau[] = {0, NAN};
	const float small[] = {0, -0.0f, FLT_MIN, -FLT_MIN, NAN};
	for (size_t n = 0; n < SIZES; n++) {
		const struct et_kern *k = kern(_i, n);
		float *x = num_floats(n), *want = num_floats(n), *u = num_floats(n);
		for (size_t i = 0; i < n; i++) {
			want[i] = x[i] = odd[i % ET_COUNT(odd)];
			u[i] = 0;
		}
		k->prune(n, u, 4.5f, x);
		num_check_bits("x", x, want, n * sizeof(float));
		for (size_t i = 0; i < n; i++)
			want[i] = x[i] = small[i % ET_COUNT(small)];
		for (size_t t = 0; t < ET_COUNT(tau); t++)
			k->prune(n, u, tau[t], x);
		num_check_bits("x of tau 0", x, want, n * sizeof(float));
		k->prune(n, u, 1, x);
		for (size_t i = 0; i < n; i++) {
			float to = small[i % ET_COUNT(small)];
			to = to == 0 ? 0 : isnan(to) ? to : copysignf(1, to);
			ck_assert(isnan(to) ? isnan(x[i]) : x[i] == to);
		}
		num_check_guards();
	}
}
END_TEST

Suite *suite_signs(void);
Suite *suite_signs(void)
{
	Suite *s = suite_create("signs");
	TCase *tc = num_tcase("kernels");
	int isas = 0;

	while (et_kern_at((size_t)isas))
		isas++;
	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, abs_sum, 0, isas);
	tcase_add_loop_test(tc, uniform, 0, isas);
	tcase_add_loop_test(tc, sign, 0, isas);
	tcase_add_loop_test(tc, sign_of_itself, 0, isas);
	tcase_add_loop_test(tc, noise, 0, isas);
	tcase_add_test(tc, noise_random);
	tcase_add_loop_test(tc, prune_hand, 0, isas);
	tcase_add_loop_test(tc, prune, 0, isas);
	tcase_add_loop_test(tc, prune_nothing, 0, isas);
	return s;
}

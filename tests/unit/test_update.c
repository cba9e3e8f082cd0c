/*
 * The optimizers' kernels of every instruction set against PyTorch's formulas in double, and their
 * report of weights that are no longer numbers.
 */
#include <float.h>
#include <string.h>

#include "num.h"

#define SIZES 101

static const struct et_kern *kern(int i, size_t n)
{
	const struct et_kern *k = et_kern_at((size_t)i);
	num_label("%s, n %zu", k->name, n);
	return k;
}

START_TEST(sumsq)
{
	struct et_rng r = num_rng(6, 0);
	for (size_t n = 0; n < 8300; n += n < SIZES ? 1 : 997) {
		const struct et_kern *k = kern(_i, n);
		float *x = num_normal(&r, n);
		double want = 0;
		for (size_t i = 0; i < n; i++)
			want += (double)x[i] * (double)x[i];
		ck_assert_double_le(fabs(k->sumsq(n, x) - want), 4 * FLT_EPSILON * want);
		if (n && n < SIZES)
			for (size_t i = 0; i < n; i++) {
				float keep = x[i];
				x[i] = NAN;
				ck_assert(isnan(k->sumsq(n, x)));
				x[i] = keep;
			}
		num_check_guards();
	}
}
END_TEST

struct update {
	size_t n;
	float *w, *g, *m, *v;
	float *w0, *m0, *v0; /* before */
};

static struct update update_new(struct et_rng *r, size_t n)
{
	struct update u = {n,
			   num_floats(n),
			   num_normal(r, n),
			   num_floats(n),
			   num_floats(n),
			   num_normal(r, n),
			   num_normal(r, n),
			   num_normal(r, n)};
	for (size_t i = 0; i < n; i++)
		u.v0[i] = u.v0[i] * u.v0[i]; /* Adam's is a mean of squares */
	return u;
}

static void update_reset(const struct update *u)
{
	memcpy(u->w, u->w0, u->n * sizeof(float));
	memcpy(u->m, u->m0, u->n * sizeof(float));
	memcpy(u->v, u->v0, u->n * sizeof(float));
}

/* A bad number in any one place must be reported, and only then. */
static void check_flag(const struct update *u, float *where, bool (*f)(const struct update *u))
{
	const float bad[] = {NAN, INFINITY, -INFINITY};
	for (size_t i = 0; i < u->n; i++)
		for (size_t b = 0; b < (i < 3 ? ET_COUNT(bad) : 1); b++) {
			float keep = where[i];
			where[i] = bad[b];
			update_reset(u);
			ck_assert_msg(!f(u), "%s: %g at %zu passed", num_label_text(),
				      (double)bad[b], i);
			where[i] = keep;
		}
	update_reset(u);
	ck_assert(f(u));
}

static const struct et_kern *flag_kern;

static bool flag_sgd(const struct update *u)
{
	return flag_kern->sgd(u->n, u->w, u->g, u->m, 0.1f, 0.9f, 0.01f, 0.5f);
}

static bool flag_sgd_plain(const struct update *u)
{
	return flag_kern->sgd(u->n, u->w, u->g, NULL, 0.1f, 0, 0, 1);
}

static bool flag_adam(const struct update *u)
{
	return flag_kern->adam(u->n, u->w, u->g, u->m, u->v, 0.5f, 0.01f, 1, 0.9f, 0.99f, 0.1f, 1,
			       1e-8f);
}

static void check_sgd(const struct et_kern *k, const struct update *u, bool momentum, float wd,
		      float gscale)
{
	const float lr = 0.05f, mu = momentum ? 0.9f : 0;
	struct ref v = num_ref(u->n), w = num_ref(u->n);

	for (size_t i = 0; i < u->n; i++) {
		ref_term(&v, i, (double)gscale * (double)u->g[i]);
		ref_term(&v, i, (double)wd * (double)u->w0[i]);
		ref_term(&v, i, (double)mu * (double)u->m0[i]);
		ref_term(&w, i, (double)u->w0[i]);
		ref_term(&w, i, -(double)lr * v.v[i]);
		w.mag[i] += (double)lr * v.mag[i];
	}
	update_reset(u);
	ck_assert(k->sgd(u->n, u->w, u->g, momentum ? u->m : NULL, lr, mu, wd, gscale));
	num_check("sgd w", u->w, &w, 2);
	if (momentum)
		num_check("sgd v", u->m, &v, 2);
	num_check_guards();
}

START_TEST(sgd)
{
	struct et_rng r = num_rng(7, 0);
	for (size_t n = 0; n < SIZES; n++) {
		flag_kern = kern(_i, n);
		struct update u = update_new(&r, n);
		check_sgd(flag_kern, &u, false, 0, 1);
		check_sgd(flag_kern, &u, false, 0.25f, 0.5f);
		check_sgd(flag_kern, &u, true, 0.25f, 0.5f);
		if (n > 70)
			continue;
		check_flag(&u, u.g, flag_sgd);
		check_flag(&u, u.g, flag_sgd_plain);
		check_flag(&u, u.w0, flag_sgd_plain);
		check_flag(&u, u.m0, flag_sgd);
	}
	/* Finite gradients can still carry a weight over the edge. */
	struct update u = update_new(&r, 1);
	u.w0[0] = -FLT_MAX;
	u.g[0] = FLT_MAX;
	update_reset(&u);
	ck_assert(!flag_kern->sgd(1, u.w, u.g, NULL, 1, 0, 0, 1));
}
END_TEST

static void check_adam(const struct et_kern *k, const struct update *u, float l2, float decay)
{
	const float gscale = 0.5f, b1 = 0.9f, b2 = 0.999f, step = 0.01f, vscale = 1.7f, eps = 1e-6f;
	struct ref m = num_ref(u->n), v = num_ref(u->n), w = num_ref(u->n);

	for (size_t i = 0; i < u->n; i++) {
		double g = (double)gscale * (double)u->g[i] + (double)l2 * (double)u->w0[i];
		double g_mag = fabs((double)gscale * (double)u->g[i]) +
			       fabs((double)l2 * (double)u->w0[i]);
		/* 1 - b is computed in float by everyone, PyTorch included; b itself is exact. */
		ref_term(&m, i, (double)b1 * (double)u->m0[i]);
		ref_term(&m, i, (double)(1 - b1) * g);
		m.mag[i] += (double)(1 - b1) * g_mag;
		ref_term(&v, i, (double)b2 * (double)u->v0[i]);
		ref_term(&v, i, (double)(1 - b2) * g * g);
		v.mag[i] += (double)(1 - b2) * g_mag * g_mag;
		double root = sqrt(v.v[i]) * (double)vscale + (double)eps;
		ref_term(&w, i, (double)decay * (double)u->w0[i]);
		ref_term(&w, i, -(double)step * m.v[i] / root);
		w.mag[i] += (double)step * (m.mag[i] + fabs(m.v[i]) * v.mag[i] / v.v[i]) / root;
	}
	update_reset(u);
	ck_assert(k->adam(u->n, u->w, u->g, u->m, u->v, gscale, l2, decay, b1, b2, step, vscale,
			  eps));
	num_check("adam m", u->m, &m, 2);
	num_check("adam v", u->v, &v, 3);
	num_check("adam w", u->w, &w, 3);
	num_check_guards();
}

START_TEST(adam)
{
	struct et_rng r = num_rng(8, 0);
	for (size_t n = 0; n < SIZES; n++) {
		flag_kern = kern(_i, n);
		struct update u = update_new(&r, n);
		check_adam(flag_kern, &u, 0, 1);
		check_adam(flag_kern, &u, 0.3f, 1);
		check_adam(flag_kern, &u, 0, 0.9f);
		if (n > 70)
			continue;
		check_flag(&u, u.w0, flag_adam);
		check_flag(&u, u.m0, flag_adam);
		/* Inf in g makes m/sqrt(v) Inf/Inf */
		check_flag(&u, u.g, flag_adam);
	}
}
END_TEST

Suite *suite_update(void);
Suite *suite_update(void)
{
	Suite *s = suite_create("update");
	TCase *tc = num_tcase("kernels");
	int isas = 0;

	while (et_kern_at((size_t)isas))
		isas++;
	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, sumsq, 0, isas);
	tcase_add_loop_test(tc, sgd, 0, isas);
	tcase_add_loop_test(tc, adam, 0, isas);
	return s;
}

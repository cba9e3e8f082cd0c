/* Efficient-Grad's pruning: against the oracle, on average, and where it must not change a bit. */
#include <string.h>

#include "mode/techniques.h"
#include "ref_mode.h"
#include "test_symmetry.h"

/* ---- theta ----------------------------------------------------------------------------------- */

START_TEST(theta)
{
	const double p[] = {0.5, 0.7, 0.9, 0.95, 0.99};
	const double known[] = {0.6744898, 1.0364334, 1.6448536, 1.9599640, 2.5758293};

	for (size_t i = 0; i < ET_COUNT(p); i++)
		ck_assert_double_le(fabs(et_prune_theta(p[i]) - known[i]), 1e-7);
	for (double q = 1e-6; q < 0.99; q += 0.0137)
		ck_assert_double_le(fabs(et_prune_theta(q) - ref_prune_theta(q)), 1e-13);
	ck_assert_double_le(fabs(et_prune_theta(0.999999) - ref_prune_theta(0.999999)), 1e-9);
	ck_assert(et_prune_theta(0) == 0);
}
END_TEST

/* ---- pruning --------------------------------------------------------------------------------- */

struct prune {
	double p;
	uint64_t seed, step;
	int layer;
	size_t first, n;
	float *before, *dy;
	float tau;
};

static void run_prune(void *arg, const struct et_ctx *x, struct et_arena *work)
{
	struct prune *t = arg;
	t->tau = et_prune(x, et_prune_theta(t->p), t->seed, t->step, t->layer, t->first, t->n,
			  num_at(work, t->dy), work);
}

/* What the layer draws for its gradient of a step. */
static float *draws(const struct prune *t)
{
	struct et_rng r = et_rng_open(t->seed, ET_STREAM_MODE, t->step, (uint32_t)t->layer);
	const uint32_t key[] = {et_rng_u32(&r), et_rng_u32(&r)};
	float *u = num_floats(t->n);
	et_kern_select("generic")->noise(t->n, key, (uint32_t)t->first, u);
	return u;
}

static void check_prune(void *arg)
{
	const struct prune *t = arg;
	struct ref want = num_ref(t->n);
	bool *close = num_alloc(t->n, sizeof(bool));
	double tau = ref_prune(t->n, t->p, num_double(t->before, t->n), num_double(draws(t), t->n),
			       &want, close);

	ck_assert_double_le(fabs((double)t->tau - tau), 2e-6 * tau);
	for (size_t i = 0; i < t->n; i++) {
		bool rounded = fabs((double)t->before[i]) < tau;
		if (close[i]) /* either will do */
			ck_assert(t->dy[i] == 0 || t->dy[i] == t->before[i] ||
				  fabsf(t->dy[i]) == t->tau);
		else
			ck_assert_msg(fabs((double)t->dy[i] - want.v[i]) <=
					      (rounded ? 2e-6 * tau : 0),
				      "%s: element %zu is %g, expected %g", num_label_text(), i,
				      (double)t->dy[i], want.v[i]);
	}
}

static void prune_run(struct prune *t)
{
	num_label("P %g of %zu from %zu", t->p, t->n, t->first);
	num_run(run_prune, check_prune, t,
		&(struct num_out){t->dy, t->n * sizeof(float), t->before}, 1);
}

START_TEST(prune)
{
	const double p[] = {0.5, 0.9, 0.99, 0.1};
	const size_t n[] = {1, 5, 1023, 8192, 8200, 20000, 50000};
	const size_t first[] = {0, 3, 8191, (size_t)UINT32_MAX - 6};
	struct et_rng r = num_rng(80, 0);

	for (size_t i = 0; i < ET_COUNT(n); i++) {
		struct prune t = {.p = p[i % ET_COUNT(p)],
				  .seed = 11,
				  .step = 5,
				  .layer = 3,
				  .first = first[i % ET_COUNT(first)],
				  .n = n[i],
				  .before = num_normal(&r, n[i]),
				  .dy = num_floats(n[i])};
		prune_run(&t);
	}
}
END_TEST

/* Bits stay where P is 0, and where the mean is no number, which must go on to be seen. */
START_TEST(prune_nothing)
{
	const struct {
		double p;
		float odd;
	} with[] = {{0, 0}, {0, NAN}, {0.9, NAN}, {0.9, INFINITY}, {0.5, -INFINITY}};
	struct et_rng r = num_rng(81, 0);
	struct et_arena work = arena();

	for (size_t i = 0; i < ET_COUNT(with); i++)
		for (int isa = 0; et_kern_at((size_t)isa); isa++) {
			struct et_ctx x = context(isa, 2);
			float *dy = num_normal(&r, 20000), *want = num_floats(20000);
			dy[7] = -0.0f;
			dy[12345] = with[i].odd;
			memcpy(want, dy, 20000 * sizeof(float));
			et_prune(&x, et_prune_theta(with[i].p), 1, 2, 3, 0, 20000, dy, &work);
			num_label("P %g, %g among them", with[i].p, (double)with[i].odd);
			num_check_bits("dy", dy, want, 20000 * sizeof(float));
		}
	float zero[100] = {0};
	struct et_ctx x = context(0, 1);
	ck_assert(et_prune(&x, 1.5, 1, 2, 3, 0, 100, zero, &work) == 0 && zero[50] == 0);
	et_arena_close(&work);
}
END_TEST

/* Over many steps each element's mean is what it was: within 4 standard errors of it. */
START_TEST(prune_unbiased)
{
	enum { N = 40, STEPS = 4000 };
	struct et_rng r = num_rng(82, 0);
	struct et_ctx x = context(0, 1);
	struct et_arena work = arena();
	float *d = num_normal(&r, N), dy[N];
	double sum[N] = {0}, all = 0, tau = 0;

	d[0] *= 1e-3f;
	for (uint64_t step = 0; step < STEPS; step++) {
		memcpy(dy, d, sizeof(dy));
		tau = (double)et_prune(&x, et_prune_theta(0.8), 1, step, 2, 0, N, dy, &work);
		for (int i = 0; i < N; i++)
			sum[i] += (double)dy[i];
	}
	for (int i = 0; i < N; i++) {
		double v = fabs((double)d[i]), off = sum[i] / STEPS - (double)d[i];
		if (v >= tau) {
			ck_assert_double_le(fabs(off), 1e-9);
			continue;
		}
		double z = off / sqrt(v * (tau - v) / STEPS);
		ck_assert_msg(fabs(z) <= 4, "element %d: %g, off by %g errors", i, v, z);
		all += z * z - 1;
	}
	ck_assert_double_le(fabs(all), 4 * sqrt(2 * N));
	et_arena_close(&work);
}
END_TEST

static float *pruned(struct prune t)
{
	struct et_ctx x = context(0, 2);
	struct et_arena work = arena();
	t.dy = num_floats(t.n);
	for (size_t i = 0; i < t.n; i++)
		t.dy[i] = 1;
	run_prune(&t, &x, &work);
	et_arena_close(&work);
	return t.dy;
}

/* Another seed, step or layer is another draw; the number of an element is that in the batch. */
START_TEST(prune_streams)
{
	enum { N = 10000 };
	const struct prune base = {.p = 0.9, .seed = 1, .step = 2, .layer = 3, .n = N};
	float *want = pruned(base); /* ones, and tau is 1.64: 39 % of them are zero then */

	for (int which = 0; which < 4; which++) {
		struct prune t = base;
		size_t same = 0;
		t.seed += which == 1;
		t.step += which == 2;
		t.layer += which == 3;
		float *got = pruned(t);
		for (size_t i = 0; i < N; i++)
			same += (got[i] == 0) == (want[i] == 0);
		/* Independent ones agree in 52 %. */
		ck_assert(which == 0 ? same == N : same > 5000 && same < 5450);
	}
	struct prune part = base;
	part.first = 8000;
	part.n = N - 8000;
	num_check_bits("part", pruned(part), want + 8000, part.n * sizeof(float));
}
END_TEST

/* Of normal numbers P = 0.5, 0.9 and 0.99 make 21.0, 46.0 and 61.9 % zero. */
START_TEST(prune_zeros)
{
	enum { N = 40000 };
	const double p[] = {0.5, 0.9, 0.99}, want[] = {0.2097, 0.4596, 0.6189};
	struct et_ctx x = context(0, 2);
	struct et_arena work = arena();

	for (size_t i = 0; i < ET_COUNT(p); i++) {
		struct et_rng r = num_rng(88, 0);
		float *dy = num_normal(&r, N);
		double zeros = 0;
		et_prune(&x, et_prune_theta(p[i]), 1, 2, 3, 0, N, dy, &work);
		for (size_t j = 0; j < N; j++)
			zeros += dy[j] == 0;
		ck_assert_double_le(fabs(zeros / N - want[i]), 4 * 0.0025);
	}
	et_arena_close(&work);
}
END_TEST

/* The hook prunes a layer's whole dy with P, and numbers it from the first image of this call. */
START_TEST(prune_hook)
{
	const double opt[ET_MODE_KEYS] = {0.9};
	const struct et_layer l = {.index = 3, .g = {.p = 40, .q = 5, .k = 10}};
	struct prune t = {.p = 0.9, .seed = 1, .step = 2, .layer = 3, .first = 8000, .n = 6000};
	struct et_ctx x = context(0, 2);
	struct et_arena work = arena();
	struct et_call c = {.x = &x,
			    .layer = &l,
			    .opt = opt,
			    .n = 3,
			    .seed = 1,
			    .step = 2,
			    .first = 4,
			    .work = &work};
	float dy[6001];

	for (size_t i = 0; i < ET_COUNT(dy); i++)
		dy[i] = 1;
	et_mode_efficientgrad.delta(&c, dy);
	num_check_bits("dy", dy, pruned(t), t.n * sizeof(float));
	ck_assert(dy[6000] == 1);
	et_arena_close(&work);
}
END_TEST

TCase *tcase_prune(void)
{
	TCase *tc = num_tcase("pruning");
	tcase_add_test(tc, theta);
	tcase_add_test(tc, prune);
	tcase_add_test(tc, prune_nothing);
	tcase_add_test(tc, prune_unbiased);
	tcase_add_test(tc, prune_streams);
	tcase_add_test(tc, prune_zeros);
	tcase_add_test(tc, prune_hook);
	return tc;
}

/*
 * The sign-symmetric family: what stands for w against the oracle, both products by hand, and the
 * settings under which they are exact back-propagation to the bit.
 */
#include <string.h>

#include "conv_case.h"
#include "mode/techniques.h"
#include "ref_mode.h"
#include "test_symmetry.h"

/* ---- what stands for w ----------------------------------------------------------------------- */

static const struct et_mode *const family[] = {&et_mode_signsym, &et_mode_signsym_frozen,
					       &et_mode_feedback, &et_mode_efficientgrad};

struct fill {
	const struct et_mode *mode;
	struct et_layer layer;
	double opt[ET_MODE_KEYS];
	bool match;
	size_t n;
	float *w, *b;
	uint64_t step;
};

static void run_fill(void *arg, const struct et_ctx *x, struct et_arena *work)
{
	const struct fill *t = arg;
	struct et_call c = {.x = x,
			    .layer = &t->layer,
			    .opt = t->opt,
			    .n = 1,
			    .seed = 99,
			    .step = t->step,
			    .work = work};
	t->mode->weight_dx(&c, num_at(work, t->w), num_at(work, t->b));
}

/* Weight i's number is the i-th of the layer's stream: U(-b,b) and its absolute value. */
static double *drawn(const struct fill *t, int fan_in)
{
	struct et_rng r = et_rng_open(99, ET_STREAM_MODE, UINT64_MAX, (uint32_t)t->layer.index);
	double *m = num_alloc(t->n, sizeof(double));
	for (size_t i = 0; i < t->n; i++)
		m[i] = ref_sign_bound(fan_in) * (2 * (double)et_rng_unit(&r) - 1);
	return m;
}

static double rms(size_t n, const double *v)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += v[i] * v[i];
	return sqrt(sum / (double)n);
}

static void check_fill(void *arg)
{
	const struct fill *t = arg;
	const struct et_conv *g = &t->layer.g;
	struct ref_conv o = {.c = g->c, .groups = g->groups, .kh = g->kh, .kw = g->kw};
	int fan_in = ref_fan_in(&o);
	double *w = num_double(t->w, t->n), *m = drawn(t, fan_in), scale = 1;
	struct ref want = num_ref(t->n);

	if (t->mode == &et_mode_feedback) {
		scale = t->match ? rms(t->n, w) / rms(t->n, m) : 1;
		for (size_t i = 0; i < t->n; i++)
			ref_term(&want, i, m[i]);
	} else {
		for (size_t i = 0; i < t->n; i++)
			m[i] = t->mode == &et_mode_signsym ? sqrt(2.0 / fan_in) : fabs(m[i]);
		ref_signs(t->n, fan_in, w, m, &want);
		scale = t->match ? ref_match_w(t->n, w, m) : 1;
	}
	for (size_t i = 0; i < t->n; i++) {
		want.v[i] *= scale;
		want.mag[i] *= scale;
	}
	num_check("b", t->b, &want, 16);
	if (t->match)
		ck_assert_double_le(fabs(rms(t->n, num_double(t->b, t->n)) / rms(t->n, w) - 1),
				    1e-5);
}

static void fill_run(struct fill *t)
{
	const struct {
		enum et_signs_scale scale;
		bool unscaled, match;
	} with[] = {{ET_SCALE_HE, true, false},
		    {ET_SCALE_MATCH, false, true},
		    {ET_SCALE_AUTO, false, false},
		    {ET_SCALE_AUTO, true, true}};

	for (size_t i = 0; i < ET_COUNT(with); i++) {
		t->opt[0] = t->mode == &et_mode_efficientgrad ? 0.9 : with[i].scale;
		t->opt[1] = with[i].scale;
		t->layer.unscaled = with[i].unscaled;
		t->match = with[i].match;
		num_label("%s, %zu weights, scaling %zu", t->mode->name, t->n, i);
		num_run(run_fill, check_fill, t,
			&(struct num_out){t->b, t->n * sizeof(float), NULL}, 1);
	}
}

START_TEST(fill)
{
	struct et_rng r = num_rng(83, (uint32_t)_i);
	struct fill t = {.layer = {.name = "a", .index = _i, .g = conv_shape(_i, &r)}};

	t.n = et_conv_weights(&t.layer.g);
	t.w = num_normal(&r, t.n);
	t.b = num_floats(t.n);
	for (size_t i = 3; i < t.n; i += 7)
		t.w[i] = i % 2 ? 0.0f : -0.0f;
	for (size_t i = 0; i < ET_COUNT(family); i++) {
		t.mode = family[i];
		if (t.n > 8192 && t.mode != &et_mode_efficientgrad)
			continue; /* threads and sums of many blocks are the same for all */
		fill_run(&t);
	}
}
END_TEST

/* M is the same in every step, and another for every layer; where all is 0, nothing is made of it.
 */
START_TEST(fill_streams)
{
	struct et_rng r = num_rng(84, 0);
	struct fill t = {.layer = {.name = "a",
				   .index = 1,
				   .unscaled = true,
				   .g = {.c = 10, .k = 50, .kh = 1, .kw = 1, .groups = 1}},
			 .n = 500,
			 .w = num_normal(&r, 500)};
	struct et_ctx x = context(0, 1);
	struct et_arena work = arena();
	float first[500], zero[500] = {0}, *w = t.w;

	t.opt[0] = 0.5; /* P; and auto */
	for (size_t i = 0; i < ET_COUNT(family); i++) {
		t.mode = family[i];
		t.opt[0] = i == 3 ? 0.5 : 0;
		t.layer.index = 1;
		t.step = 0;
		t.b = first;
		run_fill(&t, &x, &work);
		t.b = num_floats(500);
		t.step = 1000;
		run_fill(&t, &x, &work);
		num_check_bits("b of another step", t.b, first, sizeof(first));
		t.layer.index = 2;
		run_fill(&t, &x, &work);
		ck_assert((memcmp(t.b, first, sizeof(first)) == 0) == (i == 0));
		t.w = zero;
		run_fill(&t, &x, &work);
		for (size_t j = 0; j < 500; j++)
			ck_assert(t.b[j] == 0);
		t.w = w;
		float keep = w[77];
		w[77] = NAN;
		run_fill(&t, &x, &work);
		ck_assert(isnan(t.b[77]));
		w[77] = keep;
	}
	et_arena_close(&work);
}
END_TEST

/* ---- both products --------------------------------------------------------------------------- */

START_TEST(conv_hand)
{
	const float x[] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, w[] = {1, -2, 0.5f, -1};
	const float dy[] = {1, 0, -1, 2}, m[] = {0.3f, 0.2f, 0.7f, 0.1f};
	const double want[] = {.3, -.2, 0, .4, .7, -.4, -.7, 1.5, -.2};
	struct et_conv g = {.h = 3,
			    .w = 3,
			    .c = 1,
			    .k = 1,
			    .kh = 2,
			    .kw = 2,
			    .sh = 1,
			    .sw = 1,
			    .dh = 1,
			    .dw = 1,
			    .groups = 1};
	float b[4], dx[9], dw[4] = {0};
	struct et_arena work = arena();
	struct et_ctx ctx = context(_i, 1);

	ck_assert_int_eq(et_conv_shape(&g, NULL), ET_OK);
	et_signs_put(&ctx, 4, m, w, b);
	et_conv_weight(&ctx, &g, 1, x, NULL, dy, dw, &work);
	et_conv_data(&ctx, &g, 1, dy, b, dx, &work);
	ck_assert(dw[0] == 7 && dw[1] == 9 && dw[2] == 13 && dw[3] == 15);
	for (int i = 0; i < 9; i++)
		ck_assert_double_le(fabs((double)dx[i] - want[i]), 1e-6);
	et_arena_close(&work);
}
END_TEST

/* P = 0 and M = |w| are exact back-propagation, bit for bit, in all sorts of layers. */
START_TEST(identity)
{
	struct et_rng r = num_rng(85, (uint32_t)_i);
	struct et_conv g = conv_shape(_i, &r);
	struct conv_case t = conv_random(&g, 3, &r);
	struct num_sizes s = conv_sizes(&t);
	float *dy = num_floats(s.y), *m = num_floats(s.w), *b = num_floats(s.w);
	float *dx = num_floats(s.x), *dw = num_floats(s.w);

	t.w[s.w / 2] = -0.0f;
	for (int isa = 0; et_kern_at((size_t)isa); isa++) {
		struct et_ctx x = context(isa, 2);
		struct et_arena work = arena();
		memcpy(t.dw, t.dw0, s.w * sizeof(float));
		memcpy(dw, t.dw0, s.w * sizeof(float));
		et_conv_weight(&x, &g, t.n, t.x, NULL, t.dy, t.dw, &work);
		et_conv_data(&x, &g, t.n, t.dy, t.w, t.dx, &work);

		memcpy(dy, t.dy, s.y * sizeof(float));
		for (size_t i = 0; i < s.w; i++)
			m[i] = fabsf(t.w[i]);
		et_prune(&x, et_prune_theta(0), 1, 2, 3, 0, s.y, dy, &work);
		et_signs_put(&x, s.w, m, t.w, b);
		et_signs_match(&x, s.w, t.w, b, &work);
		et_conv_weight(&x, &g, t.n, t.x, NULL, dy, dw, &work);
		et_conv_data(&x, &g, t.n, dy, b, dx, &work);
		conv_label(&t, "identity");
		num_check_bits("b", b, t.w, s.w * sizeof(float));
		num_check_bits("dw", dw, t.dw, s.w * sizeof(float));
		num_check_bits("dx", dx, t.dx, s.x * sizeof(float));
		ck_assert(!work.failed);
		et_arena_close(&work);
	}
}
END_TEST

/* ---- layers ---------------------------------------------------------------------------------- */

START_TEST(accepts)
{
	const double opt[ET_MODE_KEYS] = {0};
	struct et_err err;

	for (size_t i = 0; i < ET_COUNT(family); i++)
		for (int which = 0; which < 8; which++) {
			struct et_layer l = {.name = "fc",
					     .last = which & 1,
					     .named = which & 2,
					     .linear = which & 4};
			bool refused = l.last && !l.named;
			int status = family[i]->accepts(&l, opt, &err);
			ck_assert_int_eq(status, refused ? ET_EUSAGE : ET_OK);
			ck_assert(!refused || strstr(err.text, "fc is the classifier"));
		}
}
END_TEST

Suite *suite_symmetry(void);
Suite *suite_symmetry(void)
{
	Suite *s = suite_create("symmetry");
	TCase *tc = num_tcase("pieces");
	int isas = 0;

	while (et_kern_at((size_t)isas))
		isas++;
	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, fill, 0, CONV_KINDS);
	tcase_add_test(tc, fill_streams);
	tcase_add_loop_test(tc, conv_hand, 0, isas);
	tcase_add_loop_test(tc, identity, 0, CONV_KINDS);
	tcase_add_test(tc, accepts);
	suite_add_tcase(s, tcase_prune());
	suite_add_tcase(s, tcase_symmetry_net());
	return s;
}

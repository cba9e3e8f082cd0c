/* Nets that give logits for each pixel: steps, evaluation, modes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edgetrain.h"
#include "make_picture.h"
#include "mode_case.h"
#include "run/run.h"
#include "scratch.h"
#include "suites.h"

/* ---- intersection over union ----------------------------------------------------------------- */

START_TEST(iou_by_hand)
{
	/* Rows are labels: class 0 thrice, once taken for 1; 1 once; 2 never, but once predicted.
	 */
	const uint64_t confusion[16] = {2, 1, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0};
	double iou[4];
	double mean = et_iou(confusion, 4, iou);
	ck_assert_double_eq_tol(iou[0], 2.0 / 3, 1e-15);
	ck_assert_double_eq_tol(iou[1], 4.0 / 6, 1e-15);
	ck_assert(iou[2] == 0);
	/* Neither labelled nor predicted: no part of the mean. */
	ck_assert(isnan(iou[3]));
	ck_assert_double_eq_tol(mean, 4.0 / 9, 1e-15);
	ck_assert(et_iou(confusion, 4, NULL) == mean);
	static const uint64_t nothing[4];
	ck_assert(isnan(et_iou(nothing, 2, iou)) && isnan(iou[1]));
}
END_TEST

/* ---- evaluation ------------------------------------------------------------------------------ */

/* Red decides: logits 0, red - 0.5 and -1 of a 1x1 convolution, so that class 2 is never said. */
static const char red_spec[] =
	"{\"classes\":3,\"input\":{\"channels\":3,\"height\":2,\"width\":3,\"mean\":0,\"std\":1},"
	"\"layers\":[{\"name\":\"c\",\"type\":\"conv2d\",\"out_channels\":3,\"kernel_size\":1}]}";
static const float red_bias[3] = {0, -0.5f, -1};
static const float red_weight[9] = {0, 0, 0, 1, 0, 0, 0, 0, 0};

static void put_red(void)
{
	static const char head[] =
		"{\"c.bias\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]},"
		"\"c.weight\":{\"dtype\":\"F32\",\"shape\":[3,3,1,1],\"data_offsets\":[12,48]}}";
	unsigned char file[8 + sizeof(head) - 1 + 48] = {(unsigned char)(sizeof(head) - 1)};
	memcpy(file + 8, head, sizeof(head) - 1);
	memcpy(file + 8 + sizeof(head) - 1, red_bias, 12);
	memcpy(file + 8 + sizeof(head) - 1 + 12, red_weight, 36);
	ck_assert_uint_lt(sizeof(head) - 1, 256);
	scratch_put("w.safetensors", file, sizeof(file));
	scratch_put("s.json", red_spec, strlen(red_spec));
}

START_TEST(eval_by_hand)
{
	/* Predicted 1 1 0 / 0 1 0 and 1 0 0 / 0 0 0. */
	static const uint8_t red[2][6] = {{255, 255, 0, 0, 200, 0}, {255, 0, 0, 0, 0, 0}};
	static const uint8_t label[2][6] = {{1, 0, 0, 0, 1, 255}, {2, 2, 0, 255, 255, 0}};
	struct et_env env = {.threads = 1};
	struct et_err err = {.text = ""};
	struct et_eval_result r;
	char name[40], model[500], data[500], weights[500];
	put_red();
	for (int i = 0; i < 2; i++) {
		snprintf(name, sizeof(name), "d/images/%d.png", i);
		make_mask(scratch_path(name), MASK_RGB, 8, 2, 3, red[i]);
		snprintf(name, sizeof(name), "d/masks/%d.png", i);
		make_mask(scratch_path(name), MASK_PALETTE, 8, 2, 3, label[i]);
	}
	snprintf(model, sizeof(model), "%s", scratch_path("s.json"));
	snprintf(data, sizeof(data), "%s", scratch_path("d"));
	snprintf(weights, sizeof(weights), "%s", scratch_path("w.safetensors"));
	struct et_eval eval = {.model = model,
			       .data = data,
			       .weights = weights,
			       .split = "train",
			       .batch_size = _i + 1};
	int rc = et_eval(&env, &eval, &r, &err);
	ck_assert_msg(rc == 0, "%s", err.text);
	/* Labels 0 0 0 and 0 0 | predicted 1 0 0 and 0 0; 1 1 | 1 1; 2 2 | 1 0. */
	static const uint64_t want[9] = {4, 1, 0, 0, 2, 0, 1, 1, 0};
	ck_assert_mem_eq(r.confusion, want, sizeof(want));
	ck_assert_uint_eq(r.images, 2);
	ck_assert_uint_eq(r.labels, 9);
	ck_assert_double_eq_tol(r.accuracy, 6.0 / 9, 1e-12);
	ck_assert_double_eq_tol(r.iou[0], 4.0 / 6, 1e-12);
	ck_assert_double_eq_tol(r.iou[1], 2.0 / 4, 1e-12);
	ck_assert_double_eq_tol(r.iou[2], 0, 1e-12);
	ck_assert_double_eq_tol(r.miou, (4.0 / 6 + 0.5) / 3, 1e-12);
	ck_assert(isnan(r.top5));
	/* The mean over both pictures' nine pixels, not of two means. */
	double loss = 0;
	for (int i = 0; i < 12; i++) {
		int y = label[i / 6][i % 6];
		double x = red[i / 6][i % 6] / 255.0;
		double logit[3] = {0, x - 0.5, -1};
		if (y != 255)
			loss += log(exp(logit[0]) + exp(logit[1]) + exp(logit[2])) - logit[y];
	}
	ck_assert_double_eq_tol(r.loss, loss / 9, 1e-6);
	et_eval_free(&r);
}
END_TEST

/* ---- steps ----------------------------------------------------------------------------------- */

#define N    5
#define ROWS (8 * 9)

static const char pixel_layers[] =
	"{'name':'c0','type':'conv2d','out_channels':6,'kernel_size':3,'padding':1,'stride':2},"
	"{'name':'r0','type':'relu'},"
	"{'name':'c1','type':'conv2d','out_channels':5,'kernel_size':3,'padding':2,'dilation':2},"
	"{'name':'cat','type':'concat','inputs':['r0','c1']},"
	"{'name':'c2','type':'conv2d','out_channels':4,'kernel_size':1},"
	"{'name':'up','type':'upsample2d','size':[8,9],'mode':'bilinear'}";

/* A session without a dataset. */
static void open_session(struct et_session *s, const struct et_env *env, int micro)
{
	struct et_err err = {.text = ""};
	char *text = net_text(3, 8, 9, 4, pixel_layers);
	struct et_conf *conf = et_conf_new();
	char number[12];
	*s = (struct et_session){.env = env, .probing = true};
	snprintf(number, sizeof(number), "%d", micro);
	int rc = et_spec_parse(&s->spec, text, strlen(text), "pixels", &err);
	rc = rc ? rc : et_conf_set(conf, "batch_size", "5", &err);
	rc = rc ? rc : et_conf_set(conf, "micro_batch", number, &err);
	rc = rc ? rc : et_session_net(s, NULL, conf, &err);
	struct et_plan plan;
	rc = rc ? rc : et_session_plan(s, true, &plan, &err);
	rc = rc ? rc : et_net_alloc(&s->net, &err);
	ck_assert_msg(rc == 0, "%s", err.text);
	et_conf_free(conf);
	net_randomize(&s->net, 3);
}

struct made {
	float x[N * ROWS * 3];
	int32_t label[N * ROWS];
};

/* Pictures of which very different shares count: none of the second. */
static struct et_batch batch_of(struct made *m)
{
	struct et_rng r = num_rng(300, 0);
	for (int i = 0; i < N * ROWS * 3; i++)
		m->x[i] = et_rng_normal(&r);
	for (int i = 0; i < N * ROWS; i++) {
		int p = i / ROWS;
		bool counts = p != 1 && i % ROWS < ROWS - 15 * p;
		m->label[i] = counts ? num_int(&r, 0, 3) : 255;
	}
	return (struct et_batch){.n = N, .rows = ROWS, .x = m->x, .label = m->label};
}

/* Micro-batches add up to the batch, whose mean is over all of its pixels that count. */
START_TEST(micro_batches)
{
	static struct made m;
	struct et_env env = {.threads = 2};
	struct et_session whole, parts;
	struct et_step a = {0}, b = {0};
	struct et_batch batch = batch_of(&m);
	open_session(&whole, &env, 0);
	ck_assert_int_eq(whole.net.loss.ignore, 255);
	ck_assert(!et_step_too_small(&whole, &batch));
	ck_assert(et_step_gradients(&whole, &batch, &a));
	ck_assert_uint_eq(a.sum.rows, ROWS + (ROWS - 30) + (ROWS - 45) + (ROWS - 60));
	for (int micro = 1; micro <= 4; micro++) {
		open_session(&parts, &env, micro);
		b = (struct et_step){0};
		ck_assert(et_step_gradients(&parts, &batch, &b));
		ck_assert_double_eq_tol(b.sum.loss, a.sum.loss, 1e-6 * a.sum.loss);
		ck_assert_uint_eq(b.sum.rows, a.sum.rows);
		ck_assert_uint_eq(b.sum.correct, a.sum.correct);
		for (int i = 0; i < whole.net.n_params; i++)
			ck_assert_double_le(net_off(parts.net.params[i].grad,
						    whole.net.params[i].grad,
						    whole.net.params[i].count),
					    2e-6);
		et_session_close(&parts);
	}
	/* One picture of it alone, three times: the same mean as that of its pixels. */
	et_session_close(&whole);
}
END_TEST

/* Nothing counts: the batch is passed over, and no NaN comes out of it if it is not. */
START_TEST(all_ignored)
{
	static struct made m;
	struct et_env env = {.threads = 2};
	struct et_session s;
	struct et_step step = {0};
	struct et_batch batch = batch_of(&m);
	open_session(&s, &env, 0);
	for (int i = 0; i < N * ROWS; i++)
		m.label[i] = 255;
	ck_assert(et_step_too_small(&s, &batch));
	ck_assert(et_step_gradients(&s, &batch, &step));
	ck_assert(step.sum.loss == 0 && step.sum.rows == 0);
	for (int i = 0; i < s.net.n_params; i++)
		for (size_t k = 0; k < s.net.params[i].count; k++)
			ck_assert(s.net.params[i].grad[k] == 0);
	m.label[N * ROWS - 1] = 2;
	ck_assert(!et_step_too_small(&s, &batch));
	/* A picture that is NaN is found, though none of its pixels counts. */
	m.x[1] = NAN;
	memset(&step, 0, sizeof(step));
	bool fine = et_step_gradients(&s, &batch, &step);
	bool nan = !fine;
	for (int i = 0; i < s.net.n_params; i++)
		for (size_t k = 0; k < s.net.params[i].count; k++)
			nan |= isnan(s.net.params[i].grad[k]);
	ck_assert(nan);
	et_session_close(&s);
}
END_TEST

/* ---- modes ----------------------------------------------------------------------------------- */

static double step_pixels(struct et_net *net, const float *x, const int32_t *label)
{
	struct et_pass pass = {.x = x, .n = N, .training = true, .seed = 7};
	struct et_loss_sum sum = {0};
	net_dirty(net);
	et_net_zero_grad(net);
	et_net_forward(net, &pass);
	et_net_loss(net, &pass, label, et_loss_norm(&net->loss, N * ROWS, label), true, &sum);
	return sum.loss;
}

/*
 * Gradients that come through a bilinear upsampling and a concatenation have all their pixels, and
 * behind a dilated convolution patches only where all is on one grid: chained or not, the same.
 */
static const char *const recipes[][2] = {
	{"filter:2", NULL},	  {"filter:2,paper", NULL},
	{"filter:4", NULL},	  {"filter:2", "c2=filter:4;c1=filter:3"},
	{"exact", "c1=filter:2"}, {"exact", "c2=filter:2"},
	{"filter:2", "c1=exact"}, {"interleaved", NULL},
	{"filter:2", "c0=exact"},
};

START_TEST(filtered)
{
	static struct made m;
	const char *mode = recipes[_i][0], *modes = recipes[_i][1];
	struct et_batch batch = batch_of(&m);
	for (size_t isa = 0; et_kern_at(isa); isa++) {
		struct et_ctx ctx = {.k = et_kern_at(isa), .threads = 2};
		struct net_case exact, got, plain;
		struct net_setup setup = {.batch = N, .eval_batch = N, .frozen_bn = true};
		num_label("%s: %s, %s", ctx.k->name, mode, modes ? modes : "");
		net_open(&exact, &ctx, net_text(3, 8, 9, 4, pixel_layers), &setup);
		setup.mode = mode;
		setup.modes = modes;
		net_open(&got, &ctx, net_text(3, 8, 9, 4, pixel_layers), &setup);
		setup.unchained = true;
		net_open(&plain, &ctx, net_text(3, 8, 9, 4, pixel_layers), &setup);
		double loss = step_pixels(&got.net, batch.x, batch.label);
		ck_assert(loss == step_pixels(&plain.net, batch.x, batch.label));
		ck_assert_double_eq_tol(loss, step_pixels(&exact.net, batch.x, batch.label),
					1e-5 * loss);
		mode_check_memory(&got.net);
		struct mode_result a = {.params = got.net.n_params, .param = got.net.params};
		struct mode_result b = {.params = plain.net.n_params, .param = plain.net.params};
		mode_near(&a, &b, 3e-5);
		/* Gradients point the way of exact ones; those of the bias are exact in the head.
		 */
		const struct et_param *w = net_param(&got.net, "c2.bias"),
				      *v = net_param(&exact.net, "c2.bias");
		ck_assert_double_le(net_off(w->grad, v->grad, v->count), 1e-5);
		net_close(&got);
		net_close(&plain);
		net_close(&exact);
	}
}
END_TEST

Suite *suite_pixels(void)
{
	Suite *s = suite_create("pixels");
	TCase *tc = num_tcase("pixels");
	tcase_add_checked_fixture(tc, scratch_open, scratch_close);
	tcase_add_test(tc, iou_by_hand);
	tcase_add_loop_test(tc, eval_by_hand, 0, 2);
	tcase_add_test(tc, micro_batches);
	tcase_add_test(tc, all_ignored);
	tcase_add_loop_test(tc, filtered, 0, (int)(sizeof(recipes) / sizeof(recipes[0])));
	suite_add_tcase(s, tc);
	return s;
}

/*
 * Whole training steps of ours on random pictures, timed: one work a process, so that its peak
 * memory is its own. Prints one line: forward, backward and step in milliseconds (medians),
 * resident megabytes at most, and how many of them are kept features.
 *
 *   step SPEC SIZE BATCH LAST MODE THREADS STEPS [EPOCH]
 *
 * LAST 0: everything trains, batch norm by batch; else frozen. EPOCH: steps of a second epoch over
 * so many batches, after a first one in which `fit`'s feature cache has kept what the frozen layers
 * make of their pictures.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cjson/cJSON.h>

#include "run/cache.h"

#define STEPS_MAX 1000

struct work {
	struct et_net net;
	struct et_train train;
	int batch, steps;
	size_t floats; /* of a batch */
	struct et_batch b;
	struct et_cache cache;
	uint32_t epoch; /* batches in the first epoch whose features are kept; 0: they are not */
	double forward[STEPS_MAX], backward[STEPS_MAX], step[STEPS_MAX];
};

static void must(int status, const struct et_err *err)
{
	if (status >= 0)
		return;
	fprintf(stderr, "step: %s\n", err->text);
	exit(1);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static double median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), by_value);
	return v[n / 2];
}

/* The next batch: pictures not seen before, or those of a second epoch, of which nothing is
 * decoded.
 */
static void next_batch(struct work *w, uint32_t number)
{
	struct et_rng r = et_rng_open(1, ET_STREAM_TEST, number, 0);
	bool decoded = false;

	for (uint32_t i = 0; i < (uint32_t)w->batch; i++) {
		if (w->epoch) {
			w->b.sample[i] = number % w->epoch * (uint32_t)w->batch + i;
			w->b.known[i] = et_cache_known(&w->cache, 0, w->b.sample[i]);
		}
		decoded |= !w->b.known[i];
	}
	if (w->epoch && decoded != (number < w->epoch)) {
		fprintf(stderr, "step: features are not kept\n");
		exit(1);
	}
	for (size_t i = 0; decoded && i < w->floats; i++)
		w->b.x[i] = et_rng_normal(&r);
}

/* Step `number`, in the parts that lib/run/step.c times. i: where its times go, if not negative. */
static void one_step(struct work *w, uint32_t number, int i)
{
	const struct et_rule rule = {.lr = 1e-3f, .momentum = 0.9f, .weight_decay = 1e-4f};
	struct et_pass pass = {
		.x = w->b.x, .n = w->batch, .training = true, .step = number, .rule = &rule};
	struct et_loss_sum sum = {0};
	double norm, t0 = et_now();

	et_net_zero_grad(&w->net);
	et_cache_begin(&w->cache, &w->b, 0, w->floats / (size_t)w->batch, &pass);
	et_net_forward(&w->net, &pass);
	et_cache_end(&w->cache, &w->b, 0, &pass);
	double t1 = et_now();
	et_net_loss(&w->net, &pass, w->b.label, w->batch, true, &sum);
	double t2 = et_now();
	const char *lost = et_net_update(&w->net, &w->train, 1e-3, pass.step, &norm);
	double t3 = et_now();
	if (lost) {
		fprintf(stderr, "step: %s became NaN\n", lost);
		exit(1);
	}
	if (i < 0)
		return;
	w->forward[i] = t1 - t0;
	w->backward[i] = t2 - t1 - w->net.update_s;
	w->step[i] = t3 - t0;
}

static void run(void *arg)
{
	struct work *w = arg;
	uint32_t unseen = w->epoch ? w->epoch : 1, number = 0;

	for (int i = -2; i < w->steps; number++) { /* two to warm up */
		if (number < unseen || w->epoch)
			next_batch(w, number);
		one_step(w, number, i);
		i += number + 1 >= w->epoch;
	}
}

/* The spec with pictures of another size. */
static void read_spec(struct et_spec *spec, const char *path, int size)
{
	struct et_err err = {0};
	char *text;
	size_t n;

	must(et_file_read(path, 1 << 20, &text, &n, &err), &err);
	cJSON *json = cJSON_Parse(text);
	cJSON *input = cJSON_GetObjectItem(json, "input");
	if (!input) {
		fprintf(stderr, "step: %s has no input\n", path);
		exit(1);
	}
	cJSON_ReplaceItemInObject(input, "height", cJSON_CreateNumber(size));
	cJSON_ReplaceItemInObject(input, "width", cJSON_CreateNumber(size));
	free(text);
	text = cJSON_PrintUnformatted(json);
	must(et_spec_parse(spec, text, strlen(text), path, &err), &err);
	free(text);
	cJSON_Delete(json);
}

static void open_work(struct work *w, struct et_spec *spec, const struct et_ctx *ctx, int last,
		      const char *mode)
{
	struct et_err err = {0};
	struct et_rng r = et_rng_open(1, ET_STREAM_TEST, 0, 0);

	must(et_train_read(&w->train, NULL, NULL, &err), &err);
	must(et_net_build(&w->net, spec, ctx, &err), &err);
	must(et_net_select(&w->net, "", last, last > 0, &err), &err);
	must(et_net_set_modes(&w->net, mode, "", NULL, &err), &err);
	w->net.fuse_update = true;
	must(et_net_plan(&w->net, w->batch, 0, et_train_moments(&w->train), NULL, NULL, &err),
	     &err);
	must(et_net_alloc(&w->net, &err), &err);
	et_net_init(&w->net, 1);
	w->floats = (size_t)w->batch * et_shape_count(spec->input);
	w->b = (struct et_batch){.n = (size_t)w->batch,
				 .x = et_calloc(w->floats, sizeof(float)),
				 .label = et_calloc((size_t)w->batch, sizeof(int32_t)),
				 .sample = et_calloc((size_t)w->batch, sizeof(uint32_t)),
				 .known = et_calloc((size_t)w->batch, sizeof(bool))};
	if (!w->b.x || !w->b.label || !w->b.sample || !w->b.known)
		exit(1);
	for (int i = 0; i < w->batch; i++)
		w->b.label[i] = (int32_t)et_rng_below(&r, (uint32_t)spec->classes);
	if (!w->epoch)
		return;
	uint32_t pictures = w->epoch * (uint32_t)w->batch;
	must(et_cache_open(&w->cache, et_net_features(&w->net, true), pictures, 1, pictures,
			   (size_t)w->batch, NULL, &err),
	     &err);
}

int main(int argc, char **argv)
{
	static struct work w;
	struct et_spec spec;
	struct rusage use;

	if (argc != 8 && argc != 9) {
		fprintf(stderr, "usage: step SPEC SIZE BATCH LAST MODE THREADS STEPS [EPOCH]\n");
		return 64;
	}
	struct et_ctx ctx = {.k = et_kern_select(NULL), .threads = atoi(argv[6])};
	w.batch = atoi(argv[3]);
	w.steps = atoi(argv[7]);
	int epoch = argc == 9 ? atoi(argv[8]) : 0;
	w.epoch = epoch > 0 ? (uint32_t)epoch : 0;
	if (epoch < 0 || w.batch < 1 || w.steps < 1 || w.steps > STEPS_MAX || ctx.threads < 1)
		return 64;
	read_spec(&spec, argv[1], atoi(argv[2]));
	open_work(&w, &spec, &ctx, atoi(argv[4]), argv[5]);
	et_team_run(&w.net.ctx, run, &w);
	getrusage(RUSAGE_SELF, &use);
	printf("%.3f %.3f %.3f %.1f %.1f\n", median(w.forward, w.steps) * 1e3,
	       median(w.backward, w.steps) * 1e3, median(w.step, w.steps) * 1e3,
	       (double)use.ru_maxrss * 1024 / 1e6, (double)w.cache.bytes / 1e6);
	return 0;
}

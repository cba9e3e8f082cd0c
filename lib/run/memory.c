/* Will it fit? The plan of a session, and the refusal of one that does not. */
#include <stdio.h>
#include <string.h>

#include "run/cache.h"

/* Bytes of the data room: dataset, batches of the loaders, and the decoding of the largest picture.
 */
static uint64_t data_bytes(const struct et_session *s, bool training)
{
	uint64_t bytes = 0, k = et_spec_rows(&s->spec) > 1 ? (uint64_t)s->spec.classes : 0;

	/* The confusion matrix of pixels, an IoU a class, and the cells of a row of epochs.csv. */
	bytes += k * k * sizeof(uint64_t) + k * (sizeof(double) + 32) + s->besides;
	if (s->ds) {
		bytes += et_dataset_bytes(s->ds);
		if (training) {
			struct et_loader_conf c = et_session_loader(s, ET_SPLIT_TRAIN, true);
			bytes += et_loader_bytes(&c);
		}
		if (s->val != ET_SPLITS) {
			struct et_loader_conf c = et_session_loader(s, s->val, false);
			bytes += et_loader_bytes(&c);
		}
		return bytes;
	}
	/* No dataset at hand: batches alone, of pictures already of the input's size. */
	uint64_t labels = et_spec_rows(&s->spec), ahead = 2;
	uint64_t image = et_shape_count(s->spec.input) * sizeof(float) + labels * sizeof(int32_t);
	if (training)
		bytes += ahead * (uint64_t)s->t.batch_size * image;
	return bytes + ahead * (uint64_t)et_session_micro(s) * image;
}

/* The writer's buffers, and one weight at a time turned to PyTorch's layout. */
static uint64_t checkpoint_bytes(const struct et_session *s)
{
	size_t largest = 0;

	for (int i = 0; i < s->net.n_params; i++)
		largest = et_max(largest, s->net.params[i].count);
	return largest * sizeof(float) + 2 * sizeof(struct et_writer);
}

static void count_work(const struct et_session *s, struct et_plan *plan)
{
	for (int i = 0; i < s->net.n_params; i++) {
		const struct et_param *p = &s->net.params[i];
		if (p->kind == ET_PARAM_WEIGHT || p->kind == ET_PARAM_VECTOR)
			plan->parameters += p->count;
		if (p->train)
			plan->trainable += p->count;
	}
	plan->layers = s->net.n;
	et_net_count(&s->net, &plan->forward_mac, &plan->backward_mac, &plan->trained_layers);
}

/* Features take what is left over. */
static void plan_cache(struct et_session *s, struct et_plan *plan)
{
	uint64_t spare = plan->available > plan->peak ? plan->available - plan->peak : 0;

	s->cache = et_cache_plan_of(s, spare);
	if (s->cache.file)
		return;
	plan->training.cache = plan->evaluation.cache = s->cache.bytes;
	plan->training.total += s->cache.bytes;
	plan->evaluation.total += s->cache.bytes;
	plan->peak += s->cache.bytes;
}

int et_session_plan(struct et_session *s, bool training, struct et_plan *plan, struct et_err *err)
{
	int micro = et_session_micro(s);

	memset(plan, 0, sizeof(*plan));
	ET_TRY(et_net_plan(&s->net, training ? micro : 0, micro, et_train_moments(&s->t),
			   &plan->training, &plan->evaluation, err));
	plan->batch_size = s->t.batch_size;
	plan->micro_batch = micro;
	if (training) {
		plan->training.data = data_bytes(s, true);
		plan->training.checkpoint = checkpoint_bytes(s);
		plan->training.total += plan->training.data + plan->training.checkpoint;
	}
	plan->evaluation.data = data_bytes(s, false);
	plan->evaluation.total += plan->evaluation.data;
	plan->loading.data = s->ds ? et_dataset_bytes(s->ds) + et_dataset_decode_bytes(s->ds)
				   : et_shape_count(s->spec.input);
	plan->loading.total = plan->loading.data;
	count_work(s, plan);
	/* Training's arenas stay reserved during evaluation, which reuses them. */
	plan->peak =
		et_max(et_max(plan->training.total, plan->evaluation.total), plan->loading.total) +
		et_machine_rss();
	plan->available = et_machine_memory(s->env);
	plan->fits = !plan->available || plan->peak <= plan->available;
	if (training && s->ds && s->caches)
		plan_cache(s, plan);
	return ET_OK;
}

/* The largest batch (micro-batch where that gives the same result) whose plan fits; 0: none. */
static int largest_fit(struct et_session *s, bool training, bool by_micro, struct et_err *err)
{
	int batch = s->t.batch_size, micro = s->t.micro_batch, low = 0, high = et_session_micro(s);

	while (low < high) {
		int mid = low + (high - low + 1) / 2;
		struct et_plan probe;
		s->t.micro_batch = by_micro ? mid : 0;
		s->t.batch_size = by_micro ? batch : mid;
		if (et_session_plan(s, training, &probe, err)) {
			low = 0;
			break;
		}
		/* What the program itself takes varies a little: the advice must hold next time. */
		if (!probe.available || probe.peak + ((uint64_t)1 << 20) <= probe.available)
			low = mid;
		else
			high = mid - 1;
	}
	s->t.batch_size = batch;
	s->t.micro_batch = micro;
	return low;
}

int et_session_fits(struct et_session *s, bool training, struct et_plan *plan, struct et_err *err)
{
	char need[32], have[32], weights[32], saved[32], act[32], data[32], advice[128];
	bool by_micro = true;

	ET_TRY(et_session_plan(s, training, plan, err));
	if (plan->fits) {
		plan->largest_batch = plan->micro_batch;
		return ET_OK;
	}
	for (int i = 0; i < s->net.n; i++)
		by_micro &= !s->net.nodes[i].bn_batch;
	int fit = largest_fit(s, training, by_micro, err);
	ET_TRY(et_session_plan(s, training, plan, err));
	plan->largest_batch = fit;
	if (fit)
		snprintf(advice, sizeof(advice), "the largest batch that fits is %d: --%s %d", fit,
			 by_micro ? "micro-batch" : "batch-size", fit);
	else
		snprintf(advice, sizeof(advice),
			 "not even a batch of 1 fits: train fewer layers (--last K) or a smaller "
			 "input");
	const struct et_memory *m = training ? &plan->training : &plan->evaluation;
	return et_fail(err, ET_EFIT,
		       "would not fit in memory: needs %s (weights, gradients and optimizer %s, "
		       "saved %s, activations and work "
		       "%s, data %s), available %s; %s",
		       et_human_bytes(plan->peak, need),
		       et_human_bytes(m->weights + m->gradients + m->optimizer, weights),
		       et_human_bytes(m->saved, saved),
		       et_human_bytes(m->activations + m->work, act),
		       et_human_bytes(m->data + m->checkpoint, data),
		       et_human_bytes(plan->available, have), advice);
}

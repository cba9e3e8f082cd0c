/* Evaluation of one split. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "run/cache.h"

/* Counts predictions: the confusion matrix, and labels among the five largest logits. */
static void count_rows(const struct et_session *s, const float *logits, const struct et_batch *b,
		       uint64_t *confusion, uint64_t *top5)
{
	int k = s->spec.classes;

	for (size_t i = 0; i < b->n; i++) {
		const float *row = logits + i * (size_t)k;
		int label = b->label[i], best = 0, above = 0;
		for (int j = 0; j < k; j++) {
			best = row[j] > row[best] ? j : best;
			/* Equal logits rank in the order of classes. */
			above += row[j] > row[label] || (row[j] == row[label] && j < label);
		}
		if (confusion)
			confusion[(size_t)label * (size_t)k + (size_t)best]++;
		*top5 += above < 5;
	}
}

static double share(uint64_t part, uint64_t all)
{
	return all ? (double)part / (double)all : NAN;
}

/* Counts predictions of pixels: the first of the largest logits. */
static void count_pixels(const struct et_session *s, const float *logits, const struct et_batch *b,
			 uint64_t *confusion)
{
	int k = s->spec.classes;

	for (size_t i = 0; confusion && i < b->n * b->rows; i++) {
		const float *row = logits + i * (size_t)k;
		int label = b->label[i], best = 0;
		if (label == s->net.loss.ignore)
			continue;
		for (int j = 1; j < k; j++)
			best = row[j] > row[best] ? j : best;
		confusion[(size_t)label * (size_t)k + (size_t)best]++;
	}
}

int et_evaluate(struct et_session *s, struct et_loader *loader, struct et_score *score,
		void (*progress)(void *arg, const struct et_progress *p), void *arg,
		struct et_progress *p, struct et_err *err)
{
	const struct et_batch *b;
	struct et_loss_sum sum = {0};
	struct et_loss loss = s->net.loss;
	uint64_t top5 = 0;
	bool pixels = et_spec_rows(&s->spec) > 1;
	double weight = 0, begun = et_now();
	int got;

	/* The plain loss: smoothing and class weights belong to training. */
	s->net.loss.smoothing = 0;
	s->net.loss.weight = NULL;
	score->images = score->labels = score->skipped = 0;
	got = et_loader_start(loader, 0, 0, err);
	p->phase = ET_PHASE_EVAL;
	p->batches = et_loader_batches(loader);
	while (!got && (got = et_loader_next(loader, &b, err)) == 1) {
		struct et_pass pass = {.x = b->x, .n = (int)b->n};
		struct et_cache *cache = s->val_cache;
		got = 0;
		if (et_stopped(s->env)) {
			got = et_fail(err, ET_ESTOP, "stopped");
		} else if (b->n) {
			et_cache_begin(cache, b, 0, et_shape_count(s->spec.input), &pass);
			const float *logits = et_net_forward(&s->net, &pass);
			et_cache_end(cache, b, 0, &pass);
			double norm = et_loss_norm(&s->net.loss, b->n * b->rows, b->label);
			struct et_loss_sum part = {0};
			if (norm > 0)
				et_net_loss(&s->net, &pass, b->label, norm, false, &part);
			sum.loss += part.loss * norm;
			sum.correct += part.correct;
			weight += norm;
			if (pixels)
				count_pixels(s, logits, b, score->confusion);
			else
				count_rows(s, logits, b, score->confusion, &top5);
			score->images += b->n;
			score->labels += part.rows;
		}
		score->skipped += b->skipped;
		p->batch = b->number + 1;
		et_loader_done(loader, b);
		p->loss = weight > 0 ? sum.loss / weight : NAN;
		p->accuracy = share(sum.correct, score->labels);
		p->images_per_s = (double)score->images / fmax(et_now() - begun, 1e-9);
		if (progress && !got)
			progress(arg, p);
	}
	s->net.loss = loss;
	score->loss = weight > 0 ? sum.loss / weight : NAN;
	score->accuracy = share(sum.correct, score->labels);
	score->top5 = s->spec.classes > 5 && !pixels ? share(top5, score->labels) : NAN;
	return got < 0 ? got : ET_OK;
}

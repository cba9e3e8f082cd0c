/*
 * Batches decoded ahead by threads. A ring of `depth` buffers: batch b is in slot b % depth.
 * Workers take samples, not batches, in the order of the epoch, so that all of them help the batch
 * that is due. Each sample has its place, so nothing depends on who was faster.
 */
#include <string.h>
#include <time.h>

#include "data/loader.h"

#define POLL_NS 100000000

/* ---- workers --------------------------------------------------------------------------------- */

static struct slot *slot_of(const struct et_loader *l, size_t batch)
{
	return &l->slot[batch % l->conf.depth];
}

static uint32_t sample_at(const struct et_loader *l, size_t position)
{
	return l->order ? l->order[position] : (uint32_t)position;
}

/* The labels of a sample with a mask; h, w: the size its picture has in memory. */
static int decode_mask(const struct et_loader *l, struct worker *w, uint32_t sample, int h,
		       int width, uint64_t epoch, int32_t *label, struct et_err *err)
{
	const struct et_loader_conf *c = &l->conf;
	ET_TRY(et_dataset_load_mask(c->ds, c->split, sample, &w->mask, err));
	return et_prep_labels(&c->prep, &c->augment, c->seed, epoch, sample, h, width, &w->mask,
			      c->ignore, &w->tmp[2], label, err);
}

/* Decodes the sample of that position into its place. Unlocked: nobody else touches the place. */
static int decode(const struct et_loader *l, struct worker *w, size_t position, struct et_err *err)
{
	const struct et_loader_conf *c = &l->conf;
	struct slot *s = slot_of(l, position / c->batch_size);
	size_t i = position % c->batch_size;
	uint32_t sample = sample_at(l, position);
	uint64_t epoch = c->variants ? l->epoch % c->variants : l->epoch;
	int32_t *label = s->batch.label + i * l->rows;
	bool masks = et_dataset_has_masks(c->ds);
	s->batch.sample[i] = sample;
	s->batch.known[i] = c->known && c->known(c->known_arg, l->epoch, sample);
	if (!masks)
		*label = et_dataset_label(c->ds, c->split, sample);
	if (s->batch.known[i]) {
		struct et_extent e;
		if (!masks)
			return ET_OK;
		et_dataset_extent(c->ds, c->split, sample, c->prep.channels, l->want_h, l->want_w,
				  &e);
		return decode_mask(l, w, sample, e.h, e.w, epoch, label, err);
	}
	ET_TRY(et_dataset_load(c->ds, c->split, sample, c->prep.channels, l->want_h, l->want_w,
			       &w->src, err));
	ET_TRY(et_prep_run(&c->prep, &c->augment, c->seed, epoch, sample, &w->src, w->tmp,
			   s->batch.x + i * l->floats, err));
	return masks ? decode_mask(l, w, sample, w->src.h, w->src.w, epoch, label, err) : ET_OK;
}

/* Books a finished sample. Locked. */
static void finish(struct et_loader *l, size_t position, int status, const struct et_err *err)
{
	struct slot *s = slot_of(l, position / l->conf.batch_size);
	size_t i = position % l->conf.batch_size;
	bool skip = l->conf.skip_bad && et_status_is_bad_picture(status);
	s->status[i] = skip ? status : 0;
	if (status < 0 && !skip && i < s->bad_at) {
		s->bad_at = i;
		s->error = *err;
	}
	if (--s->left == 0)
		pthread_cond_signal(&l->ready);
}

void *et_loader_work(void *arg)
{
	struct worker *w = arg;
	struct et_loader *l = w->loader;
	struct et_err err;
	pthread_mutex_lock(&l->lock);
	for (;;) {
		while (!l->quit && l->next >= l->end)
			pthread_cond_wait(&l->work, &l->lock);
		if (l->quit)
			break;
		size_t position = l->next++;
		int status = ET_OK;
		l->busy++;
		if (!slot_of(l, position / l->conf.batch_size)->batch.dropped) {
			pthread_mutex_unlock(&l->lock);
			status = decode(l, w, position, &err);
			pthread_mutex_lock(&l->lock);
		}
		finish(l, position, status, &err);
		if (--l->busy == 0)
			pthread_cond_signal(&l->ready);
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

/* ---- the consumer ---------------------------------------------------------------------------- */

/* Samples of that batch. */
static size_t batch_size(const struct et_loader *l, size_t batch)
{
	size_t first = batch * l->conf.batch_size;
	return first < l->n ? et_min(l->conf.batch_size, l->n - first) : 0;
}

/* Makes the slot of the batch ready for decoding, and its samples ready to be taken. Locked. */
static void offer(struct et_loader *l, size_t batch)
{
	size_t n = batch_size(l, batch);
	if (!n)
		return;
	struct slot *s = slot_of(l, batch);
	s->batch.epoch = l->epoch;
	s->batch.number = batch;
	s->batch.n = s->left = n;
	s->batch.skipped = 0;
	s->batch.dropped = l->conf.drop && l->conf.drop(l->conf.drop_arg, l->epoch, batch);
	s->batch.status = ET_OK;
	s->bad_at = SIZE_MAX;
	l->end = batch * l->conf.batch_size + n;
	pthread_cond_broadcast(&l->work);
}

int et_loader_start(struct et_loader *l, uint64_t epoch, size_t first, struct et_err *err)
{
	(void)err;
	pthread_mutex_lock(&l->lock);
	/* What was begun is finished, nothing else of it. */
	l->next = l->end = 0;
	while (l->busy)
		pthread_cond_wait(&l->ready, &l->lock);
	pthread_mutex_unlock(&l->lock);

	first = et_min(first, l->batches);
	if (l->order)
		et_rng_permutation(l->conf.seed, ET_STREAM_SHUFFLE, epoch, l->order,
				   (uint32_t)l->n);
	pthread_mutex_lock(&l->lock);
	l->epoch = epoch;
	l->due = first;
	l->out = false;
	l->started = true;
	l->next = l->end = first * l->conf.batch_size;
	for (size_t i = 0; i < l->conf.depth; i++)
		offer(l, first + i);
	pthread_mutex_unlock(&l->lock);
	return ET_OK;
}

/* Waits until the slot is complete; false if asked to stop. */
static bool wait_for(struct et_loader *l, const struct slot *s)
{
	bool stopped = et_stop_asked(l->conf.stop);
	pthread_mutex_lock(&l->lock);
	while (s->left && !stopped) {
		struct timespec t;
		clock_gettime(CLOCK_MONOTONIC, &t);
		t.tv_nsec += POLL_NS;
		if (t.tv_nsec >= 1000000000) {
			t.tv_nsec -= 1000000000;
			t.tv_sec++;
		}
		pthread_cond_timedwait(&l->ready, &l->lock, &t);
		stopped = et_stop_asked(l->conf.stop);
	}
	pthread_mutex_unlock(&l->lock);
	return !stopped;
}

/* Closes the gaps that skipped pictures left, in the order of the samples. */
static void compact(const struct et_loader *l, struct slot *s)
{
	struct et_batch *b = &s->batch;
	size_t kept = 0;
	for (size_t i = 0; i < b->n; i++) {
		if (s->status[i] < 0)
			continue;
		if (kept != i) {
			memcpy(b->x + kept * l->floats, b->x + i * l->floats,
			       l->floats * sizeof(float));
			memcpy(b->label + kept * l->rows, b->label + i * l->rows,
			       l->rows * sizeof(*b->label));
			b->sample[kept] = b->sample[i];
			b->known[kept] = b->known[i];
		}
		kept++;
	}
	b->skipped = b->n - kept;
	b->n = kept;
}

int et_loader_next(struct et_loader *l, const struct et_batch **b, struct et_err *err)
{
	*b = NULL;
	if (!l->started || l->out)
		return et_fail(err, ET_EINTERNAL, "a batch was asked for %s",
			       l->out ? "before the last one was given back" : "before the start");
	if (et_stop_asked(l->conf.stop))
		return et_fail(err, ET_ESTOP, "stopped");
	if (l->due >= l->batches)
		return 0;
	struct slot *s = slot_of(l, l->due);
	if (!wait_for(l, s))
		return et_fail(err, ET_ESTOP, "stopped while waiting for pictures");
	if (s->bad_at != SIZE_MAX) {
		if (err)
			*err = s->error;
		return s->batch.status = s->error.code;
	}
	if (s->batch.dropped)
		s->batch.n = 0;
	else
		compact(l, s);
	l->out = true;
	*b = &s->batch;
	return 1;
}

void et_loader_done(struct et_loader *l, const struct et_batch *b)
{
	if (!l->out || b != &slot_of(l, l->due)->batch)
		return;
	l->out = false;
	pthread_mutex_lock(&l->lock);
	offer(l, l->due + l->conf.depth);
	pthread_mutex_unlock(&l->lock);
	l->due++;
}

size_t et_loader_batches(const struct et_loader *l)
{
	return l->batches;
}

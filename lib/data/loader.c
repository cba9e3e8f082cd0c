/*
 * Batches decoded ahead by threads. A ring of `depth` buffers: batch b is in slot b % depth.
 * Workers take samples, not batches, in the order of the epoch, so that all of them help the batch
 * that is due. Each sample has its place, so nothing depends on who was faster.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "data/priv.h"

#define STACK_BYTES ((size_t)512 * 1024)
#define POLL_NS	    100000000

/* Under the loader's lock: left, bad_at, error. A sample's floats and status are its worker's. */
struct slot {
	struct et_batch batch;
	int *status;   /* of each sample: 0, or that of a picture to be skipped */
	size_t left;   /* samples not yet decoded */
	size_t bad_at; /* place of the first sample that is an error */
	struct et_err error;
};

struct worker {
	struct et_loader *loader;
	pthread_t thread;
	struct et_picture src, tmp[3];
};

struct et_loader {
	struct et_loader_conf conf;
	size_t n, batches, floats; /* samples, batches of an epoch; floats of a sample */
	int want_h, want_w;
	uint32_t *order;
	struct slot *slot;
	struct worker *worker;
	unsigned workers; /* running */

	pthread_mutex_t lock;
	pthread_cond_t work;  /* there are samples to take, or it is time to quit */
	pthread_cond_t ready; /* a batch is complete, or the last worker became idle */
	bool locks, quit;
	unsigned busy; /* workers at a sample */
	size_t next,
		end;	/* samples [next, end) may be taken; end moves as batches are given back */
	uint64_t epoch; /* constant while busy */

	/* The consumer's own. */
	size_t due;	   /* the number of the batch that comes out next */
	bool started, out; /* a batch has not been given back */
};

/* ---- sizes ----------------------------------------------------------------------------------- */

/* The most bytes that each of a worker's pictures grows to, and the decoder beside them. */
struct needs {
	size_t src, tmp[3], work;
};

static void count_needs(const struct et_loader_conf *c, struct needs *need)
{
	const struct et_prep *p = &c->prep;
	int want_h, want_w;
	memset(need, 0, sizeof(*need));
	et_prep_want(p, &c->augment, &want_h, &want_w);
	need->tmp[0] = need->tmp[1] = et_picture_bytes(p->height, p->width, p->channels);
	for (size_t i = 0, n = et_dataset_count(c->ds, c->split); i < n; i++) {
		struct et_extent e;
		et_dataset_extent(c->ds, c->split, i, p->channels, want_h, want_w, &e);
		need->src = et_max(need->src, e.buffer);
		need->work = et_max(need->work, e.work);
		size_t scratch =
			et_resize_scratch_bytes(e.h, e.w, p->height, p->width, p->channels);
		need->tmp[2] = et_max(need->tmp[2], scratch);
	}
}

static size_t sample_floats(const struct et_loader_conf *c)
{
	return et_picture_bytes(c->prep.height, c->prep.width, c->prep.channels);
}

size_t et_loader_bytes(const struct et_loader_conf *c)
{
	struct needs need;
	count_needs(c, &need);
	size_t each =
		sample_floats(c) * sizeof(float) + sizeof(int32_t) + sizeof(uint32_t) + sizeof(int);
	size_t slot = sizeof(struct slot) + c->batch_size * each;
	size_t worker = sizeof(struct worker) + STACK_BYTES + need.src + need.tmp[0] + need.tmp[1] +
			need.tmp[2] + need.work;
	size_t order = c->shuffle ? et_dataset_count(c->ds, c->split) * sizeof(uint32_t) : 0;
	return sizeof(struct et_loader) + order + c->depth * slot + c->workers * worker;
}

/* ---- workers --------------------------------------------------------------------------------- */

static struct slot *slot_of(const struct et_loader *l, size_t batch)
{
	return &l->slot[batch % l->conf.depth];
}

static uint32_t sample_at(const struct et_loader *l, size_t position)
{
	return l->order ? l->order[position] : (uint32_t)position;
}

/* Decodes the sample of that position into its place. Unlocked: nobody else touches the place. */
static int decode(const struct et_loader *l, struct worker *w, size_t position, struct et_err *err)
{
	const struct et_loader_conf *c = &l->conf;
	struct slot *s = slot_of(l, position / c->batch_size);
	size_t i = position % c->batch_size;
	uint32_t sample = sample_at(l, position);
	s->batch.sample[i] = sample;
	s->batch.label[i] = et_dataset_label(c->ds, c->split, sample);
	ET_TRY(et_dataset_load(c->ds, c->split, sample, c->prep.channels, l->want_h, l->want_w,
			       &w->src, err));
	return et_prep_run(&c->prep, &c->augment, c->seed, l->epoch, sample, &w->src, w->tmp,
			   s->batch.x + i * l->floats, err);
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

static void *worker_main(void *arg)
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
		l->busy++;
		pthread_mutex_unlock(&l->lock);
		int status = decode(l, w, position, &err);
		pthread_mutex_lock(&l->lock);
		finish(l, position, status, &err);
		if (--l->busy == 0)
			pthread_cond_signal(&l->ready);
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

/* ---- opening and closing --------------------------------------------------------------------- */

static int check_conf(const struct et_loader_conf *c, struct et_err *err)
{
	size_t bytes;
	ET_TRY(et_prep_check(&c->prep, err));
	if (!c->batch_size || !c->workers || !c->depth || c->split >= ET_SPLITS)
		return et_fail(err, ET_EINTERNAL,
			       "loader of %zu samples a batch, %u workers, %u batches",
			       c->batch_size, c->workers, c->depth);
	/* An order has 32 bits. */
	if (et_dataset_count(c->ds, c->split) > UINT32_MAX)
		return et_fail(err, ET_EDATA, "more than 2^32 pictures");
	if (!et_mul(sample_floats(c) * sizeof(float), c->batch_size, &bytes) ||
	    !et_mul(bytes, c->depth, &bytes))
		return et_fail(err, ET_ENOMEM, "%u batches of %zu pictures exceed all memory",
			       c->depth, c->batch_size);
	return ET_OK;
}

static bool open_slot(const struct et_loader *l, struct slot *s)
{
	size_t n = l->conf.batch_size;
	s->batch.x = et_calloc(n, l->floats * sizeof(float));
	s->batch.label = et_calloc(n, sizeof(*s->batch.label));
	s->batch.sample = et_calloc(n, sizeof(*s->batch.sample));
	s->status = et_calloc(n, sizeof(*s->status));
	return s->batch.x && s->batch.label && s->batch.sample && s->status;
}

static bool open_buffers(struct et_loader *l)
{
	bool ok = true;
	l->slot = et_calloc(l->conf.depth, sizeof(*l->slot));
	for (unsigned i = 0; l->slot && ok && i < l->conf.depth; i++)
		ok = open_slot(l, &l->slot[i]);
	if (l->conf.shuffle && l->n)
		l->order = et_calloc(l->n, sizeof(*l->order));
	return l->slot && ok && (l->order || !l->conf.shuffle || !l->n);
}

/* At their full sizes at once: untouched pages cost nothing, and no step has to allocate. */
static int open_pictures(struct worker *w, const struct needs *need, struct et_err *err)
{
	ET_TRY(et_picture_reserve(&w->src, 0, 0, 1, need->src, err));
	for (int i = 0; i < 3; i++)
		ET_TRY(et_picture_reserve(&w->tmp[i], 0, 0, 1, need->tmp[i], err));
	return ET_OK;
}

static int open_locks(struct et_loader *l, struct et_err *err)
{
	pthread_condattr_t attr;
	bool ok = pthread_condattr_init(&attr) == 0;
	if (ok) {
		pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
		ok = pthread_mutex_init(&l->lock, NULL) == 0;
		ok = ok && pthread_cond_init(&l->work, &attr) == 0;
		ok = ok && pthread_cond_init(&l->ready, &attr) == 0;
		pthread_condattr_destroy(&attr);
	}
	l->locks = ok;
	return ok ? ET_OK : et_fail(err, ET_ENOMEM, "the system refused a lock for the loader");
}

static int open_threads(struct et_loader *l, struct et_err *err)
{
	struct needs need;
	pthread_attr_t attr;
	count_needs(&l->conf, &need);
	if (!(l->worker = et_calloc(l->conf.workers, sizeof(*l->worker))))
		return et_fail(err, ET_ENOMEM, "out of memory for %u workers", l->conf.workers);
	for (unsigned i = 0; i < l->conf.workers; i++)
		ET_TRY(open_pictures(&l->worker[i], &need, err));
	if (pthread_attr_init(&attr))
		return et_fail(err, ET_ENOMEM, "the system refused a thread for the loader");
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	/* Threads inherit the mask: signals are for the thread that knows what to do with them. */
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int e = 0;
	for (unsigned i = 0; i < l->conf.workers && !e; i++) {
		l->worker[i].loader = l;
		e = pthread_create(&l->worker[i].thread, &attr, worker_main, &l->worker[i]);
		l->workers += !e;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return e ? et_fail(err, ET_ENOMEM, "the system refused thread %u of the loader: %s",
			   l->workers + 1, strerror(e))
		 : ET_OK;
}

int et_loader_open(struct et_loader **out, const struct et_loader_conf *conf, struct et_err *err)
{
	*out = NULL;
	ET_TRY(check_conf(conf, err));
	struct et_loader *l = et_calloc(1, sizeof(*l));
	if (!l)
		return et_fail(err, ET_ENOMEM, "out of memory for the loader");
	l->conf = *conf;
	l->n = et_dataset_count(conf->ds, conf->split);
	l->batches = et_ceil_div(l->n, conf->batch_size);
	l->floats = sample_floats(conf);
	et_prep_want(&conf->prep, &conf->augment, &l->want_h, &l->want_w);
	int rc = open_locks(l, err);
	if (rc == ET_OK && !open_buffers(l))
		rc = et_fail(err, ET_ENOMEM, "out of memory for %u batches of %zu pictures",
			     conf->depth, conf->batch_size);
	if (rc == ET_OK)
		rc = open_threads(l, err);
	if (rc < 0) {
		et_loader_close(l);
		return rc;
	}
	*out = l;
	return ET_OK;
}

void et_loader_close(struct et_loader *l)
{
	if (!l)
		return;
	if (l->locks) {
		pthread_mutex_lock(&l->lock);
		l->quit = true;
		pthread_cond_broadcast(&l->work);
		pthread_mutex_unlock(&l->lock);
		for (unsigned i = 0; i < l->workers; i++)
			pthread_join(l->worker[i].thread, NULL);
		pthread_cond_destroy(&l->ready);
		pthread_cond_destroy(&l->work);
		pthread_mutex_destroy(&l->lock);
	}
	for (unsigned i = 0; l->worker && i < l->conf.workers; i++) {
		et_picture_free(&l->worker[i].src);
		for (int k = 0; k < 3; k++)
			et_picture_free(&l->worker[i].tmp[k]);
	}
	for (unsigned i = 0; l->slot && i < l->conf.depth; i++) {
		free(l->slot[i].batch.x);
		free(l->slot[i].batch.label);
		free(l->slot[i].batch.sample);
		free(l->slot[i].status);
	}
	free(l->worker);
	free(l->slot);
	free(l->order);
	free(l);
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
	s->batch.number = batch;
	s->batch.n = s->left = n;
	s->batch.skipped = 0;
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
			b->label[kept] = b->label[i];
			b->sample[kept] = b->sample[i];
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

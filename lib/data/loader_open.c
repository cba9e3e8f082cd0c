/* The loader's memory and threads: how much, opening, closing. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "data/loader.h"

#define STACK_BYTES ((size_t)512 * 1024)

/* ---- sizes ----------------------------------------------------------------------------------- */

/* The most bytes that each of a worker's pictures grows to, and the decoder beside them. */
struct needs {
	size_t src, tmp[3], mask, work;
};

/*
 * Random sizes: at most a side's filter meets each input twice, and five numbers an output are for
 * its ends.
 */
static size_t scale_scratch_bytes(const struct et_extent *e, const struct et_prep *p)
{
	size_t ints =
		2 * ((size_t)e->h + (size_t)e->w) + 5 * ((size_t)p->height + (size_t)p->width);
	return ints * sizeof(uint32_t) + et_picture_bytes(e->h, p->width, p->channels);
}

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
		if (c->augment.scale_max > 0)
			scratch = et_max(scratch, scale_scratch_bytes(&e, p));
		need->tmp[2] = et_max(need->tmp[2], scratch);
		need->mask = et_max(need->mask, e.mask);
	}
	if (need->mask)
		need->tmp[2] = et_max(need->tmp[2], et_labels_scratch_bytes(p));
}

static size_t sample_floats(const struct et_loader_conf *c)
{
	return et_picture_bytes(c->prep.height, c->prep.width, c->prep.channels);
}

static size_t sample_rows(const struct et_loader_conf *c)
{
	return et_dataset_has_masks(c->ds) ? et_picture_bytes(c->prep.height, c->prep.width, 1) : 1;
}

size_t et_loader_bytes(const struct et_loader_conf *c)
{
	struct needs need;
	count_needs(c, &need);
	size_t each = sample_floats(c) * sizeof(float) + sample_rows(c) * sizeof(int32_t) +
		      sizeof(uint32_t) + sizeof(int) + sizeof(bool);
	size_t slot = sizeof(struct slot) + c->batch_size * each;
	size_t worker = sizeof(struct worker) + STACK_BYTES + need.src + need.tmp[0] + need.tmp[1] +
			need.tmp[2] + need.mask + need.work;
	size_t order = c->shuffle ? et_dataset_count(c->ds, c->split) * sizeof(uint32_t) : 0;
	return sizeof(struct et_loader) + order + c->depth * slot + c->workers * worker;
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
	s->batch.rows = l->rows;
	s->batch.label = et_calloc(n, l->rows * sizeof(*s->batch.label));
	s->batch.sample = et_calloc(n, sizeof(*s->batch.sample));
	s->batch.known = et_calloc(n, sizeof(*s->batch.known));
	s->status = et_calloc(n, sizeof(*s->status));
	return s->batch.x && s->batch.label && s->batch.sample && s->batch.known && s->status;
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
	ET_TRY(et_picture_reserve(&w->mask, 0, 0, 1, need->mask, err));
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
		e = pthread_create(&l->worker[i].thread, &attr, et_loader_work, &l->worker[i]);
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
	l->rows = sample_rows(conf);
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
		et_picture_free(&l->worker[i].mask);
		for (int k = 0; k < 3; k++)
			et_picture_free(&l->worker[i].tmp[k]);
	}
	for (unsigned i = 0; l->slot && i < l->conf.depth; i++) {
		free(l->slot[i].batch.x);
		free(l->slot[i].batch.label);
		free(l->slot[i].batch.sample);
		free(l->slot[i].batch.known);
		free(l->slot[i].status);
	}
	free(l->worker);
	free(l->slot);
	free(l->order);
	free(l);
}

/* What the two halves of the loader share: loader_open.c and loader.c. */
#ifndef ET_DATA_LOADER_H
#define ET_DATA_LOADER_H

#include <pthread.h>

#include "data/priv.h"

/*
 * Under the loader's lock until left is 0, then the consumer's. Not so a sample's place in the
 * batch: that is its worker's.
 */
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
	struct et_picture src, tmp[3], mask;
};

struct et_loader {
	struct et_loader_conf conf;
	size_t n, batches;   /* samples, batches of an epoch */
	size_t floats, rows; /* floats and labels of a sample */
	int want_h, want_w;
	uint32_t *order;
	struct slot *slot;
	struct worker *worker;
	unsigned workers; /* running */

	pthread_mutex_t lock;
	pthread_cond_t work;  /* there are samples to take, or it is time to quit */
	pthread_cond_t ready; /* a batch is complete, or the last worker became idle */
	bool locks, quit;
	unsigned busy;	/* workers at a sample */
	size_t next;	/* samples [next, end) may be taken; */
	size_t end;	/* it moves on as batches are given back */
	uint64_t epoch; /* constant while busy */

	/* The consumer's own. */
	size_t due;	   /* the number of the batch that comes out next */
	bool started, out; /* a batch has not been given back */
};

/* What a worker does until quit; arg is its struct worker. */
void *et_loader_work(void *arg);

#endif

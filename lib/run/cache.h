/*
 * Private to run: the features of pictures, kept while the layers that make them stay the same. The
 * pictures then need neither decoding nor the frozen layers again. Exact: the same bits.
 *
 * Filled in the order in which pictures come, up to its capacity. It begins empty with every
 * process, so that it cannot be stale; a file of it is removed when the process ends, however it
 * does.
 */
#ifndef ET_RUN_CACHE_H
#define ET_RUN_CACHE_H

#include "run/run.h"

struct et_cache {
	size_t floats;	   /* of one entry */
	uint32_t capacity; /* entries there is room for */
	uint32_t used;
	uint64_t variants; /* of augmentation; 1 without */
	uint32_t *slot;	   /* [samples * variants] entry + 1; 0: not there. Read by other threads */
	float *base;
	size_t bytes; /* mapped */
	/* What a pass gets to see of its images. */
	float **feature; /* [batch] */
	bool *known;
};

/*
 * Room for `capacity` entries of samples x variants, in memory, or with a directory in a file there
 * that nobody else sees. ET_ENOMEM, ET_EIO when there is no room.
 */
int et_cache_open(struct et_cache *c, size_t floats, size_t samples, uint64_t variants,
		  uint32_t capacity, size_t batch, const char *dir,
		  struct et_err *err) ET_MUST_CHECK;
void et_cache_close(struct et_cache *c);

/* Is the sample's entry there? For the loader: from any thread. arg is the cache. */
bool et_cache_known(void *arg, uint64_t epoch, uint32_t sample);
/* What c knows of a picture need not be decoded. Does nothing with NULL. */
void et_cache_serve(struct et_cache *c, struct et_loader_conf *conf);

/*
 * Sets the pass's features for images at..at+n of the batch, and moves the pictures that were
 * decoded to the beginning of their places in b->x. Without room (c may be NULL) nothing.
 */
void et_cache_begin(struct et_cache *c, const struct et_batch *b, size_t at, size_t picture_floats,
		    struct et_pass *pass);
/* After the forward pass: what it left is there from now on. */
void et_cache_end(struct et_cache *c, const struct et_batch *b, size_t at,
		  const struct et_pass *pass);

/* ---- how large ------------------------------------------------------------------------------- */

/* What a session keeps. spare: bytes of memory that nothing else needs; 0 = unknown. After
 * et_net_plan(). */
struct et_cache_plan et_cache_plan_of(const struct et_session *s, uint64_t spare);

#endif

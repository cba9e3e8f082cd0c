/* Features of pictures, in memory or in a mapped file. */
#include "run/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A file without a name; with one that is removed at once where the file system knows no other. */
static int open_file(const char *dir, struct et_err *err)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	char *path = et_asprintf("%s/cache.XXXXXX", dir);
	fd = path ? mkostemp(path, O_CLOEXEC) : -1;
	int e = errno;
	if (fd >= 0)
		unlink(path);
	free(path);
	return fd >= 0 ? fd
		       : et_fail(err, ET_EIO, "%s: the feature cache cannot be made: %s", dir,
				 strerror(e));
}

/* Blocks of the disk are taken now: a full disk shows here, not as a fault in a step. */
static int map_file(struct et_cache *c, const char *dir, struct et_err *err)
{
	int fd = open_file(dir, err);
	ET_TRY(fd);
	int e = posix_fallocate(fd, 0, (off_t)c->bytes);
	void *base =
		e ? MAP_FAILED : mmap(NULL, c->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (!e && base == MAP_FAILED)
		e = errno;
	close(fd);
	if (base == MAP_FAILED)
		return et_fail(err, ET_EIO, "%s: no room for a feature cache of %zu MB: %s", dir,
			       c->bytes / 1000000, strerror(e));
	c->base = base;
	return ET_OK;
}

static int map_memory(struct et_cache *c, struct et_err *err)
{
	void *base =
		mmap(NULL, c->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (base == MAP_FAILED)
		return et_fail(err, ET_ENOMEM, "no memory for a feature cache of %zu MB",
			       c->bytes / 1000000);
	c->base = base;
	return ET_OK;
}

int et_cache_open(struct et_cache *c, size_t floats, size_t samples, uint64_t variants,
		  uint32_t capacity, size_t batch, const char *dir, struct et_err *err)
{
	size_t entry;

	memset(c, 0, sizeof(*c));
	c->floats = floats;
	c->capacity = capacity;
	c->variants = variants;
	if (!et_mul(floats, sizeof(float), &entry) || !et_mul(entry, capacity, &c->bytes))
		return et_fail(err, ET_ENOMEM, "a feature cache beyond the addresses");
	c->slot = et_calloc(samples, (size_t)variants * sizeof(*c->slot));
	c->feature = et_calloc(batch, sizeof(*c->feature));
	c->known = et_calloc(batch, sizeof(*c->known));
	if (!c->slot || !c->feature || !c->known)
		return et_fail(err, ET_ENOMEM, "out of memory");
	return dir ? map_file(c, dir, err) : map_memory(c, err);
}

void et_cache_close(struct et_cache *c)
{
	if (c->base)
		munmap(c->base, c->bytes);
	free(c->slot);
	free(c->feature);
	free(c->known);
	memset(c, 0, sizeof(*c));
}

static uint32_t *slot_of(const struct et_cache *c, uint64_t epoch, uint32_t sample)
{
	return &c->slot[(size_t)sample * (size_t)c->variants + (size_t)(epoch % c->variants)];
}

static float *entry(const struct et_cache *c, uint32_t slot)
{
	return c->base + (size_t)(slot - 1) * c->floats;
}

bool et_cache_known(void *arg, uint64_t epoch, uint32_t sample)
{
	const struct et_cache *c = arg;
	return __atomic_load_n(slot_of(c, epoch, sample), __ATOMIC_ACQUIRE) != 0;
}

void et_cache_serve(struct et_cache *c, struct et_loader_conf *conf)
{
	if (!c)
		return;
	conf->known = et_cache_known;
	conf->known_arg = c;
}

void et_cache_begin(struct et_cache *c, const struct et_batch *b, size_t at, size_t picture_floats,
		    struct et_pass *pass)
{
	float *x = b->x + at * picture_floats;
	uint32_t next = c ? c->used : 0;
	size_t shown = 0;

	if (!c || !c->base)
		return;
	for (size_t i = 0; i < (size_t)pass->n; i++) {
		uint32_t slot = *slot_of(c, b->epoch, b->sample[at + i]);
		c->known[i] = b->known[at + i];
		c->feature[i] = NULL;
		if (c->known[i]) {
			c->feature[i] = entry(c, slot);
			continue;
		}
		/* One that has come in since it was decoded is computed again, and not kept again.
		 */
		if (!slot && next < c->capacity)
			c->feature[i] = entry(c, ++next);
		if (shown != i)
			memcpy(x + shown * picture_floats, x + i * picture_floats,
			       picture_floats * sizeof(float));
		shown++;
	}
	pass->feature = c->feature;
	pass->known = c->known;
}

void et_cache_end(struct et_cache *c, const struct et_batch *b, size_t at,
		  const struct et_pass *pass)
{
	for (size_t i = 0; pass->feature && i < (size_t)pass->n; i++) {
		if (pass->known[i] || !pass->feature[i])
			continue;
		__atomic_store_n(slot_of(c, b->epoch, b->sample[at + i]), ++c->used,
				 __ATOMIC_RELEASE);
	}
}

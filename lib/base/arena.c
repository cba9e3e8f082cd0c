/* Arenas: one mapping handed out from the bottom up, or the same arithmetic without memory. */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/base.h"

#if defined(__SANITIZE_ADDRESS__)
#define ET_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ET_ASAN 1
#endif
#endif

#ifdef ET_ASAN
#include <sanitizer/asan_interface.h>
#define RED_ZONE       64u
#define poison(p, n)   __asan_poison_memory_region(p, n)
#define unpoison(p, n) __asan_unpoison_memory_region(p, n)
#else
#define RED_ZONE       0u
#define poison(p, n)   ((void)(p), (void)(n))
#define unpoison(p, n) ((void)(p), (void)(n))
#endif

#define ALIGN 64u

struct et_arena et_arena_measure(void)
{
	return (struct et_arena){0};
}

/* Bytes to map for `size`: whole pages and at least one, so that base is never NULL. */
static bool map_length(size_t size, size_t *length)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), sum;
	if (!et_add(et_max(size, 1), page - 1, &sum))
		return false;
	*length = sum / page * page;
	return true;
}

int et_arena_open(struct et_arena *a, size_t size, struct et_err *err)
{
	*a = (struct et_arena){0};
	size_t length;
	void *base = MAP_FAILED;
	errno = ENOMEM;
	if (map_length(size, &length))
		base = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			    0);
	if (base == MAP_FAILED) {
		char text[32];
		return et_fail(err, ET_ENOMEM, "cannot reserve %s of memory: %s",
			       et_human_bytes(size, text), strerror(errno));
	}
	a->base = base;
	a->size = size;
	poison(a->base, length);
	return ET_OK;
}

void et_arena_close(struct et_arena *a)
{
	size_t length;
	if (a->base && map_length(a->size, &length)) {
		/* The addresses may be mapped again for something else. */
		unpoison(a->base, length);
		munmap(a->base, length);
	}
	*a = (struct et_arena){0};
}

void *et_arena_alloc(struct et_arena *a, size_t n, size_t size)
{
	size_t bytes, padded, next;
	if (!et_mul(n, size, &bytes) || !et_add(bytes, ALIGN - 1 + RED_ZONE, &padded) ||
	    !et_add(a->used, padded / ALIGN * ALIGN, &next) || next > SIZE_MAX - ALIGN) {
		a->failed = true;
		return NULL;
	}
	void *block;
	if (a->base) {
		if (next > a->size) {
			a->failed = true;
			return NULL;
		}
		block = a->base + a->used;
		unpoison(block, bytes);
	} else {
		/* Never NULL, and aligned as the real one would be. */
		block = (void *)(uintptr_t)(a->used + ALIGN);
	}
	a->used = next;
	a->peak = et_max(a->peak, next);
	return block;
}

size_t et_arena_mark(const struct et_arena *a)
{
	return a->used;
}

void et_arena_release(struct et_arena *a, size_t mark)
{
	assert(mark <= a->used && mark % ALIGN == 0);
	if (a->base)
		poison(a->base + mark, a->used - mark);
	a->used = mark;
}

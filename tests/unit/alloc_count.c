#include "alloc_count.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define REPLACED 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define REPLACED 0
#endif
#endif
#if !defined(REPLACED) && defined(__GLIBC__)
#define REPLACED 1
#elif !defined(REPLACED)
#define REPLACED 0
#endif

static atomic_bool counting;
static atomic_long calls;

bool alloc_counts(void)
{
	return REPLACED;
}

void alloc_count_start(void)
{
	atomic_store(&calls, 0);
	atomic_store(&counting, true);
}

long alloc_count_stop(void)
{
	atomic_store(&counting, false);
	return atomic_load(&calls);
}

#if REPLACED
static void count(void)
{
	if (atomic_load(&counting))
		atomic_fetch_add(&calls, 1);
}

/* glibc's own names of what is replaced here. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);
void __libc_free(void *p);

void *malloc(size_t n)
{
	count();
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	count();
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	count();
	return __libc_realloc(p, n);
}

void *memalign(size_t align, size_t n);
void *memalign(size_t align, size_t n)
{
	count();
	return __libc_memalign(align, n);
}

void *aligned_alloc(size_t align, size_t n)
{
	count();
	return __libc_memalign(align, n);
}

int posix_memalign(void **p, size_t align, size_t n)
{
	count();
	*p = __libc_memalign(align, n);
	return *p ? 0 : ENOMEM;
}

void free(void *p)
{
	count();
	__libc_free(p);
}

void *mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
	count();
#ifdef SYS_mmap2
	return (void *)syscall(SYS_mmap2, at, n, prot, flags, fd, offset >> 12);
#else
	return (void *)syscall(SYS_mmap, at, n, prot, flags, fd, offset);
#endif
}

int munmap(void *at, size_t n)
{
	count();
	return (int)syscall(SYS_munmap, at, n);
}
#endif

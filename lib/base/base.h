/*
 * The ground floor: errors, arenas, counter-based random numbers, durable files, small text
 * helpers. Depends on nothing above it; everything else may use it.
 */
#ifndef ET_BASE_BASE_H
#define ET_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/tools.h"

#define ET_COUNT(a) (sizeof(a) / sizeof((a)[0]))

static inline size_t et_min(size_t a, size_t b)
{
	return a < b ? a : b;
}
static inline size_t et_max(size_t a, size_t b)
{
	return a > b ? a : b;
}
static inline size_t et_ceil_div(size_t a, size_t b)
{
	return (a + b - 1) / b;
}
static inline size_t et_round_up(size_t n, size_t to)
{
	return et_ceil_div(n, to) * to;
}

/* ---- arenas ---------------------------------------------------------------------------------- */

/*
 * One reserved block, handed out from the bottom up. Invariants: used <= peak; every address handed
 * out is a multiple of 64; with base == NULL the arena measures: the same calls succeed, return
 * pointers that must not be followed, and only `peak` is of interest. So a plan and the run that
 * follows it execute the same code and cannot disagree. Sizes in bytes.
 */
struct et_arena {
	unsigned char *base;
	size_t size;
	size_t used;
	size_t peak;
	bool failed; /* an allocation did not fit or overflowed; sticky */
};

/* An arena that only measures. */
struct et_arena et_arena_measure(void);

/* Reserves size bytes of zeroed, page-aligned memory in one mmap. ET_ENOMEM if refused. */
int et_arena_open(struct et_arena *a, size_t size, struct et_err *err) ET_MUST_CHECK;
void et_arena_close(struct et_arena *a);

/*
 * n * size bytes, 64-byte aligned; not zeroed after a release. NULL when it does not fit (sets
 * failed), never in measuring mode unless n * size overflows. Under AddressSanitizer each block is
 * followed by a poisoned red zone, and et_arena_release() poisons what it releases.
 */
void *et_arena_alloc(struct et_arena *a, size_t n, size_t size);

/* Mark and release: everything allocated after the mark is free again. */
size_t et_arena_mark(const struct et_arena *a);
void et_arena_release(struct et_arena *a, size_t mark);

/* *out = a * b, or false on overflow; the same for sums. */
bool et_mul(size_t a, size_t b, size_t *out);
bool et_add(size_t a, size_t b, size_t *out);

/* Heap memory for set-up code (never inside a step): zeroed; NULL on overflow or when refused. */
void *et_calloc(size_t n, size_t size);
char *et_strdup(const char *s);
/* printf into a fresh heap string; NULL when memory is refused. The caller frees it. */
char *et_asprintf(const char *fmt, ...) ET_PRINTF(1, 2);

/* ---- random numbers -------------------------------------------------------------------------- */

/*
 * Philox4x32-10 (Salmon et al., SC 2011): out = bijection(counter, key). No state: the same
 * (key, counter) gives the same numbers in any order, on any thread, after any resume.
 */
void et_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4]);

/* What a random number is drawn for; keeps streams of one seed apart. */
enum et_stream {
	ET_STREAM_INIT = 1,    /* initial weights: (param index, element) */
	ET_STREAM_SHUFFLE = 2, /* order of an epoch: (epoch, position) */
	ET_STREAM_AUGMENT = 3, /* one sample's augmentation: (epoch, sample) */
	ET_STREAM_DROPOUT = 4, /* (step, layer, element) */
	ET_STREAM_SPLIT = 5,   /* train/val split */
	ET_STREAM_MODE = 6,    /* gradient modes: (step, layer, element) */
	ET_STREAM_TEST = 7,
	ET_STREAM_BENCH = 8 /* order of modes in a round */
};

/* A short stream of numbers for one (seed, stream, a, b): at most 2^32 blocks of four. */
struct et_rng {
	uint32_t key[2];
	uint32_t counter[4];
	uint32_t block[4];
	unsigned have;
};
struct et_rng et_rng_open(uint64_t seed, enum et_stream stream, uint64_t a, uint32_t b);
uint32_t et_rng_u32(struct et_rng *r);
/* Uniform in [0,1): 24 bits. */
float et_rng_unit(struct et_rng *r);
/* Uniform integer in [0,n), n > 0, unbiased. */
uint32_t et_rng_below(struct et_rng *r, uint32_t n);
/* Standard normal (Box-Muller). */
float et_rng_normal(struct et_rng *r);

/* Fisher-Yates shuffle of the numbers 0..n-1 into p, a function of (seed, stream, a) alone. */
void et_rng_permutation(uint64_t seed, enum et_stream stream, uint64_t a, uint32_t *p, uint32_t n);

/* ---- files ----------------------------------------------------------------------------------- */

bool et_path_exists(const char *path);
bool et_path_is_dir(const char *path);
/* Do both name one file that is there, by whatever names? */
bool et_path_same(const char *a, const char *b);

/*
 * Opens a regular file to read. A missing or forbidden one is ET_ENOINPUT, a directory, pipe or
 * device ET_EDATA. *fd is -1 on failure. size may be what the file no longer is when it is read.
 */
int et_file_open(const char *path, int *fd, uint64_t *size, struct et_err *err) ET_MUST_CHECK;

/*
 * Reads a whole regular file, to its end; *size excludes the terminating NUL that is added.
 * max 0 = no limit, else a longer file is ET_EDATA. Other errors as et_file_open().
 */
int et_file_read(const char *path, size_t max, char **text, size_t *size,
		 struct et_err *err) ET_MUST_CHECK;

/*
 * Durable replacement of a file: bytes go to a temporary file in the same directory; commit
 * fsyncs it, renames it over the target and fsyncs the directory. Until commit returns 0 the target
 * is what it was before. An uncommitted writer leaves nothing behind after et_writer_abort().
 * A failed write is remembered and reported by sync or commit, so that callers may check once.
 * A link as target is written through; a directory or device as target is ET_ECREATE.
 */
struct et_writer {
	char *path, *temp;
	int fd;
	uint32_t crc;	/* CRC-32 of the bytes written so far (zlib's) */
	uint64_t bytes; /* written so far */
	int failed;	/* errno of the first failure */
	bool synced;	/* nothing was put since the last fsync */
	bool counts;	/* and writes nothing: et_writer_count() */
	size_t fill;	/* bytes waiting in buf */
	unsigned char buf[65536];
};
int et_writer_open(struct et_writer *w, const char *path, struct et_err *err) ET_MUST_CHECK;
/* A writer that writes nothing: bytes and CRC-32 of a file to be. Neither committed nor aborted. */
void et_writer_count(struct et_writer *w);
void et_writer_put(struct et_writer *w, const void *data, size_t n);
/* Flush and fsync the temporary file, without renaming it yet. On failure the caller aborts. */
int et_writer_sync(struct et_writer *w, struct et_err *err) ET_MUST_CHECK;
/*
 * et_writer_sync() if not done, rename, fsync the directory. Always closes: on failure the
 * temporary file is gone. Only if the last step fails, which the text says, is the target already
 * the new file.
 */
int et_writer_commit(struct et_writer *w, struct et_err *err) ET_MUST_CHECK;
/* Does nothing after a commit or a failed open. */
void et_writer_abort(struct et_writer *w);

/* ---- text ------------------------------------------------------------------------------------ */

/*
 * Bytes of the UTF-8 character at s[0..n), its code point in *cp; 0 if there is none (n = 0, cut
 * off, overlong, surrogate, beyond U+10FFFF).
 */
size_t et_utf8_next(const char *s, size_t n, uint32_t *cp);

/*
 * Shell-style match of a whole name: * matches any run (dots too), ? one character, [a-c] a set,
 * [!a-c] its complement.
 */
bool et_glob_match(const char *glob, const char *name);

#endif

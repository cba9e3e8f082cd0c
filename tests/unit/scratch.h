/* A directory of its own for each test that works with files. */
#ifndef TESTS_SCRATCH_H
#define TESTS_SCRATCH_H

#include <stddef.h>

/*
 * A checked fixture: makes the directory, and removes it with all that is in it. Undoes what a test
 * did to the limit, the mask and the current directory, for those who run all tests in one process.
 */
void scratch_open(void);
void scratch_close(void);

/* "directory/name"; good for the next seven calls. "" is the directory itself. */
const char *scratch_path(const char *name);

/* Writes a file there by plain stdio and returns its path. */
const char *scratch_put(const char *name, const void *data, size_t n);

/* Does the file hold exactly these bytes? */
int scratch_holds(const char *name, const void *data, size_t n);

/*
 * Until the test ends no file can grow beyond so many bytes: a full disk for those who cannot mount
 * one. The write that reaches the limit is short, the next one fails with EFBIG.
 */
void scratch_limit(size_t bytes);

/* Entries of the directory, besides . and .. */
int scratch_count(void);

#endif

/*
 * Small tools that the library shares with the programs that use it: words, numbers, sizes, time,
 * directories, and the durable writing of a small file.
 */
#ifndef ET_BASE_TOOLS_H
#define ET_BASE_TOOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

/*
 * The candidate nearest to word by edit distance (case ignored, swapped neighbours count once),
 * else the nearest that begins with it, or NULL when none is near. n candidates.
 */
const char *et_nearest(const char *word, const char *const *candidates, size_t n);

/*
 * Choices are words between bars, "sgd|adam|adamw". The index of a word, -1 if it is none of them
 * or choices is NULL; and the i-th word, which is there: *word points to it, its length is
 * returned.
 */
int et_choice_index(const char *choices, const char *word);
int et_choice_word(const char *choices, int i, const char **word);

/*
 * Whole-string numbers, independent of the locale; false on anything else (trailing text, overflow,
 * NaN). et_parse_size takes K, M, G (powers of 1024, an i and B may follow; then a fraction too).
 */
bool et_parse_f64(const char *s, double *v);
bool et_parse_i64(const char *s, int64_t *v);
bool et_parse_size(const char *s, uint64_t *v);

/* Seconds of a duration: "90", "45m", "8h", "1h30m", "2d"; d, h, m, s in this order, fractions of
 * the last. */
bool et_parse_duration(const char *s, double *seconds);
/* Joules of "500", "500J", "20kJ", "1.5MJ", "50Wh", "0.2kWh". */
bool et_parse_energy(const char *s, double *joules);
/* Minutes since midnight of "HH:MM", from 0:00 to 23:59. */
bool et_parse_clock(const char *s, int *minutes);

/* "12.3 MB" style text of a byte count (powers of 1000) into buf; returns buf. */
const char *et_human_bytes(uint64_t n, char buf[32]);

/* A text as a cell of CSV, quoted where it has to be (RFC 4180). */
void et_csv_text(FILE *out, const char *text);

/* CLOCK_MONOTONIC in seconds. */
double et_now(void);

/* "dir/name" on the heap; NULL: out of memory. */
char *et_path_join(const char *dir, const char *name);
/* mkdir -p. ET_ECREATE if it cannot be made. */
int et_dir_make(const char *path, struct et_err *err) ET_MUST_CHECK;

/*
 * Replaces a file by these bytes, durably: a temporary file beside it, fsync, rename, fsync of the
 * directory. Until it returns 0 the file is what it was. ET_ECREATE, ET_EIO.
 */
int et_file_write(const char *path, const void *data, size_t n, struct et_err *err) ET_MUST_CHECK;

#endif

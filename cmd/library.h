/*
 * Small helpers of libedgetrain.a that the command uses too. Declared here as they are in
 * lib/base/base.h, which documents them and is not part of the public face.
 */
#ifndef CMD_LIBRARY_H
#define CMD_LIBRARY_H

#include "edgetrain.h"

const char *et_nearest(const char *word, const char *const *candidates, size_t n);
bool et_parse_f64(const char *s, double *v);
bool et_parse_i64(const char *s, int64_t *v);
bool et_parse_size(const char *s, uint64_t *v);
const char *et_human_bytes(uint64_t n, char buf[32]);
double et_now(void);
int et_file_write(const char *path, const void *data, size_t n, struct et_err *err) ET_MUST_CHECK;

#endif

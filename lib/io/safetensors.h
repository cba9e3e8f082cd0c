/* Inside lib/io only: what reading and writing safetensors share. */
#ifndef ET_IO_SAFETENSORS_H
#define ET_IO_SAFETENSORS_H

#include "io/io.h"

/* The largest integer of a header: what every JSON reader keeps exactly. */
#define ET_ST_MAX_INTEGER ((UINT64_C(1) << 53) - 1)

struct et_st_dtype {
	const char *name;
	unsigned bits; /* of one element */
	enum et_dtype dtype;
};

/* In the order of the reference implementation, which sorts the tensors it writes by it, backwards.
 */
extern const struct et_st_dtype et_st_dtypes[];
extern const size_t et_st_dtypes_n;

/* NULL if there is none of that name, or for ET_DTYPE_OTHER. */
const struct et_st_dtype *et_st_dtype_named(const char *name);
const struct et_st_dtype *et_st_dtype_of(enum et_dtype dtype);

/* *count = product of the shape from the left, as the reference computes it; false on overflow. */
bool et_st_count(int rank, const uint64_t *shape, uint64_t *count);

/*
 * Parses the header text[0..n) into st->tensors, st->meta and their numbers; text is decoded in
 * place and stays referred to. Leaves the checks that need all tensors to et_st_check().
 */
int et_st_parse(struct et_st *st, char *text, size_t n, struct et_err *err) ET_MUST_CHECK;

/* Sorts and checks what et_st_parse() found against the number of bytes of data. */
int et_st_check(struct et_st *st, uint64_t data_bytes, struct et_err *err) ET_MUST_CHECK;

#endif

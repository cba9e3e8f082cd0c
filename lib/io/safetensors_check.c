/* safetensors headers: what holds for dtypes and for all tensors together. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "io/safetensors.h"
#include "io/scan.h"

const struct et_st_dtype et_st_dtypes[] = {
	{"BOOL", 8, ET_DTYPE_OTHER},
	{"F4", 4, ET_DTYPE_OTHER},
	{"F6_E2M3", 6, ET_DTYPE_OTHER},
	{"F6_E3M2", 6, ET_DTYPE_OTHER},
	{"U8", 8, ET_U8},
	{"I8", 8, ET_DTYPE_OTHER},
	{"F8_E5M2", 8, ET_DTYPE_OTHER},
	{"F8_E4M3", 8, ET_DTYPE_OTHER},
	{"F8_E8M0", 8, ET_DTYPE_OTHER},
	{"F8_E4M3FNUZ", 8, ET_DTYPE_OTHER},
	{"F8_E5M2FNUZ", 8, ET_DTYPE_OTHER},
	{"I16", 16, ET_DTYPE_OTHER},
	{"U16", 16, ET_DTYPE_OTHER},
	{"F16", 16, ET_F16},
	{"BF16", 16, ET_BF16},
	{"I32", 32, ET_I32},
	{"U32", 32, ET_DTYPE_OTHER},
	{"F32", 32, ET_F32},
	{"C64", 64, ET_DTYPE_OTHER},
	{"F64", 64, ET_F64},
	{"I64", 64, ET_I64},
	{"U64", 64, ET_DTYPE_OTHER},
};
const size_t et_st_dtypes_n = ET_COUNT(et_st_dtypes);

const struct et_st_dtype *et_st_dtype_named(const char *name)
{
	for (size_t i = 0; i < et_st_dtypes_n; i++)
		if (!strcmp(et_st_dtypes[i].name, name))
			return &et_st_dtypes[i];
	return NULL;
}

const struct et_st_dtype *et_st_dtype_of(enum et_dtype dtype)
{
	for (size_t i = 0; i < et_st_dtypes_n; i++)
		if (et_st_dtypes[i].dtype == dtype && dtype != ET_DTYPE_OTHER)
			return &et_st_dtypes[i];
	return NULL;
}

bool et_st_count(int rank, const uint64_t *shape, uint64_t *count)
{
	uint64_t product = 1;
	for (int i = 0; i < rank; i++)
		if (__builtin_mul_overflow(product, shape[i], &product))
			return false;
	*count = product;
	return true;
}

static int by_offset(const void *a, const void *b)
{
	const struct et_st_tensor *x = a, *y = b;
	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	if (x->end != y->end)
		return x->end < y->end ? -1 : 1;
	return strcmp(x->name, y->name);
}

struct name {
	const char *name;
	uint32_t index;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->name, ((const struct name *)b)->name);
}

/* Sorts names[0..n) and fails if two are equal. */
static int sort_names(const struct et_st *st, struct name *names, size_t n, const char *what,
		      struct et_err *err)
{
	qsort(names, n, sizeof(*names), by_name);
	for (size_t i = 1; i < n; i++)
		if (!strcmp(names[i - 1].name, names[i].name)) {
			char shown[100];
			return et_fail(err, ET_EDATA, "%s: %s \"%s\" appears twice in the header",
				       st->path, what, et_scan_shown(names[i].name, shown));
		}
	return ET_OK;
}

static int check_names(struct et_st *st, struct et_err *err)
{
	struct name *names = et_calloc(et_max(st->n, st->n_meta), sizeof(*names));
	st->by_name = et_calloc(st->n, sizeof(*st->by_name));
	int rc = names && st->by_name ? ET_OK
				      : et_fail(err, ET_ENOMEM,
						"%s: out of memory reading the header", st->path);
	if (rc == ET_OK) {
		for (size_t i = 0; i < st->n_meta; i++)
			names[i].name = st->meta[2 * i];
		rc = sort_names(st, names, st->n_meta, "the key of __metadata__", err);
	}
	if (rc == ET_OK) {
		for (size_t i = 0; i < st->n; i++)
			names[i] = (struct name){st->tensors[i].name, (uint32_t)i};
		rc = sort_names(st, names, st->n, "tensor", err);
		for (size_t i = 0; i < st->n; i++)
			st->by_name[i] = names[i].index;
	}
	free(names);
	return rc;
}

/* Does the size that t claims by its offsets follow from its shape and dtype? Sets t->count. */
static int check_size(const struct et_st *st, struct et_st_tensor *t, struct et_err *err)
{
	char shape[128], shown[100];
	et_st_shape_text(t->rank, t->shape, shape);
	et_scan_shown(t->name, shown);
	uint64_t bits;
	if (!et_st_count(t->rank, t->shape, &t->count) ||
	    __builtin_mul_overflow(t->count, et_st_dtype_named(t->dtype_name)->bits, &bits))
		return et_fail(err, ET_EDATA, "%s: tensor \"%s\": the size of %s %s overflows",
			       st->path, shown, t->dtype_name, shape);
	if (bits % 8)
		return et_fail(err, ET_EDATA,
			       "%s: tensor \"%s\": %s %s does not end at a whole byte", st->path,
			       shown, t->dtype_name, shape);
	if (t->end - t->begin != bits / 8)
		return et_fail(err, ET_EDATA,
			       "%s: tensor \"%s\": %s %s needs %" PRIu64
			       " bytes, its data_offsets hold %" PRIu64,
			       st->path, shown, t->dtype_name, shape, bits / 8, t->end - t->begin);
	return ET_OK;
}

int et_st_check(struct et_st *st, uint64_t data_bytes, struct et_err *err)
{
	if (st->n > 1)
		qsort(st->tensors, st->n, sizeof(*st->tensors), by_offset);
	/* First, since a name that appears twice would else be reported as an overlap. */
	ET_TRY(check_names(st, err));
	uint64_t at = 0;
	for (size_t i = 0; i < st->n; i++) {
		struct et_st_tensor *t = &st->tensors[i];
		if (t->begin != at || t->end < t->begin) {
			char shown[100];
			return et_fail(
				err, ET_EDATA,
				"%s: tensor \"%s\": expected data_offsets that begin at %" PRIu64
				", found [%" PRIu64 ",%" PRIu64 "]",
				st->path, et_scan_shown(t->name, shown), at, t->begin, t->end);
		}
		ET_TRY(check_size(st, t, err));
		at = t->end;
	}
	if (at != data_bytes)
		return et_fail(err, ET_EDATA,
			       "%s: expected %" PRIu64
			       " bytes of data after the header, found %" PRIu64 "%s",
			       st->path, at, data_bytes,
			       at > data_bytes ? " (the file is cut off)"
					       : " (something is hidden behind it)");
	return ET_OK;
}

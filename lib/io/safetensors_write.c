/* safetensors files as the reference writer makes them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/safetensors.h"
#include "io/scan.h"

struct item {
	const struct et_st_out *out;
	const struct et_st_dtype *dtype;
	size_t index; /* in the caller's array */
	uint64_t bytes;
};

/* By dtype, the last of the reference's list first, then by name. */
static int by_dtype_and_name(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	if (x->dtype != y->dtype)
		return x->dtype > y->dtype ? -1 : 1;
	return strcmp(x->out->name, y->out->name);
}

static int check_item(struct item *item, struct et_err *err)
{
	const struct et_st_out *out = item->out;
	char shown[100];
	et_scan_shown(out->name, shown);
	uint64_t count;
	item->dtype = et_st_dtype_of(out->dtype);
	if (!item->dtype || out->rank < 0 || out->rank > ET_ST_MAX_RANK)
		return et_fail(err, ET_EINTERNAL,
			       "tensor \"%s\": dtype or rank not for safetensors", shown);
	if (!et_st_count(out->rank, out->shape, &count) ||
	    __builtin_mul_overflow(count, item->dtype->bits / 8, &item->bytes))
		return et_fail(err, ET_EINTERNAL, "tensor \"%s\": its size overflows", shown);
	return ET_OK;
}

/* Sorted and with their sizes; the caller frees, even on failure. */
static int make_items(const struct et_st_out *tensors, size_t n, struct item **items,
		      struct et_err *err)
{
	struct item *list = et_calloc(n, sizeof(*list));
	*items = list;
	if (!list)
		return et_fail(err, ET_ENOMEM, "out of memory writing safetensors");
	for (size_t i = 0; i < n; i++) {
		list[i] = (struct item){.out = &tensors[i], .index = i};
		ET_TRY(check_item(&list[i], err));
	}
	if (n > 1)
		qsort(list, n, sizeof(*list), by_dtype_and_name);
	return ET_OK;
}

/* A JSON string, escaped as the reference does: only what must be. */
static int put_string(FILE *f, const char *s, struct et_err *err)
{
	size_t n = strlen(s), len;
	uint32_t cp;
	for (size_t i = 0; i < n; i += len) {
		len = et_utf8_next(s + i, n - i, &cp);
		if (!len) {
			char shown[100];
			return et_fail(err, ET_EDATA,
				       "\"%s\" is not UTF-8 and cannot be stored in safetensors",
				       et_scan_shown(s, shown));
		}
	}
	fputc('"', f);
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		const char *brief = c < 0x20 || c == '"' || c == '\\'
					    ? strchr("\bb\tt\nn\ff\rr\"\"\\\\", c)
					    : NULL;
		if (brief)
			fprintf(f, "\\%c", brief[1]);
		else if (c < 0x20)
			fprintf(f, "\\u%04x", c);
		else
			fputc(c, f);
	}
	fputc('"', f);
	return ET_OK;
}

static int put_header(FILE *f, const struct item *items, size_t n, const char *const *meta,
		      size_t n_meta, struct et_err *err)
{
	fputc('{', f);
	if (n_meta) {
		fputs("\"__metadata__\":{", f);
		for (size_t i = 0; i < 2 * n_meta; i++) {
			ET_TRY(put_string(f, meta[i], err));
			if (i + 1 < 2 * n_meta)
				fputc(i % 2 ? ',' : ':', f);
		}
		fputs(n ? "}," : "}", f);
	}
	uint64_t at = 0;
	for (size_t i = 0; i < n; i++) {
		const struct et_st_out *out = items[i].out;
		if (i)
			fputc(',', f);
		ET_TRY(put_string(f, out->name, err));
		fprintf(f, ":{\"dtype\":\"%s\",\"shape\":[", items[i].dtype->name);
		for (int j = 0; j < out->rank; j++)
			fprintf(f, j ? ",%" PRIu64 : "%" PRIu64, out->shape[j]);
		uint64_t end;
		if (__builtin_add_overflow(at, items[i].bytes, &end) || end > ET_ST_MAX_INTEGER)
			return et_fail(err, ET_EINTERNAL, "the size of all tensors overflows");
		fprintf(f, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", at, end);
		at = end;
	}
	fputc('}', f);
	return ET_OK;
}

/* The header text, padded with spaces; the caller frees *text even on failure. */
static int make_header(const struct item *items, size_t n, const char *const *meta, size_t n_meta,
		       char **text, size_t *size, struct et_err *err)
{
	*text = NULL;
	FILE *f = open_memstream(text, size);
	if (!f)
		return et_fail(err, ET_ENOMEM, "out of memory writing safetensors");
	int rc = put_header(f, items, n, meta, n_meta, err);
	while (rc == ET_OK && !ferror(f) && ftell(f) % 8)
		fputc(' ', f);
	bool bad = ferror(f);
	bad = fclose(f) != 0 || bad;
	if (rc == ET_OK && bad)
		rc = et_fail(err, ET_ENOMEM, "out of memory writing safetensors");
	if (rc == ET_OK && *size > ET_ST_MAX_HEADER)
		rc = et_fail(err, ET_EDATA,
			     "the names and metadata need a header of %zu bytes, more than the "
			     "limit of %u",
			     *size, ET_ST_MAX_HEADER);
	return rc;
}

static int put_data(struct et_writer *w, const struct item *item,
		    int (*put)(void *arg, size_t i, struct et_writer *w), void *arg,
		    struct et_err *err)
{
	uint64_t before = w->bytes;
	char shown[100];
	if (err) {
		err->code = 0;
		err->text[0] = '\0';
	}
	int rc = put(arg, item->index, w);
	/* put may share err with the caller, and then has said more than can be said here. */
	if (rc < 0 && err && err->code == 0)
		et_fail(err, rc, "tensor \"%s\" could not be written",
			et_scan_shown(item->out->name, shown));
	if (rc >= 0 && w->bytes - before != item->bytes)
		rc = et_fail(err, ET_EINTERNAL,
			     "tensor \"%s\": expected %" PRIu64
			     " bytes to be written, found %" PRIu64,
			     et_scan_shown(item->out->name, shown), item->bytes, w->bytes - before);
	return rc < 0 ? rc : ET_OK;
}

/* A file that the reader would refuse must not come about: equal names, too many, too long. */
static int check_header(const struct et_writer *w, const char *header, size_t size,
			const struct item *items, size_t n, struct et_err *err)
{
	uint64_t bytes = 0;
	for (size_t i = 0; i < n; i++)
		bytes += items[i].bytes;
	struct et_st st = {.fd = -1, .path = w->path, .header = malloc(size + 1)};
	int rc = ET_OK;
	if (!st.header) {
		rc = et_fail(err, ET_ENOMEM, "out of memory writing safetensors");
	} else {
		memcpy(st.header, header, size);
		rc = et_st_parse(&st, st.header, size, err);
		if (rc == ET_OK)
			rc = et_st_check(&st, bytes, err);
		if (rc == ET_EDATA) {
			rc = ET_EINTERNAL;
			if (err)
				err->code = rc;
		}
	}
	st.path = NULL; /* the writer's */
	et_st_close(&st);
	return rc;
}

int et_st_write(struct et_writer *w, const struct et_st_out *tensors, size_t n,
		const char *const *meta, size_t n_meta,
		int (*put)(void *arg, size_t i, struct et_writer *w), void *arg, struct et_err *err)
{
	struct item *items = NULL;
	char *header = NULL;
	size_t size = 0;
	int rc = make_items(tensors, n, &items, err);
	if (rc == ET_OK)
		rc = make_header(items, n, meta, n_meta, &header, &size, err);
	if (rc == ET_OK)
		rc = check_header(w, header, size, items, n, err);
	if (rc == ET_OK) {
		unsigned char head[8];
		for (int i = 0; i < 8; i++)
			head[i] = (unsigned char)((uint64_t)size >> (8 * i));
		et_writer_put(w, head, sizeof(head));
		et_writer_put(w, header, size);
	}
	/* After a failed write there is no point in going on: the caller's commit reports it. */
	for (size_t i = 0; rc == ET_OK && i < n && !w->failed; i++)
		rc = put_data(w, &items[i], put, arg, err);
	free(header);
	free(items);
	return rc;
}

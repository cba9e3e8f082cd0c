/* safetensors headers: from hostile JSON to tensors, one entry at a time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/safetensors.h"
#include "io/scan.h"

#define DEPTH_MAX 8

struct parse {
	struct et_scan scan;
	struct et_st *st;
	char *text;
	size_t tensors_cap, meta_cap;
};

/* The next token, which must be of one kind. */
static int expect(struct parse *p, int kind, const char *what, struct et_err *err)
{
	int found = et_scan_next(&p->scan, err);
	ET_TRY(found);
	if (found != kind)
		return et_scan_fail(&p->scan, p->scan.from, err, "expected %s as %s, found %s",
				    et_scan_kind_name(kind), what, et_scan_kind_name(found));
	return ET_OK;
}

/* The string or key just scanned, decoded in place. */
static char *decode(struct parse *p)
{
	char *s = p->text + p->scan.from;
	et_scan_decode(p->text, p->scan.from, p->scan.to, s);
	return s;
}

/* Room for one more of `size` bytes in items[0..n). NULL: out of memory, items untouched. */
static void *grow(void *items, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return items;
	size_t more = *cap ? *cap * 2 : 64;
	void *moved = realloc(items, more * size);
	if (moved)
		*cap = more;
	return moved;
}

static int no_memory(const struct et_st *st, struct et_err *err)
{
	return et_fail(err, ET_ENOMEM, "%s: out of memory reading the header", st->path);
}

/* A plain unsigned integer: no sign, fraction or exponent, and exact in every JSON reader. */
static int parse_uint(struct parse *p, const char *what, uint64_t *v, struct et_err *err)
{
	const struct et_scan *s = &p->scan;
	uint64_t x = 0;
	for (size_t i = s->from; i < s->to; i++) {
		char c = s->text[i];
		if (c < '0' || c > '9')
			return et_scan_fail(s, s->from, err,
					    "expected an unsigned integer in %s, found %.*s", what,
					    (int)(s->to - s->from), s->text + s->from);
		x = x * 10 + (uint64_t)(c - '0');
		if (x > ET_ST_MAX_INTEGER)
			return et_scan_fail(s, s->from, err, "the number %.*s in %s is too large",
					    (int)(s->to - s->from), s->text + s->from, what);
	}
	*v = x;
	return ET_OK;
}

/* An array of at most max unsigned integers; returns how many. */
static int parse_uints(struct parse *p, const char *what, uint64_t *v, int max, struct et_err *err)
{
	ET_TRY(expect(p, ET_SCAN_ARRAY, what, err));
	for (int n = 0;; n++) {
		int kind = et_scan_next(&p->scan, err);
		ET_TRY(kind);
		if (kind == ET_SCAN_ARRAY_END)
			return n;
		if (kind != ET_SCAN_NUMBER)
			return et_scan_fail(&p->scan, p->scan.from, err,
					    "expected an unsigned integer in %s, found %s", what,
					    et_scan_kind_name(kind));
		if (n == max)
			return et_scan_fail(&p->scan, p->scan.from, err,
					    "more than %d numbers in %s", max, what);
		ET_TRY(parse_uint(p, what, &v[n], err));
	}
}

static int parse_dtype(struct parse *p, struct et_st_tensor *t, struct et_err *err)
{
	ET_TRY(expect(p, ET_SCAN_STRING, "dtype", err));
	const char *name = decode(p);
	const struct et_st_dtype *d = et_st_dtype_named(name);
	if (!d) {
		char shown[100];
		return et_scan_fail(&p->scan, p->scan.from, err, "unknown dtype \"%s\"",
				    et_scan_shown(name, shown));
	}
	t->dtype = d->dtype;
	snprintf(t->dtype_name, sizeof(t->dtype_name), "%s", name);
	return ET_OK;
}

static int skip_value(struct parse *p, struct et_err *err)
{
	unsigned depth = p->scan.depth;
	do
		ET_TRY(et_scan_next(&p->scan, err));
	while (p->scan.depth > depth);
	return ET_OK;
}

/* The value of a tensor's key. */
static int parse_entry(struct parse *p, struct et_st_tensor *t, struct et_err *err)
{
	static const char *const names[] = {"dtype", "shape", "data_offsets"};
	uint64_t offsets[2] = {0, 0};
	unsigned seen = 0;
	ET_TRY(expect(p, ET_SCAN_OBJECT, "a tensor's entry", err));
	for (;;) {
		int kind = et_scan_next(&p->scan, err);
		ET_TRY(kind);
		if (kind == ET_SCAN_OBJECT_END)
			break;
		const char *key = decode(p);
		size_t i = 0;
		while (i < ET_COUNT(names) && strcmp(key, names[i]))
			i++;
		if (i < ET_COUNT(names) && seen & 1u << i)
			return et_scan_fail(&p->scan, p->scan.from, err, "a second \"%s\"",
					    names[i]);
		seen |= 1u << i;
		int rc = 0;
		if (i == 0) {
			rc = parse_dtype(p, t, err);
		} else if (i == 1) {
			rc = parse_uints(p, names[i], t->shape, ET_ST_MAX_RANK, err);
			t->rank = rc;
		} else if (i == 2) {
			rc = parse_uints(p, names[i], offsets, 2, err);
			if (rc == 0 || rc == 1)
				rc = et_scan_fail(&p->scan, p->scan.at, err,
						  "expected two numbers in data_offsets, found %d",
						  rc);
		} else {
			rc = skip_value(p, err);
		}
		ET_TRY(rc);
	}
	for (size_t i = 0; i < ET_COUNT(names); i++)
		if (!(seen & 1u << i))
			return et_scan_fail(&p->scan, p->scan.from, err, "\"%s\" is missing",
					    names[i]);
	t->begin = offsets[0];
	t->end = offsets[1];
	return ET_OK;
}

static int parse_tensor(struct parse *p, char *name, struct et_err *err)
{
	struct et_st *st = p->st;
	if (strlen(name) > ET_ST_MAX_NAME)
		return et_scan_fail(&p->scan, p->scan.from, err,
				    "a tensor's name is longer than the limit of %d bytes",
				    ET_ST_MAX_NAME);
	if (st->n == ET_ST_MAX_TENSORS)
		return et_scan_fail(&p->scan, p->scan.from, err, "more than %u tensors",
				    ET_ST_MAX_TENSORS);
	void *items = grow(st->tensors, st->n, &p->tensors_cap, sizeof(*st->tensors));
	if (!items)
		return no_memory(st, err);
	st->tensors = items;
	struct et_st_tensor *t = &st->tensors[st->n];
	*t = (struct et_st_tensor){.name = name};
	p->scan.inside = name;
	ET_TRY(parse_entry(p, t, err));
	p->scan.inside = NULL;
	st->n++;
	return ET_OK;
}

static int parse_meta(struct parse *p, struct et_err *err)
{
	struct et_st *st = p->st;
	ET_TRY(expect(p, ET_SCAN_OBJECT, "__metadata__", err));
	for (;;) {
		int kind = et_scan_next(&p->scan, err);
		ET_TRY(kind);
		if (kind == ET_SCAN_OBJECT_END)
			return ET_OK;
		if (st->n_meta == ET_ST_MAX_TENSORS)
			return et_scan_fail(&p->scan, p->scan.from, err,
					    "more than %u entries in __metadata__",
					    ET_ST_MAX_TENSORS);
		void *items = grow(st->meta, st->n_meta, &p->meta_cap, 2 * sizeof(*st->meta));
		if (!items)
			return no_memory(st, err);
		st->meta = items;
		char *key = decode(p);
		ET_TRY(expect(p, ET_SCAN_STRING, "a value in __metadata__", err));
		st->meta[2 * st->n_meta] = key;
		st->meta[2 * st->n_meta + 1] = decode(p);
		st->n_meta++;
	}
}

int et_st_parse(struct et_st *st, char *text, size_t n, struct et_err *err)
{
	struct parse p = {
		.scan = et_scan_open(text, n, st->path, false, DEPTH_MAX), .st = st, .text = text};
	bool meta = false;
	ET_TRY(expect(&p, ET_SCAN_OBJECT, "the header", err));
	for (;;) {
		int kind = et_scan_next(&p.scan, err);
		ET_TRY(kind);
		if (kind == ET_SCAN_OBJECT_END)
			break;
		char *key = decode(&p);
		if (strcmp(key, "__metadata__")) {
			ET_TRY(parse_tensor(&p, key, err));
		} else if (meta) {
			return et_scan_fail(&p.scan, p.scan.from, err, "a second __metadata__");
		} else {
			meta = true;
			ET_TRY(parse_meta(&p, err));
		}
	}
	int kind = et_scan_next(&p.scan, err);
	return kind < 0 ? kind : ET_OK;
}

/* JSON texts to cJSON trees, after checks that cJSON does not make. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "io/io.h"
#include "io/scan.h"

#define DEPTH_MAX 32

/* A key of an object that is still open, or of the one just closed. */
struct key {
	const char *name;
	size_t at;
};

struct keys {
	struct key *items;
	size_t n, cap;
	char *names;		     /* decoded, each where it stands in the text */
	size_t first[DEPTH_MAX + 1]; /* by depth: where the keys of the open object begin */
};

static int push_key(struct keys *k, const struct et_scan *s, struct et_err *err)
{
	if (!k->names)
		k->names = malloc(s->n + 1);
	if (k->n == k->cap) {
		size_t cap = k->cap ? k->cap * 2 : 64;
		struct key *items = realloc(k->items, cap * sizeof(*items));
		if (items) {
			k->items = items;
			k->cap = cap;
		}
	}
	if (!k->names || k->n == k->cap)
		return et_fail(err, ET_ENOMEM, "%s: out of memory", s->file);
	et_scan_decode(s->text, s->from, s->to, k->names + s->from);
	k->items[k->n++] = (struct key){k->names + s->from, s->from - 1};
	return ET_OK;
}

static int by_name(const void *a, const void *b)
{
	const struct key *x = a, *y = b;
	int c = strcmp(x->name, y->name);
	return c ? c : (x->at > y->at) - (x->at < y->at);
}

/* The object is complete: sorting its keys brings equal ones together. */
static int pop_keys(struct keys *k, size_t first, const struct et_scan *s, struct et_err *err)
{
	size_t n = k->n - first;
	k->n = first;
	if (n < 2)
		return ET_OK;
	struct key *key = k->items + first;
	qsort(key, n, sizeof(*key), by_name);
	for (size_t i = 1; i < n; i++)
		if (!strcmp(key[i - 1].name, key[i].name)) {
			char shown[100];
			return et_scan_fail(s, key[i].at, err,
					    "the key \"%s\" appears twice in one object",
					    et_scan_shown(key[i].name, shown));
		}
	return ET_OK;
}

static int check_number(const struct et_scan *s, struct et_err *err)
{
	char text[ET_SCAN_MAX_NUMBER + 1];
	size_t n = s->to - s->from;
	memcpy(text, s->text + s->from, n);
	text[n] = '\0';
	double v;
	if (!et_parse_f64(text, &v))
		return et_scan_fail(s, s->from, err, "the number %s is too large", text);
	return ET_OK;
}

static int check_tokens(struct et_scan *s, struct keys *k, struct et_err *err)
{
	for (size_t n = 0;; n++) {
		int kind = et_scan_next(s, err);
		if (kind <= ET_SCAN_END)
			return kind;
		if (n == ET_JSON_MAX_TOKENS)
			return et_scan_fail(s, s->from, err, "more than %u values",
					    ET_JSON_MAX_TOKENS);
		if (kind == ET_SCAN_OBJECT)
			k->first[s->depth] = k->n;
		else if (kind == ET_SCAN_OBJECT_END)
			ET_TRY(pop_keys(k, k->first[s->depth + 1], s, err));
		else if (kind == ET_SCAN_KEY)
			ET_TRY(push_key(k, s, err));
		else if (kind == ET_SCAN_NUMBER)
			ET_TRY(check_number(s, err));
	}
}

int et_json_parse(const char *text, size_t n, const char *file, struct cJSON **out,
		  struct et_err *err)
{
	*out = NULL;
	if (n > ET_JSON_MAX_BYTES) {
		char limit[32];
		return et_fail(err, ET_EDATA, "%s: longer than the limit of %s", file,
			       et_human_bytes(ET_JSON_MAX_BYTES, limit));
	}
	/* A byte order mark says nothing here, but some editors write one. */
	if (n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
		text += 3;
		n -= 3;
	}
	struct et_scan s = et_scan_open(text, n, file, true, DEPTH_MAX);
	struct keys keys = {0};
	int rc = check_tokens(&s, &keys, err);
	free(keys.items);
	free(keys.names);
	ET_TRY(rc);
	/* cJSON reads numbers with strtod(), which follows the locale of an embedding program. */
	locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (c) {
		locale_t before = uselocale(c);
		*out = cJSON_ParseWithLengthOpts(text, n, NULL, false);
		uselocale(before);
		freelocale(c);
	}
	/* The text was checked: only memory can be the reason. */
	return *out ? ET_OK : et_fail(err, ET_ENOMEM, "%s: out of memory", file);
}

int et_json_read(const char *path, struct cJSON **out, struct et_err *err)
{
	char *text;
	size_t n;
	*out = NULL;
	ET_TRY(et_file_read(path, ET_JSON_MAX_BYTES, &text, &n, err));
	int rc = et_json_parse(text, n, path, out, err);
	free(text);
	return rc;
}

void et_json_free(struct cJSON *json)
{
	cJSON_Delete(json);
}

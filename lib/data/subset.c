/* A list of training pictures in a file: the training split becomes what it names. */
#include <stdlib.h>
#include <string.h>

#include "data/priv.h"

#define MAX_BYTES ((size_t)1 << 30)
#define NONE	  UINT32_MAX

/* A line that names a picture. item: its index in train, NONE as long as none is known. */
struct entry {
	const char *text;
	uint32_t line, item;
};

struct list {
	const char *path;
	char *text;
	struct entry *entry; /* in the order of the file */
	size_t n, cap;
	struct entry **by_name; /* those that are paths, sorted */
	size_t names;
	uint32_t *line_of; /* of each item of train, 0: not listed */
};

/* ---- reading --------------------------------------------------------------------------------- */

static int add_entry(struct list *l, const char *text, uint32_t line, struct et_err *err)
{
	void *entries = l->entry;
	if (!et_grow(&entries, l->n, &l->cap, sizeof(*l->entry)))
		return et_fail(err, ET_ENOMEM, "%s: out of memory for its lines", l->path);
	l->entry = entries;
	l->entry[l->n++] = (struct entry){text, line, NONE};
	return ET_OK;
}

/* Cuts the text into lines; those that are blank or begin with # are no entries. */
static int read_lines(struct list *l, struct et_err *err)
{
	size_t bytes;
	uint32_t line = 0;
	ET_TRY(et_file_read(l->path, MAX_BYTES, &l->text, &bytes, err));
	for (char *at = l->text, *end = l->text + bytes; at < end;) {
		char *stop = memchr(at, '\n', (size_t)(end - at));
		char *next = stop ? stop + 1 : end;
		stop = stop ? stop : end;
		line++;
		if (memchr(at, '\0', (size_t)(stop - at)))
			return et_fail(err, ET_EDATA,
				       "%s: line %u: expected a picture's number or path, found a "
				       "zero byte",
				       l->path, line);
		if (stop > at && stop[-1] == '\r')
			stop--;
		*stop = '\0';
		size_t blanks = strspn(at, " \t");
		if (at[blanks] && at[blanks] != '#')
			ET_TRY(add_entry(l, at, line, err));
		at = next;
	}
	return l->n ? ET_OK
		    : et_fail(err, ET_EDATA, "%s: line %u: the list ends without a picture",
			      l->path, line ? line : 1);
}

/* ---- finding --------------------------------------------------------------------------------- */

/* Is the entry a number, blanks around it allowed? *v: that number, UINT64_MAX if it is larger. */
static bool number_of(const char *text, uint64_t *v)
{
	const char *at = text + strspn(text, " \t");
	size_t digits = strspn(at, "0123456789");
	*v = 0;
	if (!digits || at[digits + strspn(at + digits, " \t")])
		return false;
	for (size_t i = 0; i < digits; i++)
		*v = *v > UINT64_MAX / 10 - 1 ? UINT64_MAX : *v * 10 + (uint64_t)(at[i] - '0');
	return true;
}

static int by_text(const void *a, const void *b)
{
	return strcmp((*(struct entry *const *)a)->text, (*(struct entry *const *)b)->text);
}

/* The first of the sorted entries that is not before the name. */
static size_t first_not_before(const struct list *l, const char *name)
{
	size_t low = 0, high = l->names;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (strcmp(l->by_name[mid]->text, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Looks up each picture among the paths, not each path among the pictures: those are not sorted. */
static void find_paths(const struct et_dataset *ds, struct list *l)
{
	const struct et_items *train = &ds->split[ET_SPLIT_TRAIN];
	char name[PATH_MAX];
	qsort(l->by_name, l->names, sizeof(*l->by_name), by_text);
	for (size_t i = 0; l->names && i < train->n; i++) {
		ds->format->name_item(ds, train->ref[i], true, name, sizeof(name));
		for (size_t k = first_not_before(l, name);
		     k < l->names && strcmp(l->by_name[k]->text, name) == 0; k++)
			l->by_name[k]->item = (uint32_t)i;
	}
}

static int check_number(const struct et_dataset *ds, const struct list *l, struct entry *e,
			uint64_t v, struct et_err *err)
{
	size_t n = ds->split[ET_SPLIT_TRAIN].n;
	/* What was left out has no number, and the numbers of those behind it have changed. */
	if (ds->skipped)
		return et_fail(err, ET_EDATA,
			       "%s: line %u: expected a path: pictures have no numbers where bad "
			       "ones are left out (%zu here)",
			       l->path, e->line, ds->skipped);
	if (v >= n)
		return et_fail(err, ET_EDATA,
			       "%s: line %u: there is no picture %.40s: the training set has %zu, "
			       "counted from 0",
			       l->path, e->line, e->text + strspn(e->text, " \t"), n);
	e->item = (uint32_t)v;
	return ET_OK;
}

static int unknown(const struct et_dataset *ds, const struct list *l, const struct entry *e,
		   struct et_err *err)
{
	char name[PATH_MAX] = "";
	const struct et_items *train = &ds->split[ET_SPLIT_TRAIN];
	if (!ds->format->paths)
		return et_fail(err, ET_EDATA,
			       "%s: line %u: expected the number of a picture, found '%.100s'",
			       l->path, e->line, e->text);
	if (train->n)
		ds->format->name_item(ds, train->ref[0], true, name, sizeof(name));
	return et_fail(err, ET_EDATA,
		       "%s: line %u: '%.200s' is not in the training set, whose first picture is "
		       "'%.100s'",
		       l->path, e->line, e->text, name);
}

/* Marks the items listed. The first line that is wrong is the one that is reported. */
static int mark(const struct et_dataset *ds, struct list *l, bool skip_bad, struct et_err *err)
{
	for (size_t i = 0; i < l->n; i++) {
		struct entry *e = &l->entry[i];
		uint64_t v;
		if (number_of(e->text, &v))
			ET_TRY(check_number(ds, l, e, v, err));
		if (e->item == NONE && skip_bad && ds->format->paths &&
		    ds->format->is_bad(ds, e->text))
			continue;
		if (e->item == NONE)
			return unknown(ds, l, e, err);
		if (l->line_of[e->item])
			return et_fail(err, ET_EDATA,
				       "%s: line %u: '%.200s' stands in line %u already", l->path,
				       e->line, e->text, l->line_of[e->item]);
		l->line_of[e->item] = e->line;
	}
	return ET_OK;
}

/* ---- applying -------------------------------------------------------------------------------- */

static int select_items(const struct et_dataset *ds, struct list *l, bool skip_bad,
			struct et_err *err)
{
	uint64_t v;
	ET_TRY(read_lines(l, err));
	l->by_name = et_calloc(l->n, sizeof(struct entry *));
	l->line_of = et_calloc(ds->split[ET_SPLIT_TRAIN].n + 1, sizeof(*l->line_of));
	if (!l->by_name || !l->line_of)
		return et_fail(err, ET_ENOMEM, "%s: out of memory for its lines", l->path);
	for (size_t i = 0; ds->format->paths && i < l->n; i++)
		if (!number_of(l->entry[i].text, &v))
			l->by_name[l->names++] = &l->entry[i];
	find_paths(ds, l);
	return mark(ds, l, skip_bad, err);
}

int et_subset_apply(struct et_dataset *ds, const char *path, bool skip_bad, struct et_err *err)
{
	struct et_items *train = &ds->split[ET_SPLIT_TRAIN];
	struct list l = {.path = path};
	size_t left = 0;
	int rc = select_items(ds, &l, skip_bad, err);
	for (size_t i = 0; i < train->n && rc == ET_OK; i++) {
		if (!l.line_of[i])
			continue;
		train->ref[left] = train->ref[i];
		train->label[left++] = train->label[i];
	}
	if (rc == ET_OK)
		train->n = left;
	free(l.line_of);
	free(l.by_name);
	free(l.entry);
	free(l.text);
	return rc;
}

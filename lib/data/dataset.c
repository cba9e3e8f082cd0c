/* Datasets: telling the formats apart, classes, the held-out split, the fingerprint. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/priv.h"

/* The last one takes whatever is left, and says what was looked for. */
static const struct et_format *const formats[] = {
	&et_format_idx,	       &et_format_cifar10, &et_format_cifar100, &et_format_voc,
	&et_format_cityscapes, &et_format_masks,   &et_format_folder};

/* ---- what formats build with ----------------------------------------------------------------- */

bool et_grow(void **array, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return true;
	size_t more = *cap ? *cap : 64, bytes;
	if (!et_mul(more, 2, &more) || !et_mul(more, size, &bytes))
		return false;
	void *p = realloc(*array, bytes);
	if (!p)
		return false;
	*array = p;
	*cap = more;
	return true;
}

void *et_trim(void *array, size_t bytes)
{
	if (!bytes) {
		free(array);
		return NULL;
	}
	void *p = realloc(array, bytes);
	return p ? p : array;
}

int et_pool_add(struct et_pool *p, const char *text, uint32_t *at, struct et_err *err)
{
	size_t n = strlen(text) + 1;
	if (p->used + n > UINT32_MAX)
		return et_fail(err, ET_ENOMEM, "the names of the dataset exceed 4 GB");
	while (p->used + n > p->cap) {
		void *text_array = p->text;
		if (!et_grow(&text_array, p->cap, &p->cap, 1))
			return et_fail(err, ET_ENOMEM, "out of memory for names");
		p->text = text_array;
	}
	memcpy(p->text + p->used, text, n);
	*at = (uint32_t)p->used;
	p->used += n;
	return ET_OK;
}

int et_dataset_add(struct et_dataset *ds, enum et_split split, uint32_t ref, int32_t label,
		   struct et_err *err)
{
	struct et_items *s = &ds->split[split];
	/* Two arrays of one capacity. */
	size_t cap = s->cap;
	void *refs = s->ref, *labels = s->label;
	bool done = et_grow(&refs, s->n, &cap, sizeof(*s->ref));
	s->ref = refs;
	done = done && et_grow(&labels, s->n, &s->cap, sizeof(*s->label));
	s->label = labels;
	if (!done)
		return et_fail(err, ET_ENOMEM, "out of memory for a dataset of more than %zu",
			       s->n);
	s->ref[s->n] = ref;
	s->label[s->n++] = label;
	return ET_OK;
}

int et_dataset_add_class(struct et_dataset *ds, const char *name, struct et_err *err)
{
	size_t cap = (size_t)ds->class_cap;
	void *at = ds->class_at;
	if (!et_grow(&at, (size_t)ds->classes, &cap, sizeof(*ds->class_at)))
		return et_fail(err, ET_ENOMEM, "out of memory for classes");
	ds->class_at = at;
	ds->class_cap = (int)cap;
	ET_TRY(et_pool_add(&ds->names, name, &ds->class_at[ds->classes], err));
	ds->classes++;
	return ET_OK;
}

int et_dataset_number_classes(struct et_dataset *ds, int n, struct et_err *err)
{
	char name[16];
	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%d", i);
		ET_TRY(et_dataset_add_class(ds, name, err));
	}
	return ET_OK;
}

/* ---- the fingerprint ------------------------------------------------------------------------- */

/* FNV-1a, 64 bits. */
static uint64_t hash_bytes(uint64_t h, const void *data, size_t n)
{
	const unsigned char *p = data;
	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3u;
	return h;
}

/* With the NUL, so that "ab" "c" and "a" "bc" differ. */
static uint64_t hash_text(uint64_t h, const char *text)
{
	return hash_bytes(h, text, strlen(text) + 1);
}

static uint64_t hash_number(uint64_t h, uint64_t v)
{
	unsigned char b[8];
	for (int i = 0; i < 8; i++)
		b[i] = (unsigned char)(v >> (8 * i));
	return hash_bytes(h, b, sizeof(b));
}

static uint64_t fingerprint(const struct et_dataset *ds)
{
	char name[PATH_MAX];
	uint64_t h = hash_text(0xcbf29ce484222325u, ds->format->name);
	h = hash_number(h, (uint64_t)ds->classes);
	for (int i = 0; i < ds->classes; i++)
		h = hash_text(h, et_dataset_class_name(ds, i));
	for (int s = 0; s < ET_SPLITS; s++) {
		const struct et_items *items = &ds->split[s];
		h = hash_number(h, items->n);
		for (size_t i = 0; i < items->n; i++) {
			ds->format->name_item(ds, items->ref[i], true, name, sizeof(name));
			h = hash_text(h, name);
			h = hash_number(h, (uint64_t)items->label[i]);
			if (!ds->format->load_mask)
				continue;
			ds->format->name_mask(ds, items->ref[i], true, name, sizeof(name));
			h = hash_text(h, name);
		}
	}
	return h;
}

/* ---- opening --------------------------------------------------------------------------------- */

static int check_directory(const char *path, struct et_err *err)
{
	DIR *d = opendir(path);
	if (!d)
		return et_fail(err, errno == ENOTDIR ? ET_EDATA : ET_ENOINPUT,
			       "%s: expected the directory of a dataset: %s", path,
			       strerror(errno));
	closedir(d);
	return ET_OK;
}

static void trim_all(struct et_dataset *ds)
{
	for (int s = 0; s < ET_SPLITS; s++) {
		struct et_items *items = &ds->split[s];
		items->ref = et_trim(items->ref, items->n * sizeof(*items->ref));
		items->label = et_trim(items->label, items->n * sizeof(*items->label));
		items->cap = items->n;
	}
	ds->names.text = et_trim(ds->names.text, ds->names.cap = ds->names.used);
}

static int open_format(struct et_dataset *ds, const char *path, const struct et_dataset_conf *conf,
		       struct et_err *err)
{
	for (size_t i = 0; i < ET_COUNT(formats) && !ds->format; i++)
		if (formats[i]->detect(path))
			ds->format = formats[i];
	ET_TRY(ds->format->open(ds, path, conf, err));
	if (conf->subset)
		ET_TRY(et_subset_apply(ds, conf->subset, conf->skip_bad, err));
	ET_TRY(et_dataset_hold_out(ds, conf, err));
	trim_all(ds);
	ds->fingerprint = fingerprint(ds);
	return ET_OK;
}

int et_dataset_open(struct et_dataset **out, const char *path, const struct et_dataset_conf *conf,
		    struct et_err *err)
{
	*out = NULL;
	if (!(conf->val_fraction < 1))
		return et_fail(err, ET_EUSAGE, "val_fraction: expected less than 1, found %g",
			       conf->val_fraction);
	ET_TRY(check_directory(path, err));
	struct et_dataset *ds = et_calloc(1, sizeof(*ds));
	if (!ds)
		return et_fail(err, ET_ENOMEM, "%s: out of memory", path);
	int rc = open_format(ds, path, conf, err);
	if (rc < 0) {
		et_dataset_close(ds);
		return rc;
	}
	*out = ds;
	return ET_OK;
}

void et_dataset_close(struct et_dataset *ds)
{
	if (!ds)
		return;
	if (ds->format)
		ds->format->close(ds);
	for (int s = 0; s < ET_SPLITS; s++) {
		free(ds->split[s].ref);
		free(ds->split[s].label);
	}
	free(ds->names.text);
	free(ds->class_at);
	free(ds);
}

/* ---- questions ------------------------------------------------------------------------------- */

const char *et_dataset_format(const struct et_dataset *ds)
{
	return ds->format->name;
}

size_t et_dataset_count(const struct et_dataset *ds, enum et_split split)
{
	return ds->split[split].n;
}

int et_dataset_classes(const struct et_dataset *ds)
{
	return ds->classes;
}

const char *et_dataset_class_name(const struct et_dataset *ds, int label)
{
	return ds->names.text + ds->class_at[label];
}

int et_dataset_label(const struct et_dataset *ds, enum et_split split, size_t i)
{
	return ds->split[split].label[i];
}

const char *et_dataset_item_name(const struct et_dataset *ds, enum et_split split, size_t i,
				 char *buf, size_t n)
{
	ds->format->name_item(ds, ds->split[split].ref[i], false, buf, n);
	return buf;
}

size_t et_dataset_skipped(const struct et_dataset *ds)
{
	return ds->skipped;
}

bool et_dataset_has_masks(const struct et_dataset *ds)
{
	return ds->format->load_mask != NULL;
}

bool et_dataset_held_out(const struct et_dataset *ds)
{
	return ds->held_out;
}

uint64_t et_dataset_fingerprint(const struct et_dataset *ds)
{
	return ds->fingerprint;
}

void et_dataset_size(const struct et_dataset *ds, int *h, int *w, int *c)
{
	*h = ds->h;
	*w = ds->w;
	*c = ds->c;
}

size_t et_dataset_bytes(const struct et_dataset *ds)
{
	size_t bytes = sizeof(*ds) + ds->names.cap + (size_t)ds->class_cap * sizeof(*ds->class_at) +
		       ds->format->bytes(ds);
	for (int s = 0; s < ET_SPLITS; s++)
		bytes += ds->split[s].cap *
			 (sizeof(*ds->split[s].ref) + sizeof(*ds->split[s].label));
	return bytes;
}

void et_dataset_extent(const struct et_dataset *ds, enum et_split split, size_t i, int c,
		       int want_h, int want_w, struct et_extent *e)
{
	e->mask = 0;
	ds->format->extent(ds, ds->split[split].ref[i], c, want_h, want_w, e);
}

size_t et_dataset_decode_bytes(const struct et_dataset *ds)
{
	size_t most = 0;
	for (int s = 0; s < ET_SPLITS; s++) {
		for (size_t i = 0; i < ds->split[s].n; i++) {
			struct et_extent e;
			et_dataset_extent(ds, (enum et_split)s, i, 3, 0, 0, &e);
			most = et_max(most, e.buffer + e.mask + e.work);
		}
	}
	return most;
}

int et_dataset_load(const struct et_dataset *ds, enum et_split split, size_t i, int c, int want_h,
		    int want_w, struct et_picture *out, struct et_err *err)
{
	if (i >= ds->split[split].n || (c != 1 && c != 3))
		return et_fail(err, ET_EINTERNAL, "picture %zu of %zu, as %d channels", i,
			       ds->split[split].n, c);
	return ds->format->load(ds, ds->split[split].ref[i], c, want_h, want_w, out, err);
}

int et_dataset_load_mask(const struct et_dataset *ds, enum et_split split, size_t i,
			 struct et_picture *out, struct et_err *err)
{
	if (i >= ds->split[split].n || !ds->format->load_mask)
		return et_fail(err, ET_EINTERNAL, "mask %zu of %zu", i, ds->split[split].n);
	return ds->format->load_mask(ds, ds->split[split].ref[i], out, err);
}

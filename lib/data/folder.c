/*
 * Datasets whose pictures are files: a directory for each class, below train/ val/ test/ or not; or
 * pictures with masks beside them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "data/folder.h"

/* ---- opening --------------------------------------------------------------------------------- */

int et_folder_add(struct et_dataset *ds, const char *path, const struct et_header *head,
		  enum et_split split, int32_t label, struct et_err *err)
{
	struct folder *own = ds->own;
	void *items = own->item;
	if (own->n >= UINT32_MAX || !et_grow(&items, own->n, &own->cap, sizeof(*own->item)))
		return et_fail(err, ET_ENOMEM, "%s: out of memory for more than %zu pictures",
			       own->root, own->n);
	own->item = items;
	struct folder_item *item = &own->item[own->n];
	*item = (struct folder_item){.h = head->h,
				     .w = head->w,
				     .work_kb = (uint32_t)(head->work / 1024 + 1) & 0x3fffffff,
				     .jpeg = head->jpeg,
				     .needs_rgb = head->needs_rgb};
	ET_TRY(et_pool_add(&own->paths, path, &item->path, err));
	return et_dataset_add(ds, split, (uint32_t)own->n++, label, err);
}

/* An empty folder at path, slashes at its end cut off. */
static int open_root(struct et_dataset *ds, const char *path, struct et_err *err)
{
	struct folder *own = et_calloc(1, sizeof(*own));
	size_t n = strlen(path);
	while (n > 1 && path[n - 1] == '/')
		n--;
	if (n >= PATH_MAX) {
		free(own);
		return et_fail(err, ET_EDATA, "a path is too long, more than %d bytes: %.300s",
			       PATH_MAX - 1, path);
	}
	ds->own = own;
	if (!own || !(own->root = et_asprintf("%.*s", (int)n, path)))
		return et_fail(err, ET_ENOMEM, "%s: out of memory", path);
	return ET_OK;
}

static void trim(struct folder *own)
{
	own->paths.text = et_trim(own->paths.text, own->paths.cap = own->paths.used);
	own->item = et_trim(own->item, own->n * sizeof(*own->item));
	own->cap = own->n;
	if (own->mask)
		own->mask = et_trim(own->mask, own->n * sizeof(*own->mask));
	own->mask_cap = own->mask ? own->n : 0;
	own->bad = et_trim(own->bad, own->n_bad * sizeof(*own->bad));
	own->bad_cap = own->n_bad;
}

static int folder_open(struct et_dataset *ds, const char *path, const struct et_dataset_conf *conf,
		       struct et_err *err)
{
	ET_TRY(open_root(ds, path, err));
	ET_TRY(et_folder_scan(ds, conf, err));
	trim(ds->own);
	return ET_OK;
}

static int open_pairs(struct et_dataset *ds, const char *path, const struct et_dataset_conf *conf,
		      int (*scan)(struct et_pairs *p), struct et_err *err)
{
	struct et_pairs p = {.ds = ds, .conf = conf, .err = err};
	ET_TRY(open_root(ds, path, err));
	ET_TRY(scan(&p));
	trim(ds->own);
	return ET_OK;
}

static int masks_open(struct et_dataset *ds, const char *path, const struct et_dataset_conf *conf,
		      struct et_err *err)
{
	return open_pairs(ds, path, conf, et_plain_scan, err);
}

static int voc_open(struct et_dataset *ds, const char *path, const struct et_dataset_conf *conf,
		    struct et_err *err)
{
	char *root = et_voc_find(path);
	int rc = root ? open_pairs(ds, root, conf, et_voc_scan, err)
		      : et_fail(err, ET_ENOMEM, "%s: out of memory", path);
	free(root);
	return rc;
}

static int cityscapes_open(struct et_dataset *ds, const char *path,
			   const struct et_dataset_conf *conf, struct et_err *err)
{
	return open_pairs(ds, path, conf, et_cityscapes_scan, err);
}

static void folder_close(struct et_dataset *ds)
{
	struct folder *own = ds->own;
	if (!own)
		return;
	free(own->root);
	free(own->paths.text);
	free(own->item);
	free(own->mask);
	free(own->bad);
	free(own);
}

/* ---- loading --------------------------------------------------------------------------------- */

/* Paths were checked for length when they were found. */
static void name_path(const struct folder *own, uint32_t at, bool relative, char *buf, size_t n)
{
	const char *path = own->paths.text + at;
	bool slash = !*own->root || own->root[strlen(own->root) - 1] == '/';
	if (relative)
		snprintf(buf, n, "%s", path);
	else
		snprintf(buf, n, "%s%s%s", own->root, slash ? "" : "/", path);
}

static void folder_name(const struct et_dataset *ds, uint32_t ref, bool relative, char *buf,
			size_t n)
{
	const struct folder *own = ds->own;
	name_path(own, own->item[ref].path, relative, buf, n);
}

static void folder_name_mask(const struct et_dataset *ds, uint32_t ref, bool relative, char *buf,
			     size_t n)
{
	const struct folder *own = ds->own;
	name_path(own, own->mask[ref].path, relative, buf, n);
}

static int folder_load(const struct et_dataset *ds, uint32_t ref, int c, int want_h, int want_w,
		       struct et_picture *out, struct et_err *err)
{
	char path[PATH_MAX];
	folder_name(ds, ref, false, path, sizeof(path));
	return et_picture_decode(path, c, want_h, want_w, out, err);
}

/* Every value as its class. Classes are unknown (0) only while they are counted. */
static int to_classes(const struct et_dataset *ds, bool ids, const char *path,
		      struct et_picture *mask, struct et_err *err)
{
	int16_t class[256];
	int classes = ds->classes ? ds->classes : ET_MASK_IGNORE;
	for (int v = 0; v < 256; v++) {
		bool known = v < classes || v == ET_MASK_IGNORE;
		class[v] = (int16_t)(ids ? et_cityscapes_class(v) : known ? v : -1);
	}
	size_t n = et_picture_bytes(mask->h, mask->w, 1);
	for (size_t i = 0; i < n; i++) {
		int v = mask->px[i];
		if (class[v] < 0)
			return et_fail(err, ET_EDATA,
				       "%s: the pixel in column %zu of row %zu is %d: expected %s "
				       "from 0 to %d, or %d to be ignored",
				       path, i % (size_t)mask->w, i / (size_t)mask->w, v,
				       ids ? "a label id" : "a class", ids ? 33 : classes - 1,
				       ET_MASK_IGNORE);
		mask->px[i] = (uint8_t) class[v];
	}
	return ET_OK;
}

static int folder_load_mask(const struct et_dataset *ds, uint32_t ref, struct et_picture *out,
			    struct et_err *err)
{
	const struct folder *own = ds->own;
	const struct folder_item *item = &own->item[ref];
	char path[PATH_MAX];
	folder_name_mask(ds, ref, false, path, sizeof(path));
	ET_TRY(et_mask_decode(path, out, err));
	if (out->h != item->h || out->w != item->w)
		return et_fail(err, ET_EDATA, "%s: %d x %d pixels, but its picture had %d x %d",
			       path, out->w, out->h, item->w, item->h);
	return to_classes(ds, own->mask[ref].ids, path, out, err);
}

static void folder_extent(const struct et_dataset *ds, uint32_t ref, int c, int want_h, int want_w,
			  struct et_extent *e)
{
	const struct folder *own = ds->own;
	const struct folder_item *item = &own->item[ref];
	struct et_header head = {.h = item->h,
				 .w = item->w,
				 .jpeg = item->jpeg,
				 .needs_rgb = item->needs_rgb,
				 .work = (size_t)item->work_kb * 1024};
	e->buffer = et_header_extent(&head, c, want_h, want_w, &e->h, &e->w);
	e->work = head.work;
	if (!own->mask)
		return;
	e->mask = et_picture_bytes(item->h, item->w, 1);
	/* One after the other. */
	e->work = et_max(e->work, (size_t)own->mask[ref].work_kb * 1024);
}

static bool folder_is_bad(const struct et_dataset *ds, const char *path)
{
	const struct folder *own = ds->own;
	struct et_header head;
	struct stat st; /* of a link itself: one to nothing was left out, too */
	char *full = et_path_join(own->root, path);
	bool bad = full && lstat(full, &st) == 0 &&
		   et_status_is_bad_picture(et_picture_header(full, &head, NULL));
	free(full);
	return bad;
}

static bool masks_is_bad(const struct et_dataset *ds, const char *path)
{
	const struct folder *own = ds->own;
	for (size_t i = 0; i < own->n_bad; i++)
		if (strcmp(own->paths.text + own->bad[i], path) == 0)
			return true;
	return false;
}

static size_t folder_bytes(const struct et_dataset *ds)
{
	const struct folder *own = ds->own;
	return sizeof(*own) + strlen(own->root) + 1 + own->paths.cap +
	       own->cap * sizeof(*own->item) + own->mask_cap * sizeof(*own->mask) +
	       own->bad_cap * sizeof(*own->bad);
}

/* ---- the formats ----------------------------------------------------------------------------- */

static bool folder_detect(const char *path)
{
	(void)path;
	return true;
}

static bool voc_detect(const char *path)
{
	char *root = et_voc_find(path);
	bool found = root != NULL;
	free(root);
	return found;
}

const struct et_format et_format_folder = {.name = "folder",
					   .detect = folder_detect,
					   .open = folder_open,
					   .close = folder_close,
					   .load = folder_load,
					   .name_item = folder_name,
					   .extent = folder_extent,
					   .bytes = folder_bytes,
					   .paths = true,
					   .is_bad = folder_is_bad};

#define MASKS(NAME, DETECT, OPEN)                                                       \
	{                                                                               \
		.name = NAME, .detect = DETECT, .open = OPEN, .close = folder_close,    \
		.load = folder_load, .name_item = folder_name, .extent = folder_extent, \
		.bytes = folder_bytes, .paths = true, .is_bad = masks_is_bad,           \
		.load_mask = folder_load_mask, .name_mask = folder_name_mask            \
	}

const struct et_format et_format_masks = MASKS("masks", et_plain_detect, masks_open);
const struct et_format et_format_voc = MASKS("voc", voc_detect, voc_open);
const struct et_format et_format_cityscapes =
	MASKS("cityscapes", et_cityscapes_detect, cityscapes_open);

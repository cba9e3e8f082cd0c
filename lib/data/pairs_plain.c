/* The plain layout of pictures with masks: images/ and masks/, pairs by name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/folder.h"
#include "data/walk.h"

#define IMAGES "images"
#define MASKS  "masks"

/* ---- files below a directory ----------------------------------------------------------------- */

/* A stem is what of a path is left without the directory and without its ending. */
struct file {
	uint32_t at; /* in the pool */
	uint32_t stem_n;
	const char *path, *stem; /* when all are there; path relative to the dataset */
};

struct files {
	struct et_pool paths;
	struct file *file;
	size_t n, cap;
	size_t relative, inside; /* where in the walk's path those of dataset and directory begin */
	struct et_walk *walk;
};

static int found(void *arg)
{
	struct files *f = arg;
	void *files = f->file;
	const char *path = f->walk->path + f->relative;
	if (!et_grow(&files, f->n, &f->cap, sizeof(*f->file)))
		return et_fail(f->walk->err, ET_ENOMEM, "%s: out of memory", f->walk->path);
	f->file = files;
	struct file *file = &f->file[f->n];
	ET_TRY(et_pool_add(&f->paths, path, &file->at, f->walk->err));
	file->stem_n = (uint32_t)(strrchr(path, '.') - path - (ptrdiff_t)(f->inside - f->relative));
	f->n++;
	return ET_OK;
}

static int by_stem(const void *a, const void *b)
{
	const struct file *x = a, *y = b;
	int order = memcmp(x->stem, y->stem, et_min(x->stem_n, y->stem_n));
	return order ? order : (x->stem_n > y->stem_n) - (x->stem_n < y->stem_n);
}

static int sort(struct et_pairs *p, struct files *f)
{
	for (size_t i = 0; i < f->n; i++) {
		f->file[i].path = f->paths.text + f->file[i].at;
		f->file[i].stem = f->file[i].path + (f->inside - f->relative);
	}
	if (f->n)
		qsort(f->file, f->n, sizeof(*f->file), by_stem);
	for (size_t i = 1; i < f->n; i++)
		if (by_stem(&f->file[i - 1], &f->file[i]) == 0)
			return et_fail(p->err, ET_EDATA,
				       "%s and %s differ in their endings alone: which belongs to "
				       "the pair?",
				       f->file[i - 1].path, f->file[i].path);
	return ET_OK;
}

/* All pictures below root/dir, by stems. */
static int collect(struct et_pairs *p, const char *dir, struct files *f)
{
	const struct folder *own = p->ds->own;
	/* The path alone is too much for some stacks. */
	struct et_walk *w = et_calloc(1, sizeof(*w));
	size_t root = strlen(own->root);
	if (!w)
		return et_fail(p->err, ET_ENOMEM, "%s: out of memory", own->root);
	*w = (struct et_walk){.stop = p->conf->stop, .err = p->err, .found = found, .arg = f};
	memcpy(w->path, own->root, root + 1);
	f->walk = w;
	int rc = et_walk_enter(w, root, dir);
	f->relative = own->root[root - 1] == '/' ? root : root + 1;
	f->inside = strlen(w->path) + 1;
	if (rc == ET_OK)
		rc = et_walk_pictures(w);
	et_walk_free(w);
	free(w);
	return rc == ET_OK ? sort(p, f) : rc;
}

static void files_free(struct files *f)
{
	free(f->paths.text);
	free(f->file);
}

/* ---- two directories ------------------------------------------------------------------------- */

static int lonely_mask(struct et_pairs *p, const struct file *mask, const char *images)
{
	const struct folder *own = p->ds->own;
	if (p->conf->skip_bad)
		return ET_OK;
	return et_fail(p->err, ET_EDATA, "%s/%s: a mask without a picture %.*s in %s/%s", own->root,
		       mask->path, (int)mask->stem_n, mask->stem, own->root, images);
}

static int lonely_picture(struct et_pairs *p, const struct file *picture, const char *masks)
{
	char why[PATH_MAX + 64];
	snprintf(why, sizeof(why), "it has no mask: expected %s/%.*s.png", masks,
		 (int)picture->stem_n, picture->stem);
	return et_pairs_add(p, picture->path, NULL, why);
}

/* Both are sorted by stems. */
static int merge(struct et_pairs *p, const struct files *images, const struct files *masks,
		 const char *images_dir, const char *masks_dir)
{
	for (size_t i = 0, k = 0; i < images->n || k < masks->n;) {
		int order = i == images->n  ? 1
			    : k == masks->n ? -1
					    : by_stem(&images->file[i], &masks->file[k]);
		if (order > 0)
			ET_TRY(lonely_mask(p, &masks->file[k++], images_dir));
		else if (order < 0)
			ET_TRY(lonely_picture(p, &images->file[i++], masks_dir));
		else
			ET_TRY(et_pairs_add(p, images->file[i++].path, masks->file[k++].path,
					    NULL));
	}
	return ET_OK;
}

static int add_directories(struct et_pairs *p, const char *images_dir, const char *masks_dir,
			   enum et_split split)
{
	struct files images = {0}, masks = {0};
	p->split = split;
	int rc = collect(p, images_dir, &images);
	if (rc == ET_OK)
		rc = collect(p, masks_dir, &masks);
	if (rc == ET_OK)
		rc = merge(p, &images, &masks, images_dir, masks_dir);
	files_free(&images);
	files_free(&masks);
	return rc;
}

/* ---- classes --------------------------------------------------------------------------------- */

#define CLASSES	      "classes.txt"
#define CLASSES_BYTES 65536

static int add_class(struct et_pairs *p, const char *path, char *name, size_t line)
{
	size_t n = strlen(name);
	while (n && strchr(" \t\r", name[n - 1]))
		name[--n] = '\0';
	name += strspn(name, " \t");
	if (!*name)
		return et_fail(p->err, ET_EDATA, "%s: line %zu: expected a class, found nothing",
			       path, line);
	if (p->ds->classes == ET_MASK_IGNORE)
		return et_fail(p->err, ET_EDATA,
			       "%s: line %zu: more classes than a mask can tell apart, %d", path,
			       line, ET_MASK_IGNORE);
	return et_dataset_add_class(p->ds, name, p->err);
}

/* One name a line; none is needed after the last. */
static int read_classes(struct et_pairs *p, const char *path)
{
	char *text;
	size_t n, line = 0;
	ET_TRY(et_file_read(path, CLASSES_BYTES, &text, &n, p->err));
	int rc = ET_OK;
	while (n && strchr(" \t\r\n", text[n - 1]))
		text[--n] = '\0';
	for (char *at = text, *next; at && rc == ET_OK; at = next) {
		next = strchr(at, '\n');
		if (next)
			*next++ = '\0';
		rc = add_class(p, path, at, ++line);
	}
	free(text);
	return rc;
}

/* The largest index of all masks decides where nothing else does. */
static int count_classes(struct et_pairs *p)
{
	const struct folder *own = p->ds->own;
	struct et_picture mask = {0};
	int most = -1, rc = ET_OK;
	for (uint32_t i = 0; i < own->n && rc == ET_OK; i++) {
		rc = p->ds->format->load_mask(p->ds, i, &mask, p->err);
		size_t n = rc ? 0 : et_picture_bytes(mask.h, mask.w, 1);
		for (size_t k = 0; k < n; k++)
			if (mask.px[k] > most && mask.px[k] != ET_MASK_IGNORE)
				most = mask.px[k];
		if (p->conf->skip_bad && et_status_is_bad_picture(rc))
			rc = ET_OK; /* it will be left out again when its turn comes */
		if (rc == ET_OK && et_stop_asked(p->conf->stop))
			rc = et_fail(p->err, ET_ESTOP, "%s: stopped while counting classes",
				     own->root);
	}
	et_picture_free(&mask);
	ET_TRY(rc);
	if (most < 0)
		return et_fail(p->err, ET_EDATA, "%s: every pixel of its masks is to be ignored",
			       own->root);
	return et_dataset_number_classes(p->ds, most + 1, p->err);
}

static int name_classes(struct et_pairs *p)
{
	const struct folder *own = p->ds->own;
	char *path = et_path_join(own->root, CLASSES);
	int rc;
	if (!path)
		rc = et_fail(p->err, ET_ENOMEM, "%s: out of memory", own->root);
	else if (et_path_exists(path))
		rc = read_classes(p, path);
	else if (p->conf->classes > 0)
		rc = et_dataset_number_classes(p->ds,
					       p->conf->classes < ET_MASK_IGNORE ? p->conf->classes
										 : ET_MASK_IGNORE,
					       p->err);
	else
		rc = count_classes(p);
	free(path);
	return rc;
}

/* ---- the plain layout ------------------------------------------------------------------------ */

static bool has_both(const char *path)
{
	return et_has_dir(path, IMAGES) && et_has_dir(path, MASKS);
}

/* The directories of root/dir that are splits; dir NULL: of root. */
static int find_splits(struct et_pairs *p, const char *dir, const char *dirs[ET_SPLITS],
		       int *others)
{
	const struct folder *own = p->ds->own;
	struct et_walk *w = et_calloc(1, sizeof(*w));
	if (!w)
		return et_fail(p->err, ET_ENOMEM, "%s: out of memory", own->root);
	w->err = p->err;
	memcpy(w->path, own->root, strlen(own->root) + 1);
	int rc = dir ? et_walk_enter(w, strlen(own->root), dir) : ET_OK;
	if (rc == ET_OK)
		rc = et_walk_splits(w, dirs, others);
	free(w);
	return rc;
}

/* images/ and masks/ in each split, or each split in both. */
static int add_split(struct et_pairs *p, const char *outer, const char *inner_images,
		     const char *outer_masks, const char *inner_masks, enum et_split split)
{
	const struct folder *own = p->ds->own;
	char *images = et_path_join(outer, inner_images),
	     *masks = et_path_join(outer_masks, inner_masks);
	int rc;
	if (!images || !masks)
		rc = et_fail(p->err, ET_ENOMEM, "%s: out of memory", own->root);
	else if (!et_has_dir(own->root, images) || !et_has_dir(own->root, masks))
		rc = et_fail(p->err, ET_EDATA,
			     "%s: expected both %s/ and %s/, as in the other splits", own->root,
			     images, masks);
	else
		rc = add_directories(p, images, masks, split);
	free(images);
	free(masks);
	return rc;
}

static int scan_both(struct et_pairs *p)
{
	const char *dirs[ET_SPLITS];
	int others;
	ET_TRY(find_splits(p, IMAGES, dirs, &others));
	if (!dirs[ET_SPLIT_TRAIN])
		return add_directories(p, IMAGES, MASKS, ET_SPLIT_TRAIN);
	if (others)
		return et_fail(p->err, ET_EDATA,
			       "%s/%s: has train/, and directories that are none of val/ and "
			       "test/",
			       ((const struct folder *)p->ds->own)->root, IMAGES);
	for (int k = 0; k < ET_SPLITS; k++)
		if (dirs[k])
			ET_TRY(add_split(p, IMAGES, dirs[k], MASKS, dirs[k], (enum et_split)k));
	return ET_OK;
}

static int scan_splits(struct et_pairs *p)
{
	const char *dirs[ET_SPLITS];
	int others;
	ET_TRY(find_splits(p, NULL, dirs, &others));
	for (int k = 0; k < ET_SPLITS; k++)
		if (dirs[k])
			ET_TRY(add_split(p, dirs[k], IMAGES, dirs[k], MASKS, (enum et_split)k));
	return ET_OK;
}

bool et_plain_detect(const char *path)
{
	static const char *const splits[] = {"train", "val", "valid", "validation", "test"};
	if (has_both(path))
		return true;
	for (size_t i = 0; i < ET_COUNT(splits); i++) {
		char *dir = et_path_join(path, splits[i]);
		bool both = dir && has_both(dir);
		free(dir);
		if (both)
			return true;
	}
	return false;
}

int et_plain_scan(struct et_pairs *p)
{
	const struct folder *own = p->ds->own;
	ET_TRY(has_both(own->root) ? scan_both(p) : scan_splits(p));
	ET_TRY(et_pairs_any(p));
	return name_classes(p);
}

/* Finding the pictures of a directory, their classes and splits. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "data/folder.h"

/* ---- scanning -------------------------------------------------------------------------------- */

struct seen_dir {
	dev_t dev;
	ino_t ino;
};

struct scan {
	struct et_dataset *ds;
	struct folder *own;
	const struct et_dataset_conf *conf;
	struct et_err *err;
	enum et_split split;
	int32_t label;
	size_t relative;     /* where in path the part after root begins */
	char path[PATH_MAX]; /* of what is being looked at */
	/* Directories of this class: none is entered twice, by whatever links. */
	struct seen_dir *seen;
	size_t n_seen, cap_seen;
};

/* Appends "/name" to the path of that length; false if it gets too long. */
static bool path_enter(struct scan *s, size_t len, const char *name)
{
	int n = snprintf(s->path + len, sizeof(s->path) - len, "%s%s",
			 len && s->path[len - 1] == '/' ? "" : "/", name);
	return n >= 0 && (size_t)n < sizeof(s->path) - len;
}

static int too_long(struct scan *s)
{
	return et_fail(s->err, ET_EDATA, "a path is too long, more than %d bytes: %.300s",
		       PATH_MAX - 1, s->path);
}

static int not_hidden(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* The names in the directory at s->path, sorted by bytes. */
static int list(struct scan *s, struct dirent ***names, int *n)
{
	*n = scandir(s->path, names, not_hidden, by_bytes);
	if (*n >= 0)
		return ET_OK;
	*names = NULL;
	*n = 0;
	return et_fail(s->err, errno == ENOMEM ? ET_ENOMEM : ET_ENOINPUT,
		       "%s: cannot list this directory: %s", s->path, strerror(errno));
}

static void list_free(struct dirent **names, int n)
{
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

/* Of the entry that s->path names. A link to nothing is not a directory, but may be a picture. */
static bool is_dir(const struct scan *s, const struct dirent *e)
{
	if (e->d_type == DT_DIR || e->d_type == DT_REG)
		return e->d_type == DT_DIR;
	return et_path_is_dir(s->path);
}

/* Formats that are not read are found all the same: better an error than a picture left out. */
static bool is_picture_name(const char *name)
{
	static const char *const known[] = {
		".jpg", ".jpeg", ".jpe",  ".jfif", ".png", ".bmp", ".ppm",  ".pgm",  ".pbm", ".pnm",
		".tif", ".tiff", ".webp", ".gif",  ".jp2", ".jxl", ".heic", ".heif", ".avif"};
	const char *dot = strrchr(name, '.');
	for (size_t i = 0; dot && i < ET_COUNT(known); i++)
		if (!strcasecmp(dot, known[i]))
			return true;
	return false;
}

static int add_picture(struct scan *s)
{
	struct folder *own = s->own;
	struct et_header head;
	if (et_stop_asked(s->conf->stop))
		return et_fail(s->err, ET_ESTOP, "%s: stopped while looking for pictures",
			       own->root);
	int rc = et_picture_header(s->path, &head, s->err);
	if (s->conf->skip_bad && et_status_is_bad_picture(rc)) {
		s->ds->skipped++;
		return ET_OK;
	}
	ET_TRY(rc);
	void *items = own->item;
	if (own->n >= UINT32_MAX || !et_grow(&items, own->n, &own->cap, sizeof(*own->item)))
		return et_fail(s->err, ET_ENOMEM, "%s: out of memory for more than %zu pictures",
			       own->root, own->n);
	own->item = items;
	struct folder_item *item = &own->item[own->n];
	*item = (struct folder_item){.h = head.h,
				     .w = head.w,
				     .work_kb = (uint32_t)(head.work / 1024 + 1) & 0x3fffffff,
				     .jpeg = head.jpeg,
				     .needs_rgb = head.needs_rgb};
	ET_TRY(et_pool_add(&own->paths, s->path + s->relative, &item->path, s->err));
	return et_dataset_add(s->ds, s->split, (uint32_t)own->n++, s->label, s->err);
}

/* Marks the directory at s->path as seen; 0 if it was already, so that loops of links end. */
static int enter_once(struct scan *s)
{
	struct stat st;
	if (stat(s->path, &st) < 0)
		return et_fail(s->err, ET_ENOINPUT, "%s: cannot stat: %s", s->path,
			       strerror(errno));
	for (size_t i = 0; i < s->n_seen; i++)
		if (s->seen[i].dev == st.st_dev && s->seen[i].ino == st.st_ino)
			return 0;
	void *seen = s->seen;
	if (!et_grow(&seen, s->n_seen, &s->cap_seen, sizeof(*s->seen)))
		return et_fail(s->err, ET_ENOMEM, "%s: out of memory", s->path);
	s->seen = seen;
	s->seen[s->n_seen++] = (struct seen_dir){st.st_dev, st.st_ino};
	return 1;
}

/* Everything below the directory at s->path, in the order of its bytes. */
static int walk(struct scan *s)
{
	struct dirent **names;
	size_t len = strlen(s->path);
	int n, rc = enter_once(s);
	if (rc <= 0)
		return rc;
	ET_TRY(list(s, &names, &n));
	rc = ET_OK;
	for (int i = 0; i < n && rc == ET_OK; i++) {
		if (!path_enter(s, len, names[i]->d_name))
			rc = too_long(s);
		else if (is_dir(s, names[i]))
			rc = walk(s);
		else if (is_picture_name(names[i]->d_name))
			rc = add_picture(s);
		s->path[len] = '\0';
	}
	list_free(names, n);
	return rc;
}

/* ---- classes --------------------------------------------------------------------------------- */

/* Of a name among the sorted classes, or -1. */
static int find_class(const struct et_dataset *ds, const char *name)
{
	int low = 0, high = ds->classes - 1;
	while (low <= high) {
		int mid = low + (high - low) / 2;
		int order = strcmp(name, et_dataset_class_name(ds, mid));
		if (order == 0)
			return mid;
		if (order < 0)
			high = mid - 1;
		else
			low = mid + 1;
	}
	return -1;
}

/*
 * The directory at s->path as one class; the first split to be read makes the classes. 1 if it is
 * empty then: whether that is this class's fault is known when the others have been read.
 */
static int scan_class(struct scan *s, const char *name, bool defines)
{
	if (defines)
		ET_TRY(et_dataset_add_class(s->ds, name, s->err));
	s->label = defines ? s->ds->classes - 1 : find_class(s->ds, name);
	if (s->label < 0)
		return et_fail(s->err, ET_EDATA, "%s: train has no class '%s'", s->path, name);
	size_t before = s->ds->split[s->split].n, skipped = s->ds->skipped;
	s->n_seen = 0;
	ET_TRY(walk(s));
	if (!defines || s->ds->split[s->split].n > before)
		return ET_OK;
	skipped = s->ds->skipped - skipped;
	if (skipped)
		return et_fail(s->err, ET_EDATA,
			       "%s: class '%s' has no pictures, besides %zu that were left out",
			       s->path, name, skipped);
	return 1;
}

/* Is any picture directly in the directory at s->path? Only for the message. */
static bool has_loose_pictures(struct dirent **names, int n)
{
	for (int i = 0; i < n; i++)
		if (is_picture_name(names[i]->d_name))
			return true;
	return false;
}

/* The directory at s->path holds a directory for each class. */
static int scan_split(struct scan *s, enum et_split split, bool defines)
{
	struct dirent **names;
	char empty[NAME_MAX + 1] = "";
	size_t len = strlen(s->path);
	int n, rc;
	s->split = split;
	ET_TRY(list(s, &names, &n));
	rc = ET_OK;
	for (int i = 0; i < n && rc >= 0; i++) {
		if (!path_enter(s, len, names[i]->d_name))
			rc = too_long(s);
		else if (is_dir(s, names[i]))
			rc = scan_class(s, names[i]->d_name, defines);
		if (rc == 1 && !*empty)
			snprintf(empty, sizeof(empty), "%s", names[i]->d_name);
		s->path[len] = '\0';
	}
	bool loose = has_loose_pictures(names, n);
	list_free(names, n);
	if (rc < 0)
		return rc;
	if (defines && !s->ds->split[split].n)
		return et_fail(
			s->err, ET_EDATA,
			"Found 0 pictures in %s: looked for CLASS/ directories of pictures%s",
			s->path,
			loose ? "; those not in a directory have no class"
			      : ", alone or below train/, and for "
				"train-images-idx3-ubyte[.gz], data_batch_1.bin, train.bin");
	if (*empty)
		return et_fail(s->err, ET_EDATA, "%s: class '%s' has no pictures", s->path, empty);
	return ET_OK;
}

/* ---- splits ---------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	enum et_split split;
} split_names[] = {{"train", ET_SPLIT_TRAIN},
		   {"val", ET_SPLIT_VAL},
		   {"valid", ET_SPLIT_VAL},
		   {"validation", ET_SPLIT_VAL},
		   {"test", ET_SPLIT_TEST}};

/*
 * Fills in the directories of the splits, or none where the classes are right below the root:
 * without train/, all directories must be splits, since a class may be called "test".
 */
static int find_splits(struct scan *s, const char *dirs[ET_SPLITS])
{
	struct dirent **names;
	size_t len = strlen(s->path);
	int n, rc = ET_OK, others = 0;
	ET_TRY(list(s, &names, &n));
	for (int i = 0; i < n && rc == ET_OK; i++) {
		size_t k = 0;
		while (k < ET_COUNT(split_names) &&
		       strcmp(names[i]->d_name, split_names[k].name) != 0)
			k++;
		if (!path_enter(s, len, names[i]->d_name))
			rc = too_long(s);
		else if (is_dir(s, names[i])) {
			enum et_split split =
				k < ET_COUNT(split_names) ? split_names[k].split : ET_SPLITS;
			if (split == ET_SPLITS)
				others++;
			else if (dirs[split])
				rc = et_fail(s->err, ET_EDATA,
					     "%s: the directory %s is there, too: only one can be "
					     "the val split",
					     s->path, dirs[split]);
			else
				dirs[split] = split_names[k].name;
		}
		s->path[len] = '\0';
	}
	list_free(names, n);
	if (others && !dirs[ET_SPLIT_TRAIN])
		memset(dirs, 0, ET_SPLITS * sizeof(*dirs));
	return rc;
}

static int scan_root(struct scan *s)
{
	const char *dirs[ET_SPLITS] = {NULL};
	size_t len = strlen(s->path);
	bool defines = true;
	ET_TRY(find_splits(s, dirs));
	for (int k = 0; k < ET_SPLITS; k++) {
		if (!dirs[k])
			continue;
		if (!path_enter(s, len, dirs[k]))
			return too_long(s);
		ET_TRY(scan_split(s, (enum et_split)k, defines));
		s->path[len] = '\0';
		defines = false;
	}
	return defines ? scan_split(s, ET_SPLIT_TRAIN, true) : ET_OK;
}

int et_folder_scan(struct et_dataset *ds, const struct et_dataset_conf *conf, struct et_err *err)
{
	struct folder *own = ds->own;
	/* The path alone is too much for some stacks. */
	struct scan *s = et_calloc(1, sizeof(*s));
	if (!s)
		return et_fail(err, ET_ENOMEM, "%s: out of memory", own->root);
	size_t n = strlen(own->root);
	*s = (struct scan){.ds = ds, .own = own, .conf = conf, .err = err};
	memcpy(s->path, own->root, n + 1);
	s->relative = own->root[n - 1] == '/' ? n : n + 1;
	int rc = scan_root(s);
	free(s->seen);
	free(s);
	return rc;
}

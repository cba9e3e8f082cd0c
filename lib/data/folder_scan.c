/* Finding the pictures of a directory, their classes and splits. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/folder.h"
#include "data/walk.h"

/* ---- scanning -------------------------------------------------------------------------------- */

struct scan {
	struct et_dataset *ds;
	const struct et_dataset_conf *conf;
	struct et_err *err;
	enum et_split split;
	int32_t label;
	size_t relative; /* where in the path the part after root begins */
	struct et_walk walk;
};

static int add_picture(void *arg)
{
	struct scan *s = arg;
	struct et_header head;
	int rc = et_picture_header(s->walk.path, &head, s->err);
	if (s->conf->skip_bad && et_status_is_bad_picture(rc)) {
		s->ds->skipped++;
		return ET_OK;
	}
	ET_TRY(rc);
	return et_folder_add(s->ds, s->walk.path + s->relative, &head, s->split, s->label, s->err);
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
 * The directory at s->walk.path as one class; the first split to be read makes the classes. 1 if it
 * is empty then: whether that is this class's fault is known when the others have been read.
 */
static int scan_class(struct scan *s, const char *name, bool defines)
{
	if (defines)
		ET_TRY(et_dataset_add_class(s->ds, name, s->err));
	s->label = defines ? s->ds->classes - 1 : find_class(s->ds, name);
	if (s->label < 0)
		return et_fail(s->err, ET_EDATA, "%s: train has no class '%s'", s->walk.path, name);
	size_t before = s->ds->split[s->split].n, skipped = s->ds->skipped;
	s->walk.n_seen = 0;
	ET_TRY(et_walk_pictures(&s->walk));
	if (!defines || s->ds->split[s->split].n > before)
		return ET_OK;
	skipped = s->ds->skipped - skipped;
	if (skipped)
		return et_fail(s->err, ET_EDATA,
			       "%s: class '%s' has no pictures, besides %zu that were left out",
			       s->walk.path, name, skipped);
	return 1;
}

/* Is any picture directly in the directory at s->walk.path? Only for the message. */
static bool has_loose_pictures(struct dirent **names, int n)
{
	for (int i = 0; i < n; i++)
		if (et_is_picture_name(names[i]->d_name))
			return true;
	return false;
}

/* The directory at s->walk.path holds a directory for each class. */
static int scan_split(struct scan *s, enum et_split split, bool defines)
{
	struct dirent **names;
	char empty[NAME_MAX + 1] = "";
	size_t len = strlen(s->walk.path);
	int n, rc;
	s->split = split;
	ET_TRY(et_walk_list(&s->walk, &names, &n));
	rc = ET_OK;
	for (int i = 0; i < n && rc >= 0; i++) {
		rc = et_walk_enter(&s->walk, len, names[i]->d_name);
		if (rc == ET_OK && et_walk_is_dir(&s->walk, names[i]))
			rc = scan_class(s, names[i]->d_name, defines);
		if (rc == 1 && !*empty)
			snprintf(empty, sizeof(empty), "%s", names[i]->d_name);
		s->walk.path[len] = '\0';
	}
	bool loose = has_loose_pictures(names, n);
	et_walk_list_free(names, n);
	if (rc < 0)
		return rc;
	if (defines && !s->ds->split[split].n)
		return et_fail(
			s->err, ET_EDATA,
			"Found 0 pictures in %s: looked for CLASS/ directories of pictures%s",
			s->walk.path,
			loose ? "; those not in a directory have no class"
			      : ", alone or below train/, and for "
				"train-images-idx3-ubyte[.gz], data_batch_1.bin, train.bin");
	if (*empty)
		return et_fail(s->err, ET_EDATA, "%s: class '%s' has no pictures", s->walk.path,
			       empty);
	return ET_OK;
}

/* ---- splits ---------------------------------------------------------------------------------- */

/*
 * The directories of the splits, or none where the classes are right below the root: without
 * train/, all directories must be splits, since a class may be called "test".
 */
static int find_splits(struct scan *s, const char *dirs[ET_SPLITS])
{
	int others;
	ET_TRY(et_walk_splits(&s->walk, dirs, &others));
	if (others && !dirs[ET_SPLIT_TRAIN])
		memset(dirs, 0, ET_SPLITS * sizeof(*dirs));
	return ET_OK;
}

static int scan_root(struct scan *s)
{
	const char *dirs[ET_SPLITS] = {NULL};
	size_t len = strlen(s->walk.path);
	bool defines = true;
	ET_TRY(find_splits(s, dirs));
	for (int k = 0; k < ET_SPLITS; k++) {
		if (!dirs[k])
			continue;
		ET_TRY(et_walk_enter(&s->walk, len, dirs[k]));
		ET_TRY(scan_split(s, (enum et_split)k, defines));
		s->walk.path[len] = '\0';
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
	*s = (struct scan){
		.ds = ds,
		.conf = conf,
		.err = err,
		.walk = {.stop = conf->stop, .err = err, .found = add_picture, .arg = s}};
	memcpy(s->walk.path, own->root, n + 1);
	s->relative = own->root[n - 1] == '/' ? n : n + 1;
	int rc = scan_root(s);
	et_walk_free(&s->walk);
	free(s);
	return rc;
}

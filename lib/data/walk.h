/* Going through directories for pictures: what the scanners of datasets share. */
#ifndef ET_DATA_WALK_H
#define ET_DATA_WALK_H

#include <dirent.h>
#include <sys/types.h>

#include "data/priv.h"

struct et_seen_dir {
	dev_t dev;
	ino_t ino;
};

struct et_walk {
	const volatile sig_atomic_t *stop;
	struct et_err *err;
	/* Of a picture, whose file is at path. */
	int (*found)(void *arg);
	void *arg;
	/* Directories entered so far: none is entered twice, by whatever links. */
	struct et_seen_dir *seen;
	size_t n_seen, cap_seen;
	char path[PATH_MAX]; /* of what is being looked at */
};

/* Appends "/name" to the path of that length; ET_EDATA if it gets too long. */
int et_walk_enter(struct et_walk *w, size_t len, const char *name) ET_MUST_CHECK;
/* The names in the directory at path, sorted by bytes, hidden ones left out. */
int et_walk_list(struct et_walk *w, struct dirent ***names, int *n) ET_MUST_CHECK;
void et_walk_list_free(struct dirent **names, int n);
/* Of the entry that path names. A link to nothing is not a directory, but may be a picture. */
bool et_walk_is_dir(const struct et_walk *w, const struct dirent *e);
/*
 * By its ending. Formats that are not read are found all the same: better an error than a picture
 * left out.
 */
bool et_is_picture_name(const char *name);
/* Everything below the directory at path, in the order of its bytes. */
int et_walk_pictures(struct et_walk *w) ET_MUST_CHECK;
/* The names of the directories at path that are splits, NULL for none, and how many are not. */
int et_walk_splits(struct et_walk *w, const char *dirs[ET_SPLITS], int *others) ET_MUST_CHECK;
/* Is there a directory of that name in root? */
bool et_has_dir(const char *root, const char *name);
void et_walk_free(struct et_walk *w);

#endif

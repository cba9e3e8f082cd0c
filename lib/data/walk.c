/* Going through directories for pictures. */
#include "data/walk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

int et_walk_enter(struct et_walk *w, size_t len, const char *name)
{
	int n = snprintf(w->path + len, sizeof(w->path) - len, "%s%s",
			 len && w->path[len - 1] == '/' ? "" : "/", name);
	if (n >= 0 && (size_t)n < sizeof(w->path) - len)
		return ET_OK;
	return et_fail(w->err, ET_EDATA, "a path is too long, more than %d bytes: %.300s",
		       PATH_MAX - 1, w->path);
}

static int not_hidden(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

int et_walk_list(struct et_walk *w, struct dirent ***names, int *n)
{
	*n = scandir(w->path, names, not_hidden, by_bytes);
	if (*n >= 0)
		return ET_OK;
	*names = NULL;
	*n = 0;
	return et_fail(w->err, errno == ENOMEM ? ET_ENOMEM : ET_ENOINPUT,
		       "%s: cannot list this directory: %s", w->path, strerror(errno));
}

void et_walk_list_free(struct dirent **names, int n)
{
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

bool et_walk_is_dir(const struct et_walk *w, const struct dirent *e)
{
	if (e->d_type == DT_DIR || e->d_type == DT_REG)
		return e->d_type == DT_DIR;
	return et_path_is_dir(w->path);
}

bool et_is_picture_name(const char *name)
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

/* Marks the directory at path as seen; 0 if it was already, so that loops of links end. */
static int enter_once(struct et_walk *w)
{
	struct stat st;
	if (stat(w->path, &st) < 0)
		return et_fail(w->err, ET_ENOINPUT, "%s: cannot stat: %s", w->path,
			       strerror(errno));
	for (size_t i = 0; i < w->n_seen; i++)
		if (w->seen[i].dev == st.st_dev && w->seen[i].ino == st.st_ino)
			return 0;
	void *seen = w->seen;
	if (!et_grow(&seen, w->n_seen, &w->cap_seen, sizeof(*w->seen)))
		return et_fail(w->err, ET_ENOMEM, "%s: out of memory", w->path);
	w->seen = seen;
	w->seen[w->n_seen++] = (struct et_seen_dir){st.st_dev, st.st_ino};
	return 1;
}

static int found(struct et_walk *w)
{
	if (et_stop_asked(w->stop))
		return et_fail(w->err, ET_ESTOP, "%s: stopped while looking for pictures", w->path);
	return w->found(w->arg);
}

int et_walk_pictures(struct et_walk *w)
{
	struct dirent **names;
	size_t len = strlen(w->path);
	int n, rc = enter_once(w);
	if (rc <= 0)
		return rc;
	ET_TRY(et_walk_list(w, &names, &n));
	rc = ET_OK;
	for (int i = 0; i < n && rc == ET_OK; i++) {
		rc = et_walk_enter(w, len, names[i]->d_name);
		if (rc == ET_OK && et_walk_is_dir(w, names[i]))
			rc = et_walk_pictures(w);
		else if (rc == ET_OK && et_is_picture_name(names[i]->d_name))
			rc = found(w);
		w->path[len] = '\0';
	}
	et_walk_list_free(names, n);
	return rc;
}

void et_walk_free(struct et_walk *w)
{
	free(w->seen);
	w->seen = NULL;
	w->n_seen = w->cap_seen = 0;
}

int et_walk_splits(struct et_walk *w, const char *dirs[ET_SPLITS], int *others)
{
	static const struct {
		const char *name;
		enum et_split split;
	} split[] = {{"train", ET_SPLIT_TRAIN},
		     {"val", ET_SPLIT_VAL},
		     {"valid", ET_SPLIT_VAL},
		     {"validation", ET_SPLIT_VAL},
		     {"test", ET_SPLIT_TEST}};
	struct dirent **names;
	size_t len = strlen(w->path);
	int n, rc = ET_OK;
	memset(dirs, 0, ET_SPLITS * sizeof(*dirs));
	*others = 0;
	ET_TRY(et_walk_list(w, &names, &n));
	for (int i = 0; i < n && rc == ET_OK; i++) {
		size_t k = 0;
		while (k < ET_COUNT(split) && strcmp(names[i]->d_name, split[k].name) != 0)
			k++;
		rc = et_walk_enter(w, len, names[i]->d_name);
		bool is_dir = rc == ET_OK && et_walk_is_dir(w, names[i]);
		if (is_dir && k == ET_COUNT(split))
			++*others;
		else if (is_dir && dirs[split[k].split])
			rc = et_fail(w->err, ET_EDATA,
				     "%s: the directory %s is there, too: only one can be the val "
				     "split",
				     w->path, dirs[split[k].split]);
		else if (is_dir)
			dirs[split[k].split] = split[k].name;
		w->path[len] = '\0';
	}
	et_walk_list_free(names, n);
	return rc;
}

bool et_has_dir(const char *root, const char *name)
{
	char *path = et_path_join(root, name);
	bool has = path && et_path_is_dir(path);
	free(path);
	return has;
}

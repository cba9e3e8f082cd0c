/*
 * The checkpoints before the latest one: pairs DIR/checkpoints/step-NNNNNNNN.model.safetensors and
 * .state.safetensors. A pair gets there as a link to what is about to be replaced, so that nothing
 * is written twice; where the file system has no links it is moved.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run/checkpoint.h"

static const char *const part_name[ET_PARTS] = {"model", "state"};

/* ---- names ----------------------------------------------------------------------------------- */

char *et_kept_path(const char *dir, uint64_t step, enum et_part part)
{
	return et_asprintf("%s/" ET_KEPT_DIR "/step-%08" PRIu64 ".%s.safetensors", dir, step,
			   part_name[part]);
}

/* The step of a name as above; false for any other file. */
static bool parse(const char *name, uint64_t *step, enum et_part *part)
{
	char again[80];

	if (strncmp(name, "step-", 5) != 0)
		return false;
	*step = strtoull(name + 5, NULL, 10);
	for (int p = 0; p < ET_PARTS; p++) {
		snprintf(again, sizeof(again), "step-%08" PRIu64 ".%s.safetensors", *step,
			 part_name[p]);
		*part = (enum et_part)p;
		if (strcmp(again, name) == 0)
			return true;
	}
	return false;
}

/* ---- what is there --------------------------------------------------------------------------- */

static int newest_first(const void *a, const void *b)
{
	const struct et_kept *x = a, *y = b;
	return x->step < y->step ? 1 : x->step > y->step ? -1 : 0;
}

static DIR *open_kept(const char *dir)
{
	char *path = et_path_join(dir, ET_KEPT_DIR);
	DIR *d = path ? opendir(path) : NULL;

	free(path);
	return d;
}

size_t et_kept_list(const char *dir, struct et_kept *list, size_t max)
{
	DIR *d = open_kept(dir);
	const struct dirent *e;
	enum et_part part;
	uint64_t step;
	size_t n = 0, i;

	while (d && (e = readdir(d))) {
		if (!parse(e->d_name, &step, &part))
			continue;
		for (i = 0; i < n && list[i].step != step; i++)
			;
		if (i == max)
			continue;
		if (i == n)
			list[n++] = (struct et_kept){.step = step};
		list[i].has[part] = true;
	}
	if (d)
		closedir(d);
	qsort(list, n, sizeof(*list), newest_first);
	return n;
}

void et_kept_prune(const char *dir, uint64_t upto, size_t stay)
{
	struct et_kept list[ET_KEPT_MAX];
	size_t n = et_kept_list(dir, list, ET_COUNT(list)), left = 0;
	char *path;

	for (size_t i = 0; i < n; i++) {
		bool whole = list[i].has[ET_PART_MODEL] && list[i].has[ET_PART_STATE];
		if (whole && list[i].step <= upto && left < stay) {
			left++;
			continue;
		}
		for (int p = 0; p < ET_PARTS; p++) {
			path = et_kept_path(dir, list[i].step, (enum et_part)p);
			if (path)
				unlink(path);
			free(path);
		}
	}
	path = et_path_join(dir, ET_KEPT_DIR);
	if (path && !left)
		rmdir(path);
	free(path);
}

/* ---- putting a pair there, and taking it back ------------------------------------------------ */

static bool is_link(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

/* Has this file system, or this file, no links? Then errno is one of these. */
static bool no_links(int e)
{
	return e == EPERM || e == EACCES || e == ENOTSUP || e == EOPNOTSUPP || e == ENOSYS ||
	       e == EMLINK || e == EXDEV;
}

/*
 * Gives a file a second name, in place of what had it, or where there are no links its only one.
 * `to` is at any moment what it was, or the whole file.
 */
static int put(const char *from, const char *to, struct et_err *err)
{
	char *temp = et_asprintf("%s.link.tmp", to);
	int status = ET_OK;

	if (!temp)
		return et_fail(err, ET_ENOMEM, "out of memory");
	unlink(temp);
	if (linkat(AT_FDCWD, from, AT_FDCWD, temp, AT_SYMLINK_FOLLOW) == 0) {
		if (rename(temp, to) < 0)
			status = et_fail(err, ET_EIO, "%s: cannot rename to %s: %s", temp, to,
					 strerror(errno));
		/* Of two names of one file neither goes away by renaming. */
		unlink(temp);
	} else if (!no_links(errno)) {
		status = et_fail(err, ET_EIO, "%s: cannot link: %s", to, strerror(errno));
	} else if (is_link(from)) {
		status = et_fail(err, ET_ECREATE, "%s: cannot link: %s", to, strerror(errno));
	} else if (rename(from, to) < 0) {
		status = et_fail(err, errno == EXDEV ? ET_ECREATE : ET_EIO,
				 "%s: cannot rename to %s: %s", from, to, strerror(errno));
	}
	free(temp);
	return status;
}

/* The directory's entries are on the disk before what they name is replaced. Best effort. */
static void sync_kept(const char *dir)
{
	char *path = et_path_join(dir, ET_KEPT_DIR);
	int fd = path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (fd >= 0) {
		(void)fsync(fd);
		close(fd);
	}
	free(path);
}

static int put_part(const char *from, const char *to, struct et_err *err)
{
	return from && to ? put(from, to, err) : et_fail(err, ET_ENOMEM, "out of memory");
}

static void pair_paths(const char *dir, uint64_t step, char *latest[ET_PARTS], char *kept[ET_PARTS])
{
	latest[ET_PART_MODEL] = et_path_join(dir, ET_MODEL_FILE);
	latest[ET_PART_STATE] = et_path_join(dir, ET_STATE_FILE);
	for (int p = 0; p < ET_PARTS; p++)
		kept[p] = et_kept_path(dir, step, (enum et_part)p);
}

static void free_paths(char *latest[ET_PARTS], char *kept[ET_PARTS])
{
	for (int p = 0; p < ET_PARTS; p++) {
		free(latest[p]);
		free(kept[p]);
	}
}

int et_kept_add(const char *dir, uint64_t step, struct et_err *err)
{
	char *latest[ET_PARTS], *kept[ET_PARTS], *place = et_path_join(dir, ET_KEPT_DIR);
	int status = place ? et_dir_make(place, err) : et_fail(err, ET_ENOMEM, "out of memory");

	pair_paths(dir, step, latest, kept);
	for (int p = 0; p < ET_PARTS && !status; p++)
		status = put_part(latest[p], kept[p], err);
	if (!status)
		sync_kept(dir);
	free_paths(latest, kept);
	free(place);
	return status;
}

int et_kept_restore(const char *dir, const struct et_kept *pair, struct et_err *err)
{
	char *latest[ET_PARTS], *kept[ET_PARTS];
	int status = ET_OK;

	pair_paths(dir, pair->step, latest, kept);
	for (int p = 0; p < ET_PARTS && !status; p++)
		if (pair->has[p])
			status = put_part(kept[p], latest[p], err);
	free_paths(latest, kept);
	return status;
}

void et_kept_undo(const char *dir, uint64_t step)
{
	char *latest[ET_PARTS], *kept[ET_PARTS];
	struct et_err ignored;

	pair_paths(dir, step, latest, kept);
	for (int p = 0; p < ET_PARTS; p++)
		if (latest[p] && kept[p] && !et_path_exists(latest[p]) && et_path_exists(kept[p]) &&
		    put(kept[p], latest[p], &ignored))
			continue; /* resuming will find it where it is */
	free_paths(latest, kept);
}

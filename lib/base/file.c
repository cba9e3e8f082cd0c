/* Paths, directories and whole files to be read. Writing is in writer.c. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"

char *et_path_join(const char *dir, const char *name)
{
	size_t n = strlen(dir);
	return et_asprintf("%s%s%s", dir, n && dir[n - 1] != '/' ? "/" : "", name);
}

bool et_path_exists(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0;
}

bool et_path_is_dir(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool et_path_same(const char *a, const char *b)
{
	struct stat s, t;
	return stat(a, &s) == 0 && stat(b, &t) == 0 && s.st_dev == t.st_dev && s.st_ino == t.st_ino;
}

/* Is this errno of open() about the path, and not about the machine's state? */
static bool errno_is_of_path(int e)
{
	return e == ENOENT || e == ENOTDIR || e == EACCES || e == EPERM || e == ELOOP ||
	       e == ENAMETOOLONG || e == ENXIO || e == ENODEV;
}

int et_file_open(const char *path, int *fd, uint64_t *size, struct et_err *err)
{
	*fd = -1;
	/* O_NONBLOCK: opening a fifo would wait for its writer. */
	int f;
	do
		f = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	while (f < 0 && errno == EINTR);
	if (f < 0)
		return et_fail(err, errno_is_of_path(errno) ? ET_ENOINPUT : ET_EIO,
			       "%s: cannot open: %s", path, strerror(errno));
	struct stat st;
	if (fstat(f, &st) < 0) {
		int e = errno;
		close(f);
		return et_fail(err, ET_EIO, "%s: cannot stat: %s", path, strerror(e));
	}
	if (!S_ISREG(st.st_mode)) {
		close(f);
		return et_fail(err, ET_EDATA, "%s: expected a regular file, found a %s", path,
			       S_ISDIR(st.st_mode)    ? "directory"
			       : S_ISFIFO(st.st_mode) ? "pipe"
			       : S_ISSOCK(st.st_mode) ? "socket"
						      : "device");
	}
	*fd = f;
	*size = (uint64_t)st.st_size;
	return ET_OK;
}

static int too_long(const char *path, size_t max, struct et_err *err)
{
	char text[32];
	return et_fail(err, ET_EDATA, "%s: longer than the limit of %s", path,
		       et_human_bytes(max, text));
}

/*
 * Reads to the end, not to st_size: the files of /proc and /sys say 0 or a page, and a file may
 * grow or shrink meanwhile.
 */
static int read_all(int fd, const char *path, size_t guess, size_t max, char **text, size_t *size,
		    struct et_err *err)
{
	size_t cap = et_max(guess, 255) + 1, n = 0;
	char *buf = malloc(cap);
	for (;;) {
		if (!buf)
			return et_fail(err, ET_ENOMEM, "%s: out of memory reading it", path);
		ssize_t got = read(fd, buf + n, cap - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			int e = errno;
			free(buf);
			return et_fail(err, ET_EIO, "%s: cannot read: %s", path, strerror(e));
		}
		if (got == 0)
			break;
		n += (size_t)got;
		if (max && n > max) {
			free(buf);
			return too_long(path, max, err);
		}
		if (n == cap) {
			/* One byte always stays free for the NUL. */
			size_t more;
			char *grown = et_mul(cap, 2, &more) ? realloc(buf, more) : NULL;
			if (!grown)
				free(buf);
			buf = grown;
			cap = more;
		}
	}
	buf[n] = '\0';
	*text = buf;
	*size = n;
	return ET_OK;
}

int et_file_read(const char *path, size_t max, char **text, size_t *size, struct et_err *err)
{
	*text = NULL;
	*size = 0;
	int fd;
	uint64_t length;
	ET_TRY(et_file_open(path, &fd, &length, err));
	int rc;
	if (max && length > max)
		rc = too_long(path, max, err);
	else if (length >= SIZE_MAX / 2)
		rc = et_fail(err, ET_ENOMEM, "%s: too large for this machine's memory", path);
	else
		rc = read_all(fd, path, (size_t)length, max, text, size, err);
	close(fd);
	return rc;
}

/* The entry of a new directory survives a power cut only once its parent is on disk. Best effort.
 */
static void sync_parent(char *path)
{
	char *slash = strrchr(path, '/');
	if (slash)
		*slash = '\0';
	int fd = open(!slash	      ? "."
		      : slash == path ? "/"
				      : path,
		      O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (slash)
		*slash = '/';
	if (fd >= 0) {
		(void)fsync(fd);
		close(fd);
	}
}

static int make_one(char *path, struct et_err *err)
{
	if (mkdir(path, 0777) == 0) {
		sync_parent(path);
		return ET_OK;
	}
	int e = errno;
	/* Asked of the path itself: a read-only parent may answer EROFS for a directory that is
	 * there. */
	if (et_path_is_dir(path))
		return ET_OK;
	if (e == EEXIST)
		return et_fail(err, ET_ECREATE,
			       "%s: cannot make this directory: a file is in its place", path);
	return et_fail(err, ET_ECREATE, "%s: cannot make this directory: %s", path, strerror(e));
}

int et_dir_make(const char *path, struct et_err *err)
{
	if (et_path_is_dir(path))
		return ET_OK;
	if (!*path)
		return et_fail(err, ET_ECREATE,
			       "expected the name of a directory, found an empty one");
	char *copy = et_strdup(path);
	if (!copy)
		return et_fail(err, ET_ENOMEM, "%s: out of memory", path);
	size_t n = strlen(copy);
	while (n > 1 && copy[n - 1] == '/')
		copy[--n] = '\0';
	int rc = ET_OK;
	for (char *slash = copy; rc == ET_OK && (slash = strchr(slash + 1, '/'));) {
		*slash = '\0';
		rc = make_one(copy, err);
		*slash = '/';
	}
	if (rc == ET_OK)
		rc = make_one(copy, err);
	free(copy);
	return rc;
}

/* Durable replacement of a file: temporary file, fsync, rename, fsync of the directory. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/base.h"

/* Bytes of the target's name kept in the temporary one, so that its suffix fits NAME_MAX (255). */
#define STEM_MAX 200

/* Offset of the last component of path. */
static size_t base_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? (size_t)(slash - path) + 1 : 0;
}

/* A link is written through, as open(O_TRUNC) would; a dangling one is replaced. */
static char *resolve(const char *path)
{
	struct stat st;
	char *real = NULL;
	if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
		real = realpath(path, NULL);
	return real ? real : et_strdup(path);
}

/*
 * A name that is not taken: a process killed before a reboot may have left one with our number, and
 * containers that share a volume share numbers too.
 */
static int open_temp(struct et_writer *w)
{
	size_t dir = base_of(w->path);
	for (unsigned i = 0; i < 1000; i++) {
		w->temp = et_asprintf("%.*s%.*s.%ld-%u.tmp", (int)dir, w->path, STEM_MAX,
				      w->path + dir, (long)getpid(), i);
		if (!w->temp) {
			errno = ENOMEM;
			return -1;
		}
		int fd;
		do
			fd = open(w->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		while (fd < 0 && errno == EINTR);
		if (fd >= 0)
			return fd;
		int e = errno;
		free(w->temp);
		w->temp = NULL;
		errno = e;
		if (e != EEXIST)
			return -1;
	}
	return -1;
}

static void forget(struct et_writer *w)
{
	free(w->path);
	free(w->temp);
	w->path = NULL;
	w->temp = NULL;
	w->fd = -1;
}

static void reset(struct et_writer *w)
{
	w->path = NULL;
	w->temp = NULL;
	w->fd = -1;
	w->crc = 0;
	w->bytes = 0;
	w->failed = 0;
	w->synced = w->counts = false;
	w->fill = 0;
}

void et_writer_count(struct et_writer *w)
{
	reset(w);
	w->counts = true;
}

int et_writer_open(struct et_writer *w, const char *path, struct et_err *err)
{
	reset(w);
	w->path = resolve(path);
	if (!w->path)
		return et_fail(err, ET_ENOMEM, "%s: out of memory", path);
	struct stat st;
	bool there = stat(w->path, &st) == 0;
	if (w->path[base_of(w->path)] == '\0' || (there && !S_ISREG(st.st_mode))) {
		forget(w);
		return et_fail(err, ET_ECREATE, "%s: cannot create: %s is not a regular file", path,
			       there && S_ISDIR(st.st_mode) ? "a directory" : "this");
	}
	w->fd = open_temp(w);
	if (w->fd < 0) {
		int e = errno;
		forget(w);
		return et_fail(err, e == ENOMEM ? ET_ENOMEM : ET_ECREATE, "%s: cannot create: %s",
			       path, strerror(e));
	}
	return ET_OK;
}

static void write_out(struct et_writer *w, const unsigned char *p, size_t n)
{
	while (n > 0 && !w->failed) {
		ssize_t done = write(w->fd, p, n);
		if (done > 0) {
			p += done;
			n -= (size_t)done;
		} else if (done == 0) {
			w->failed = EIO;
		} else if (errno != EINTR) {
			w->failed = errno;
		}
	}
}

static void flush(struct et_writer *w)
{
	write_out(w, w->buf, w->fill);
	w->fill = 0;
}

void et_writer_put(struct et_writer *w, const void *data, size_t n)
{
	assert(w->temp || w->counts);
	if (!n)
		return;
	w->crc = (uint32_t)crc32_z(w->crc, data, n);
	w->bytes += n;
	w->synced = false;
	if (w->counts)
		return;
	if (n > sizeof(w->buf) - w->fill)
		flush(w);
	if (n >= sizeof(w->buf)) {
		write_out(w, data, n);
	} else {
		memcpy(w->buf + w->fill, data, n);
		w->fill += n;
	}
}

/* What stands at the target now that this write has not come about. */
static const char *kept(const struct et_writer *w)
{
	return et_path_exists(w->path) ? "the previous file was kept" : "no file was made";
}

static int fail_write(const struct et_writer *w, struct et_err *err)
{
	return et_fail(err, ET_EIO, "%s: cannot write: %s; %s", w->path, strerror(w->failed),
		       kept(w));
}

static int sync_fd(int fd)
{
	int rc;
	do
		rc = fsync(fd);
	while (rc < 0 && errno == EINTR);
	return rc;
}

int et_writer_sync(struct et_writer *w, struct et_err *err)
{
	assert(w->temp);
	flush(w);
	/* Never a second fsync after one that failed: it would report success for pages already
	 * dropped. */
	if (!w->failed && !w->synced && sync_fd(w->fd) < 0)
		w->failed = errno;
	if (w->failed)
		return fail_write(w, err);
	w->synced = true;
	return ET_OK;
}

/* File systems that cannot sync a directory, and directories that may not be read, are let pass. */
static int sync_dir(const char *path)
{
	size_t n = base_of(path);
	char *dir = n ? et_asprintf("%.*s", (int)n, path) : et_strdup(".");
	if (!dir)
		return ENOMEM;
	int e = 0, fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(dir);
	if (fd < 0)
		return errno == EACCES ? 0 : errno;
	if (sync_fd(fd) < 0 && errno != EINVAL && errno != ENOTSUP && errno != ENOSYS)
		e = errno;
	close(fd);
	return e;
}

int et_writer_commit(struct et_writer *w, struct et_err *err)
{
	int rc = et_writer_sync(w, err);
	if (rc < 0) {
		et_writer_abort(w);
		return rc;
	}
	/* Linux has closed the descriptor even when close() was interrupted. */
	if (close(w->fd) < 0 && errno != EINTR)
		w->failed = errno;
	w->fd = -1;
	if (w->failed) {
		rc = fail_write(w, err);
	} else if (rename(w->temp, w->path) < 0) {
		int e = errno;
		rc = et_fail(err, ET_EIO, "%s: cannot move the new file into place: %s; %s",
			     w->path, strerror(e), kept(w));
	} else {
		int e = sync_dir(w->path);
		if (e)
			rc = et_fail(
				err, ET_EIO,
				"%s: written, but its directory could not be synced to disk: %s",
				w->path, strerror(e));
		forget(w);
		return rc;
	}
	et_writer_abort(w);
	return rc;
}

void et_writer_abort(struct et_writer *w)
{
	if (!w->temp)
		return;
	if (w->fd >= 0)
		close(w->fd);
	unlink(w->temp);
	forget(w);
}

int et_file_write(const char *path, const void *data, size_t n, struct et_err *err)
{
	struct et_writer w;
	ET_TRY(et_writer_open(&w, path, err));
	et_writer_put(&w, data, n);
	return et_writer_commit(&w, err);
}

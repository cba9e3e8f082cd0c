/*
 * One process at a time in a run directory. The lock is flock() on the file DIR/lock, so that it
 * goes with the process however that ends; the file says whose it is, and a stale one is in
 * nobody's way.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "run/run.h"

#define FILE_NAME "lock"
#define TEXT_MAX  512

/* ---- directories ----------------------------------------------------------------------------- */

/* The length of the shortest part of path that is not there yet; 0: all of it is. */
static size_t missing_part(const char *path)
{
	char *part = et_strdup(path);
	size_t n = 0;

	for (size_t i = 1; part && part[0] && !n; i++) {
		char c = part[i];
		if (c && c != '/')
			continue;
		part[i] = 0;
		if (!et_path_exists(part))
			n = i;
		part[i] = c;
		if (!c)
			break;
	}
	free(part);
	return n;
}

/* What had to be made goes again where nothing was put into it. */
static void remove_empty(const struct et_lock *l)
{
	char *path = l->made ? et_strdup(l->dir) : NULL;

	for (size_t n = path ? strlen(path) : 0; n >= l->made && n; n--) {
		if (path[n] && path[n] != '/')
			continue;
		path[n] = 0;
		if (path[n - 1] != '/' && rmdir(path) < 0)
			break;
	}
	free(path);
}

/* ---- whose it is ----------------------------------------------------------------------------- */

static void sign(int fd)
{
	char text[TEXT_MAX], host[256] = "", when[40] = "";
	time_t now = time(NULL);
	struct tm tm;

	if (gethostname(host, sizeof(host) - 1) < 0 || !*host)
		snprintf(host, sizeof(host), "localhost");
	if (localtime_r(&now, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	int n = snprintf(text, sizeof(text), "%ld %s %s\n", (long)getpid(), host, when);
	/* On a full disk the lock holds as well, without a name. */
	if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)n, 0) != n)
		(void)!ftruncate(fd, 0);
}

/* The holder signs just after it has the lock: it is given the time to. */
static int busy(int fd, const char *dir, struct et_err *err)
{
	char text[TEXT_MAX], host[256], when[64];
	long pid;

	for (int i = 0; i < 20; i++) {
		ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
		text[n > 0 ? n : 0] = 0;
		if (n > 0 && text[n - 1] == '\n' &&
		    sscanf(text, "%ld %255s %63[^\n]", &pid, host, when) == 3)
			return et_fail(err, ET_EBUSY,
				       "%s: process %ld on %s has been training it since %s", dir,
				       pid, host, when);
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	}
	return et_fail(err, ET_EBUSY, "%s: another process is training it", dir);
}

/* ---- the lock -------------------------------------------------------------------------------- */

static int open_file(struct et_lock *l, struct et_err *err)
{
	struct stat st;
	int fd;

	/* Who made the directory may have removed it again: its work was refused. */
	for (int i = 0; i < 100; i++) {
		size_t made = missing_part(l->dir);
		if (made && (!l->made || made < l->made))
			l->made = made;
		fd = et_dir_make(l->dir, err);
		if (fd < 0 && i < 99)
			continue;
		ET_TRY(fd);
		fd = open(l->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
		if (fd >= 0 || (errno != ENOENT && errno != EINTR))
			break;
	}
	if (fd < 0)
		return et_fail(err, ET_ECREATE, "%s: cannot create: %s", l->path, strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return et_fail(err, ET_ECREATE, "%s: cannot lock: it is not a regular file",
			       l->path);
	}
	return fd;
}

/* Is the file that is open still the one of that name? Its holder removes it in the end. */
static bool in_place(const struct et_lock *l, int fd)
{
	struct stat here, there;

	return fstat(fd, &here) == 0 && lstat(l->path, &there) == 0 &&
	       here.st_ino == there.st_ino && here.st_dev == there.st_dev;
}

static int take(struct et_lock *l, const struct et_env *env, struct et_err *err)
{
	for (;;) {
		int fd = open_file(l, err), rc;
		ET_TRY(fd);
		do
			rc = flock(fd, LOCK_EX | LOCK_NB);
		while (rc < 0 && errno == EINTR);
		if (rc < 0 && errno == EWOULDBLOCK) {
			/* Of one that has just ended nothing is to be told. */
			int status = in_place(l, fd) ? busy(fd, l->dir, err) : ET_OK;
			close(fd);
			ET_TRY(status);
			continue;
		}
		if (rc < 0)
			et_log(env, ET_LOG_WARNING,
			       "%s: this file system has no locks (%s): nothing keeps a second "
			       "process out of the run",
			       l->path, strerror(errno));
		if (in_place(l, fd)) {
			l->fd = fd;
			sign(fd);
			return ET_OK;
		}
		close(fd);
	}
}

int et_lock_take(struct et_lock *l, const struct et_env *env, const char *dir, struct et_err *err)
{
	*l = (struct et_lock){.fd = -1};
	l->dir = et_strdup(dir);
	l->path = et_path_join(dir, FILE_NAME);
	int status =
		l->dir && l->path ? take(l, env, err) : et_fail(err, ET_ENOMEM, "out of memory");
	if (status)
		et_lock_release(l);
	return status;
}

void et_lock_release(struct et_lock *l)
{
	if (l->fd >= 0) {
		if (in_place(l, l->fd))
			unlink(l->path);
		close(l->fd);
	}
	if (l->dir)
		remove_empty(l);
	free(l->dir);
	free(l->path);
	*l = (struct et_lock){.fd = -1};
}

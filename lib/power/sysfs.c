/* Small readings of /sys and /proc. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "power/source.h"

bool et_sys_text(char *buf, size_t n, const char *path)
{
	/* O_NONBLOCK: a made-up tree may hold FIFOs, and opening one would wait for its writer. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t got = 0;
	size_t have = 0;
	int e = 0;

	buf[0] = 0;
	if (fd < 0)
		return false;
	/* One read is one measurement for most files of sysfs, so there is no second without need.
	 */
	do {
		got = read(fd, buf + have, n - 1 - have);
		e = got < 0 ? errno : EINVAL;
		have += got > 0 ? (size_t)got : 0;
	} while (got > 0 && have < n - 1 && buf[have - 1] != '\n' && buf[have - 1]);
	close(fd);
	buf[have] = 0;
	errno = e;
	return have > 0;
}

static bool line_of(const char *path, char *buf, size_t n)
{
	if (!et_sys_text(buf, n, path))
		return false;
	size_t len = strcspn(buf, "\n");
	while (len && strchr(" \t\r", buf[len - 1]))
		len--;
	buf[len] = 0;
	errno = EINVAL;
	return len > 0;
}

static bool path_of(char path[ET_SYS_PATH], const char *fmt, va_list args)
{
	int n = vsnprintf(path, ET_SYS_PATH, fmt, args);

	errno = ENAMETOOLONG;
	return n > 0 && n < ET_SYS_PATH;
}

bool et_sys_line(char *buf, size_t n, const char *fmt, ...)
{
	char path[ET_SYS_PATH];
	va_list args;

	va_start(args, fmt);
	bool fits = path_of(path, fmt, args);
	va_end(args);
	return fits && line_of(path, buf, n);
}

bool et_sys_number(double *v, const char *fmt, ...)
{
	char path[ET_SYS_PATH], line[64];
	va_list args;

	va_start(args, fmt);
	bool fits = path_of(path, fmt, args);
	va_end(args);
	if (!fits || !line_of(path, line, sizeof(line)))
		return false;
	errno = EINVAL;
	return et_parse_f64(line, v);
}

int et_sys_list(char (*name)[ET_SYS_NAME], int max, const char *prefix, const char *fmt, ...)
{
	char path[ET_SYS_PATH];
	struct dirent **all;
	va_list args;
	int kept = 0;

	va_start(args, fmt);
	bool fits = path_of(path, fmt, args);
	va_end(args);
	int n = fits ? scandir(path, &all, NULL, versionsort) : -1;
	for (int i = 0; i < n; i++) {
		const char *s = all[i]->d_name;
		size_t len = strlen(s);
		if (kept < max && len < ET_SYS_NAME && *s != '.' &&
		    strncmp(s, prefix, strlen(prefix)) == 0)
			memcpy(name[kept++], s, len + 1);
		free(all[i]);
	}
	if (n >= 0)
		free(all);
	return kept;
}

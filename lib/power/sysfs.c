/* Small readings of /sys and /proc. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "power/source.h"

bool et_sys_line(const char *path, char *buf, size_t n)
{
	/* O_NONBLOCK: a made-up tree may hold FIFOs, and opening one would wait for its writer. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return false;
	ssize_t got = read(fd, buf, n - 1);
	int e = got < 0 ? errno : EINVAL;
	close(fd);
	buf[got > 0 ? got : 0] = 0;
	size_t len = strcspn(buf, "\n");
	while (len && strchr(" \t\r", buf[len - 1]))
		len--;
	buf[len] = 0;
	errno = e;
	return len > 0;
}

bool et_sys_number(const char *path, double *v)
{
	char line[64];

	if (!et_sys_line(path, line, sizeof(line)))
		return false;
	errno = EINVAL;
	return et_parse_f64(line, v);
}

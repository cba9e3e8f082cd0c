/*
 * What systemd is told of a service of Type=notify, by its protocol of datagrams (sd_notify(3)),
 * without its library. Driven by progress alone, so that a training that hangs is seen to.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cmd.h"

#define STATUS_S 5.0	/* between two lines of status */
#define EXTEND_S 10.0	/* between two requests for more time */
#define LOAD_S	 1800.0 /* that pictures may take to be listed: nothing is heard meanwhile */
#define SAVE_S	 600.0	/* that a checkpoint may take on a slow card */

static socklen_t address(struct sockaddr_un *to, const char *path)
{
	size_t n = strlen(path);

	*to = (struct sockaddr_un){.sun_family = AF_UNIX};
	if ((path[0] != '/' && path[0] != '@') || n < 2 || n >= sizeof(to->sun_path))
		return 0;
	memcpy(to->sun_path, path, n);
	/* A name in no directory: it begins with NUL, and ends where its length says. */
	if (path[0] == '@')
		to->sun_path[0] = 0;
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
}

/* Never waits: training is worth more than a message. */
static bool ET_PRINTF(2, 3) tell(const struct notify *n, const char *fmt, ...)
{
	struct sockaddr_un to;
	socklen_t size = address(&to, n->socket);
	char text[600];
	va_list args;

	va_start(args, fmt);
	int length = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (length < 0 || (size_t)length >= sizeof(text))
		return false;
	return sendto(n->fd, text, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT,
		      (const struct sockaddr *)&to, size) == length;
}

static double watchdog(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	int64_t v, whose;

	if (!usec || !et_parse_i64(usec, &v) || v <= 0)
		return 0;
	if (pid && *pid && (!et_parse_i64(pid, &whose) || whose != getpid()))
		return 0;
	return (double)v / 1e6;
}

void notify_open(struct notify *n, const volatile sig_atomic_t *stop)
{
	struct sockaddr_un to;

	*n = (struct notify){.fd = -1, .stop = stop};
	n->socket = getenv("NOTIFY_SOCKET");
	if (!n->socket || !address(&to, n->socket))
		return;
	n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	n->watchdog_s = watchdog();
	n->told = n->fed = n->extended = -1e9;
}

void notify_step(struct notify *n, const struct et_progress *now)
{
	char line[400];

	if (n->fd < 0)
		return;
	double t = et_now();
	bool saves = now->phase == ET_PHASE_SAVE;
	if (!n->ready && (now->phase == ET_PHASE_TRAIN || now->phase == ET_PHASE_EVAL))
		n->ready = tell(n, "READY=1");
	if (!n->stopping && n->stop && *n->stop) {
		n->stopping = tell(n, "STOPPING=1");
		n->extended = n->told = -1e9;
	}
	/* A checkpoint is not heard of until it is written. */
	if (n->watchdog_s > 0 && (t - n->fed >= n->watchdog_s / 2 || (saves && t - n->fed >= 1)) &&
	    tell(n, "WATCHDOG=1"))
		n->fed = t;
	if ((!n->ready || n->stopping) && (saves || t - n->extended >= EXTEND_S) &&
	    tell(n, "EXTEND_TIMEOUT_USEC=%.0f", 1e6 * (n->ready ? SAVE_S : LOAD_S)))
		n->extended = t;
	if (t - n->told >= STATUS_S) {
		progress_text(now, line, sizeof(line));
		if (tell(n, "STATUS=%s%s", n->stopping ? "stopping: " : "", line))
			n->told = t;
	}
}

void notify_close(struct notify *n, bool done)
{
	if (n->fd < 0)
		return;
	/* A service that ends without having been ready has failed: there was nothing to train. */
	if (done && !n->ready)
		tell(n, "READY=1\nSTATUS=finished before");
	close(n->fd);
	n->fd = -1;
}

/*
 * A meter outside of the board: watts, one number a line, from a regular file that is read anew
 * each time (its last line counts), from a FIFO or a serial port, or from a shell command. A
 * command that ends is run again.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "power/source.h"

extern char **environ;

enum kind { WHOLE_FILE, STREAM, COMMAND };

/* A value holds for HOLD times the distance of lines, within these limits (seconds). */
#define HOLD	   5
#define HOLD_LEAST 1.0
#define HOLD_MOST  60.0

struct external {
	enum kind kind;
	char *from;
	bool executable; /* from is the path of a program, not a command line */
	bool begun;
	int fd;	      /* of a stream or a command's output; -1: not open */
	pid_t pid;    /* of the command, which leads a process group; 0: not running */
	double tried; /* when it was opened or run last */
	char line[128];
	size_t fill;
	bool too_long;
	double watts, at; /* the last number and when it came; at = NaN: none yet */
	double distance;  /* of the last two lines, seconds */
};

/* A line without its newline; white space around the number is fine, headings are passed over. */
static bool watts_of(char *line, double *v)
{
	size_t n = strlen(line);

	while (n && strchr(" \t\r", line[n - 1]))
		line[--n] = 0;
	return et_parse_f64(line + strspn(line, " \t"), v) && *v >= 0 && *v < ET_POWER_MAX_W;
}

/* ---- a file ---------------------------------------------------------------------------------- */

static double read_file(const struct external *x)
{
	char buf[512];
	double v, last = NAN;
	int fd = open(x->from, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return NAN;
	/* A log grows: its end is enough. The first line found there may have lost its beginning.
	 */
	off_t size = lseek(fd, 0, SEEK_END), from = size - (off_t)sizeof(buf) + 1;
	bool cut = lseek(fd, from > 0 ? from : 0, SEEK_SET) > 0;
	ssize_t n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n <= 0)
		return NAN;
	buf[n] = 0;
	for (char *p = buf, *end; *p; p = end) {
		end = p + strcspn(p, "\n");
		if (*end)
			*end++ = 0;
		if (!(cut && p == buf) && watts_of(p, &v))
			last = v;
	}
	return last;
}

/* ---- a command ------------------------------------------------------------------------------- */

static int spawn(struct external *x, int out)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, pipe_only;
	char shell[] = "sh", option[] = "-c", run[] = "exec \"$0\"";
	char *argv[] = {shell, option, x->executable ? run : x->from,
			x->executable ? x->from : NULL, NULL};

	sigemptyset(&none);
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	if (posix_spawn_file_actions_init(&files))
		return -1;
	int bad = posix_spawnattr_init(&attr);
	if (bad) {
		posix_spawn_file_actions_destroy(&files);
		return -1;
	}
	/* The thread that reads has all signals blocked, which a child would inherit. */
	bad = posix_spawnattr_setsigmask(&attr, &none) ||
	      posix_spawnattr_setsigdefault(&attr, &pipe_only) ||
	      posix_spawnattr_setpgroup(&attr, 0) ||
	      posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
						      POSIX_SPAWN_SETPGROUP) ||
	      posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0) ||
	      posix_spawn_file_actions_adddup2(&files, out, 1) ||
	      posix_spawn(&x->pid, "/bin/sh", &files, &attr, argv, environ);
	if (bad)
		x->pid = 0;
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return bad ? -1 : 0;
}

static bool dead(pid_t pid)
{
	siginfo_t info = {0};

	/* WNOWAIT: while the leader is not reaped its group's number belongs to nobody else. */
	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
	       info.si_pid == pid;
}

static void wait_dead(pid_t pid, int tens_of_ms)
{
	const struct timespec ten_ms = {0, 10000000};

	for (int i = 0; i < tens_of_ms && !dead(pid); i++)
		nanosleep(&ten_ms, NULL);
}

static void end(struct external *x)
{
	if (x->fd >= 0)
		close(x->fd);
	x->fd = -1;
	if (x->pid) {
		kill(-x->pid, SIGTERM);
		wait_dead(x->pid, 20);
		kill(-x->pid, SIGKILL);
		wait_dead(x->pid, 30);
		waitpid(x->pid, NULL, WNOHANG);
	}
	x->pid = 0;
	x->fill = 0;
	x->too_long = false;
}

static void begin(struct external *x, double now)
{
	int ends[2];

	if (now - x->tried < 1)
		return;
	x->tried = now;
	if (x->kind == STREAM) {
		x->fd = open(x->from, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		return;
	}
	if (pipe2(ends, O_CLOEXEC))
		return;
	if (spawn(x, ends[1]) == 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0)
		x->fd = ends[0];
	else
		close(ends[0]);
	close(ends[1]);
}

/* ---- lines as they come ---------------------------------------------------------------------- */

static void take_line(struct external *x, double now)
{
	double v;

	x->line[x->fill] = 0;
	if (!x->too_long && watts_of(x->line, &v)) {
		/* Lines that came together count as one. */
		if (now - x->at > 0)
			x->distance = now - x->at;
		x->watts = v;
		x->at = now;
	}
	x->fill = 0;
	x->too_long = false;
}

/* What is there to be read; ends the stream when its writer is gone. */
static void drain(struct external *x, double now)
{
	char buf[4096];

	/* A writer that never pauses must not keep us here. */
	for (int rounds = 0; rounds < 16; rounds++) {
		ssize_t n = read(x->fd, buf, sizeof(buf));
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			/* A FIFO has but lost its writer, and the next one may come. */
			if (n < 0 || x->kind == COMMAND)
				end(x);
			return;
		}
		for (ssize_t i = 0; i < n; i++) {
			if (buf[i] == '\n')
				take_line(x, now);
			else if (x->fill < sizeof(x->line) - 1)
				x->line[x->fill++] = buf[i];
			else
				x->too_long = true;
		}
	}
}

static double read_stream(struct external *x, double now)
{
	if (x->fd < 0)
		begin(x, now);
	if (x->fd >= 0)
		drain(x, now);
	return now - x->at <= fmin(fmax(HOLD * x->distance, HOLD_LEAST), HOLD_MOST) ? x->watts
										    : NAN;
}

/* ---- the source ------------------------------------------------------------------------------ */

/* Is a word without blanks and signs of the shell a program that can be found? */
static bool in_path(const char *word)
{
	const char *path = getenv("PATH");

	for (const char *p = path ? path : "/bin:/usr/bin"; *p; p += *p == ':') {
		size_t n = strcspn(p, ":");
		char *full = et_asprintf("%.*s/%s", (int)n, p, word);
		bool found = full && access(full, X_OK) == 0;
		free(full);
		if (found)
			return true;
		p += n;
	}
	return false;
}

/* What the text names: a file or FIFO that is there, else it must look like a command. */
static int classify(struct external *x, struct et_err *err)
{
	struct stat st;

	if (stat(x->from, &st) == 0) {
		if (S_ISDIR(st.st_mode))
			return et_fail(err, ET_EUSAGE,
				       "--power-from: expected a file, a FIFO or a command, found "
				       "the directory %s",
				       x->from);
		x->executable = S_ISREG(st.st_mode) && (st.st_mode & 0111);
		x->kind = x->executable ? COMMAND : S_ISREG(st.st_mode) ? WHOLE_FILE : STREAM;
		if (!x->executable && access(x->from, R_OK))
			return et_fail(err, ET_EUSAGE, "--power-from: %s: %s", x->from,
				       strerror(errno));
		if (x->executable && !strchr(x->from, '/')) {
			char *here = et_asprintf("./%s", x->from);
			if (!here)
				return et_fail(err, ET_ENOMEM, "out of memory");
			free(x->from);
			x->from = here;
		}
		return ET_OK;
	}
	x->kind = COMMAND;
	if (!strpbrk(x->from, " \t\n;|&<>()$`\"'\\*?[]#~=%!{}") &&
	    (strchr(x->from, '/') || !in_path(x->from)))
		return et_fail(err, ET_EUSAGE,
			       "--power-from: expected a file, a FIFO or a command, but there is "
			       "no '%s'",
			       x->from);
	return ET_OK;
}

static int external_open(struct et_source *s, const struct et_power_conf *conf, struct et_err *err)
{
	if (!conf->from)
		return et_fail(err, ET_ENOINPUT, "no meter was given by --power-from");
	struct external *x = et_calloc(1, sizeof(*x));
	char *from = et_strdup(conf->from);
	if (!x || !from) {
		free(x);
		free(from);
		return et_fail(err, ET_ENOMEM, "out of memory");
	}
	*x = (struct external){
		.from = from, .fd = -1, .tried = -INFINITY, .at = NAN, .distance = 1};
	int status = classify(x, err);
	if (status) {
		free(x->from);
		free(x);
		return status;
	}
	snprintf(s->info.name, sizeof(s->info.name), "external");
	snprintf(s->info.path, sizeof(s->info.path), "%s", x->from);
	s->info.scope = "external";
	s->info.unit = "W";
	s->info.hz = 10;
	s->state = x;
	return ET_OK;
}

static double external_read(struct et_source *s, double now)
{
	struct external *x = s->state;
	const struct timespec ten_ms = {0, 10000000};

	if (x->kind == WHOLE_FILE)
		return read_file(x);
	double v = read_stream(x, now);
	/* The first number may take a moment, and the caller wants one to begin with. */
	for (int i = 0; !x->begun && isnan(v) && i < 80; i++) {
		nanosleep(&ten_ms, NULL);
		v = read_stream(x, et_now());
	}
	x->begun = true;
	return v;
}

static void external_close(struct et_source *s)
{
	struct external *x = s->state;

	end(x);
	free(x->from);
	free(x);
}

const struct et_source_kind et_source_external = {"external", external_open, external_read,
						  external_close};

/* Append-only CSV files that survive kills: a resume cuts off what lies beyond its checkpoint. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run/run.h"

#define ROW_MAX 12288

static int fail_io(const struct et_csv *c, const char *what, struct et_err *err)
{
	return et_fail(err, ET_EIO, "%s: %s: %s", c->path, what, strerror(errno));
}

static int flush(struct et_csv *c, struct et_err *err)
{
	size_t done = 0;

	while (done < c->fill) {
		ssize_t n = write(c->fd, c->buf + done, c->fill - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail_io(c, "cannot write", err);
		done += (size_t)n;
	}
	c->fill = 0;
	c->flushed = et_now();
	return ET_OK;
}

/* The number that a row begins with; infinite where there is none. */
static double first_number(const char *row)
{
	char text[32];
	size_t n = strcspn(row, ",\n");
	double v;

	if (n >= sizeof(text))
		return INFINITY;
	memcpy(text, row, n);
	text[n] = 0;
	return et_parse_f64(text, &v) ? v : INFINITY;
}

/* Bytes of the leading rows whose first number is at most keep; a torn last line does not count. */
static size_t keep_bytes(const char *text, size_t n, double keep)
{
	size_t kept = 0;
	bool header = true;

	while (kept < n) {
		const char *end = memchr(text + kept, '\n', n - kept);
		if (!end)
			break;
		if (!header && first_number(text + kept) > keep)
			break;
		header = false;
		kept = (size_t)(end - text) + 1;
	}
	return kept;
}

/* Bytes of an older header at the start of text, one that lacks columns at its end; or 0. */
static size_t older_header(const char *text, size_t n, const char *header)
{
	const char *end = memchr(text, '\n', n);
	size_t have = end ? (size_t)(end - text) : 0;

	return have && have < strlen(header) && memcmp(text, header, have) == 0 &&
			       header[have] == ','
		       ? have
		       : 0;
}

/* The same rows under the new header, each with as many empty cells more as it has columns more. */
static int widen(const char *path, const char *text, size_t n, size_t have, const char *header,
		 struct et_err *err)
{
	size_t commas = 0, lines = 0, used;

	for (const char *c = header + have; *c; c++)
		commas += *c == ',';
	for (size_t i = 0; i < n; i++)
		lines += text[i] == '\n';
	char *wide = et_calloc(n + strlen(header) + lines * commas + 1, 1);
	if (!wide)
		return et_fail(err, ET_ENOMEM, "out of memory");
	used = strlen(header);
	memcpy(wide, header, used);
	for (size_t i = have; i < n; i++) {
		if (text[i] == '\n' && i > have) {
			memset(wide + used, ',', commas);
			used += commas;
		}
		wide[used++] = text[i];
	}
	int status = et_file_write(path, wide, used, err);
	free(wide);
	return status;
}

/* 1: the file was replaced by one with the columns that it lacked, and is to be opened anew. */
static int cut(struct et_csv *c, const char *header, double keep, struct et_err *err)
{
	char *text = NULL;
	size_t n = 0, head = strlen(header);

	ET_TRY(et_file_read(c->path, 0, &text, &n, err));
	size_t have = older_header(text, n, header);
	if (have) {
		int status = widen(c->path, text, n, have, header, err);
		free(text);
		return status ? status : 1;
	}
	/* A file without our header is a torn first write: begin anew. */
	bool ours = n > head && memcmp(text, header, head) == 0 && text[head] == '\n';
	size_t kept = ours ? keep_bytes(text, n, keep) : 0;
	free(text);
	if (ftruncate(c->fd, (off_t)kept) < 0 || lseek(c->fd, 0, SEEK_END) < 0)
		return fail_io(c, "cannot truncate", err);
	if (kept)
		return ET_OK;
	for (size_t at = 0, part; at < head; at += part) {
		part = et_min(head - at, sizeof(c->buf) - 1);
		memcpy(c->buf, header + at, part);
		c->fill = part;
		if (at + part == head)
			c->buf[c->fill++] = '\n';
		ET_TRY(flush(c, err));
	}
	return ET_OK;
}

int et_csv_open(struct et_csv *c, const char *dir, const char *name, const char *header,
		double keep, struct et_err *err)
{
	int status;

	c->fill = 0;
	c->fd = -1;
	c->path = et_path_join(dir, name);
	if (!c->path)
		return et_fail(err, ET_ENOMEM, "out of memory");
	do {
		if (c->fd >= 0)
			close(c->fd);
		c->fd = open(c->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
		if (c->fd < 0)
			return et_fail(err, ET_ECREATE, "%s: cannot create: %s", c->path,
				       strerror(errno));
		status = cut(c, header, keep, err);
	} while (status > 0);
	return status;
}

int et_csv_row(struct et_csv *c, struct et_err *err, const char *fmt, ...)
{
	va_list ap;

	if (sizeof(c->buf) - c->fill < ROW_MAX)
		ET_TRY(flush(c, err));
	va_start(ap, fmt);
	int n = vsnprintf(c->buf + c->fill, sizeof(c->buf) - c->fill - 1, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(c->buf) - c->fill - 1)
		return et_fail(err, ET_EINTERNAL, "%s: a row is too long", c->path);
	c->fill += (size_t)n;
	c->buf[c->fill++] = '\n';
	return et_now() - c->flushed > 1 ? flush(c, err) : ET_OK;
}

int et_csv_sync(struct et_csv *c, struct et_err *err)
{
	ET_TRY(flush(c, err));
	return fsync(c->fd) < 0 && errno != EINVAL ? fail_io(c, "cannot sync", err) : ET_OK;
}

void et_csv_close(struct et_csv *c)
{
	struct et_err ignored;

	if (c->path && c->fd >= 0) {
		if (flush(c, &ignored) < 0)
			c->fill = 0; /* the error was met before, by a row or a sync */
		close(c->fd);
	}
	free(c->path);
	c->path = NULL;
	c->fd = -1;
}

const char *et_csv_cell(const char *fmt, double v, char buf[32])
{
	buf[0] = 0;
	if (!isnan(v))
		snprintf(buf, 32, fmt, v);
	return buf;
}

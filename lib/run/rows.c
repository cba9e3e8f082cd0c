/* CSV files read row by row. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run/report.h"

#define BLOCK 65536

enum { END = -1, FAILED = -2 };

static int next_byte(struct et_rows *r)
{
	if (r->at == r->fill) {
		ssize_t n;
		do
			n = read(r->fd, r->buf, BLOCK);
		while (n < 0 && errno == EINTR);
		if (n <= 0)
			return n < 0 ? FAILED : END;
		r->at = 0;
		r->fill = (size_t)n;
	}
	return r->buf[r->at++];
}

static bool put(struct et_rows *r, char c)
{
	if (r->length == r->room) {
		size_t room = r->room ? 2 * r->room : 1024;
		char *more = realloc(r->text, room);
		if (!more)
			return false;
		r->text = more;
		r->room = room;
	}
	r->text[r->length++] = c;
	return true;
}

static bool begin_cell(struct et_rows *r)
{
	if (r->cells == r->cell_room) {
		size_t room = r->cell_room ? 2 * r->cell_room : 64;
		size_t *more = realloc(r->cell, room * sizeof(*more));
		if (!more)
			return false;
		r->cell = more;
		r->cell_room = room;
	}
	r->cell[r->cells++] = r->length;
	return true;
}

static int fail_row(const struct et_rows *r, const char *what, struct et_err *err)
{
	return et_fail(err, ET_EDATA, "%s:%" PRIu64 ": %s", r->path, r->line, what);
}

/* Cells up to the end of the line. A quoted one may hold commas, newlines, and quotes twice. */
static int read_row(struct et_rows *r, struct et_err *err)
{
	enum { PLAIN, QUOTED, CLOSED } state = PLAIN;
	bool fine = true, zero = false;

	r->line = r->next_line;
	r->length = r->cells = 0;
	fine = begin_cell(r);
	while (fine) {
		int c = next_byte(r);
		if (c == END)
			return 0;
		if (c == FAILED)
			return et_fail(err, ET_EIO, "%s: cannot read: %s", r->path,
				       strerror(errno));
		zero |= c == 0;
		r->next_line += c == '\n';
		if (state == QUOTED && c != '"') {
			fine = put(r, (char)c);
		} else if (c == '"' && state != PLAIN) {
			if (state == CLOSED)
				fine = put(r, '"');
			state = state == CLOSED ? QUOTED : CLOSED;
		} else if (c == '"' && r->cell[r->cells - 1] == r->length) {
			state = QUOTED;
		} else if (c == ',') {
			state = PLAIN;
			fine = put(r, 0) && begin_cell(r);
		} else if (c == '\n') {
			bool dos = r->length && r->text[r->length - 1] == '\r';
			r->length -= dos;
			fine = put(r, 0);
			if (fine && zero)
				return fail_row(r, "expected text, found a zero byte", err);
			if (fine)
				return 1;
		} else {
			fine = put(r, (char)c);
		}
		if (r->length > ET_ROWS_MAX)
			return fail_row(r, "the row is longer than 1 MB", err);
	}
	return et_fail(err, ET_ENOMEM, "out of memory");
}

static int find_columns(struct et_rows *r, size_t n, struct et_err *err)
{
	r->columns = r->cells;
	for (size_t i = 0; i < n; i++) {
		r->column[i] = -1;
		for (size_t k = 0; k < r->cells && r->column[i] < 0; k++)
			if (strcmp(r->text + r->cell[k], r->names[i]) == 0)
				r->column[i] = (int)k;
	}
	if (r->column[0] >= 0)
		return 1;
	return et_fail(err, ET_EDATA,
		       "%s:1: expected a header with a column '%s', found '%.60s' and %zu more",
		       r->path, r->names[0], r->text, r->cells - 1);
}

int et_rows_open(struct et_rows *r, const char *dir, const char *name, const char *const *names,
		 size_t n, struct et_err *err)
{
	uint64_t size;

	*r = (struct et_rows){.fd = -1, .names = names, .next_line = 1};
	r->path = et_path_join(dir, name);
	r->buf = malloc(BLOCK);
	if (!r->path || !r->buf)
		return et_fail(err, ET_ENOMEM, "out of memory");
	if (!et_path_exists(r->path))
		return 0;
	ET_TRY(et_file_open(r->path, &r->fd, &size, err));
	int got = read_row(r, err);
	return got == 1 ? find_columns(r, n, err) : got;
}

int et_rows_next(struct et_rows *r, struct et_err *err)
{
	int got;

	do
		got = read_row(r, err);
	while (got == 1 && r->cells == 1 && !*r->text);
	if (got == 1 && r->cells != r->columns)
		return et_fail(err, ET_EDATA, "%s:%" PRIu64 ": expected %zu cells, found %zu",
			       r->path, r->line, r->columns, r->cells);
	return got;
}

const char *et_rows_text(const struct et_rows *r, size_t i)
{
	return r->column[i] < 0 ? "" : r->text + r->cell[r->column[i]];
}

static int fail_cell(const struct et_rows *r, size_t i, const char *expected, struct et_err *err)
{
	return et_fail(err, ET_EDATA, "%s:%" PRIu64 ": %s: expected %s, found '%.60s'", r->path,
		       r->line, r->names[i], expected, et_rows_text(r, i));
}

int et_rows_number(const struct et_rows *r, size_t i, double *v, struct et_err *err)
{
	const char *text = et_rows_text(r, i);

	*v = NAN;
	return !*text || et_parse_f64(text, v) ? ET_OK : fail_cell(r, i, "a number", err);
}

int et_rows_count(const struct et_rows *r, size_t i, uint64_t *v, struct et_err *err)
{
	const char *text = et_rows_text(r, i);
	int64_t n = 0;

	if (*text && (!et_parse_i64(text, &n) || n < 0))
		return fail_cell(r, i, "an integer of at least 0", err);
	*v = (uint64_t)n;
	return ET_OK;
}

int et_rows_bits(const struct et_rows *r, size_t i, int64_t *v, struct et_err *err)
{
	const char *text = et_rows_text(r, i);
	size_t n = strlen(text);
	char *end = NULL;

	*v = -1;
	if (!n)
		return ET_OK;
	bool digits = strspn(text + (n > 2 && text[1] == 'x' ? 2 : 0), "0123456789abcdefABCDEF") ==
		      n - (n > 2 && text[1] == 'x' ? 2 : 0);
	if (digits && n <= 12)
		*v = (int64_t)strtoull(text, &end, 16);
	return end && !*end ? ET_OK : fail_cell(r, i, "hexadecimal bits", err);
}

void et_rows_close(struct et_rows *r)
{
	if (r->fd >= 0)
		close(r->fd);
	free(r->path);
	free(r->buf);
	free(r->text);
	free(r->cell);
	*r = (struct et_rows){.fd = -1};
}

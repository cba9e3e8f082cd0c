/*
 * Private to run: the files of a run directory read back, row by row, in memory that does not grow
 * with them.
 */
#ifndef ET_RUN_REPORT_H
#define ET_RUN_REPORT_H

#include "run/run.h"

/* ---- CSV, row by row ------------------------------------------------------------------------- */

#define ET_ROWS_COLUMNS 24	   /* that are asked for */
#define ET_ROWS_MAX	(1u << 20) /* bytes of a row */

/*
 * A CSV file (RFC 4180) read by the names of its columns. A last row without a newline is one that
 * is being written: it is passed over.
 */
struct et_rows {
	char *path;
	int fd;
	uint64_t line, next_line; /* of the row at hand, of what follows; from 1 */
	const char *const *names;
	int column[ET_ROWS_COLUMNS]; /* of each name; -1: the file has none */
	size_t columns;		     /* of the header */
	char *text;		     /* the row, its cells ended by NUL */
	size_t length, room;
	size_t *cell; /* [cells] where they begin in it */
	size_t cells, cell_room;
	unsigned char *buf;
	size_t at, fill;
};
/*
 * 1: the file is there, its header read; 0: there is no file, or no whole header in it yet. A
 * header without names[0] is ET_EDATA. To be closed whatever is returned.
 */
int et_rows_open(struct et_rows *r, const char *dir, const char *name, const char *const *names,
		 size_t n, struct et_err *err) ET_MUST_CHECK;
/* 1: the next row; 0: there is none. ET_EDATA for one of another number of cells than the header.
 */
int et_rows_next(struct et_rows *r, struct et_err *err) ET_MUST_CHECK;
/* The number in the column of names[i]; NaN where the cell is empty or the file has no such. */
int et_rows_number(const struct et_rows *r, size_t i, double *v, struct et_err *err) ET_MUST_CHECK;
/* The same for an integer of at least 0, which is 0 where it is not known. */
int et_rows_count(const struct et_rows *r, size_t i, uint64_t *v, struct et_err *err) ET_MUST_CHECK;
/* The same for bits, hexadecimal with or without 0x; -1: not known. */
int et_rows_bits(const struct et_rows *r, size_t i, int64_t *v, struct et_err *err) ET_MUST_CHECK;
const char *et_rows_text(const struct et_rows *r, size_t i);
void et_rows_close(struct et_rows *r);

/* ---- quantiles of a stream ------------------------------------------------------------------- */

#define ET_HISTOGRAM_LOW     -4 /* the lowest decade, as a power of ten */
#define ET_HISTOGRAM_DECADES 12
#define ET_HISTOGRAM_FINE    1024 /* bins of a decade: 0.23 % wide */
#define ET_HISTOGRAM_BINS    (ET_HISTOGRAM_DECADES * ET_HISTOGRAM_FINE)

/*
 * Counts values by their size, with the sum of each bin. A quantile is the mean of the bin it falls
 * into, so it is exact for few values, and never off by more than a bin.
 */
struct et_histogram {
	uint64_t n;
	struct {
		uint64_t n;
		double sum;
	} bin[ET_HISTOGRAM_BINS];
};
void et_histogram_add(struct et_histogram *h, double v); /* NaN: not counted */
/* Between neighbours by linear interpolation, as et_spread_of(); NaN of nothing. */
struct et_quartiles et_histogram_quartiles(const struct et_histogram *h);

/* ---- curves of a stream ---------------------------------------------------------------------- */

/* Points that come in order of time, joined in pairs whenever there are too many. */
struct et_curve {
	struct et_report_moment *point; /* [room] */
	struct et_report_moment open;	/* what the point in the making has so far: sums */
	unsigned known[3];		/* of power, clock and loss in it */
	uint64_t taken;			/* rows in it */
	uint64_t stride;		/* rows of a point */
	size_t n, room;			/* room is even */
};
int et_curve_open(struct et_curve *c, size_t room, struct et_err *err) ET_MUST_CHECK;
/* A point has the means of its rows, but the highest temperature. */
void et_curve_add(struct et_curve *c, const struct et_report_moment *m);
/* The points, which are the caller's to free; the curve is closed. */
struct et_report_moment *et_curve_take(struct et_curve *c, size_t *n);

#define ET_SPANS 256
/* Stretches of time in which something was so; the nearest are joined when there are too many. */
struct et_spans {
	struct et_report_span *span; /* [ET_SPANS] */
	size_t n;
	bool open; /* the last one may go on */
};
int et_spans_open(struct et_spans *s, struct et_err *err) ET_MUST_CHECK;
/* It was so, or not, between these times; the next call goes on from there. */
void et_spans_add(struct et_spans *s, double from_s, double to_s, bool is);

#endif

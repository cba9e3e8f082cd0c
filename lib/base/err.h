/* Status codes and error details: shared by every room and by the users of libedgetrain.a. */
#ifndef ET_BASE_ERR_H
#define ET_BASE_ERR_H

/*
 * Every fallible function returns one of these; 0 is success. The values are stable.
 * The comment gives the exit code that the edgetrain command turns each into.
 */
enum et_status {
	ET_OK = 0,
	ET_EUSAGE = -1,	   /* 64: a wrong option or combination of options */
	ET_EDATA = -2,	   /* 65: bad spec, weights, pictures, dataset */
	ET_ENOINPUT = -3,  /* 66: a file or directory to read is not there */
	ET_EFIT = -4,	   /* 80: would not fit in memory */
	ET_ENOMEM = -5,	   /* 71: the system refused memory, threads or another resource */
	ET_EIO = -6,	   /* 74: reading or writing failed */
	ET_EDIVERGED = -7, /* 81: NaN or Inf in training */
	ET_ESTOP = -8,	   /* asked to stop; state was saved where there is any */
	ET_EINTERNAL = -9, /* 70: a defect of this program */
	ET_ECREATE = -10,  /* 73: an output cannot be created */
	ET_EBUSY = -11	   /* 75: another process is at work there: try again later */
};

/* What went wrong, owned by the caller; text is one line: what was expected, what was found, where.
 */
struct et_err {
	int code; /* an enum et_status */
	char text[1024];
};

#define ET_MUST_CHECK	__attribute__((warn_unused_result))
#define ET_PRINTF(f, a) __attribute__((format(printf, f, a)))

/*
 * Sets err (which may be NULL) and returns code, so that `return et_fail(err, ET_EDATA, ...)` reads
 * well. Control characters and broken UTF-8 become question marks: names from files may be put into
 * the text as they are. A text too long ends in "...". The arguments may point into err->text.
 */
int et_fail(struct et_err *err, int code, const char *fmt, ...) ET_PRINTF(3, 4);

/* Puts "prefix: " before the text of an err already set; returns its code (NULL: ET_EINTERNAL). */
int et_err_prefix(struct et_err *err, const char *fmt, ...) ET_PRINTF(2, 3);

/* Returns at once with the status of a failed expression. */
#define ET_TRY(expr)                    \
	do {                            \
		int et_try_ = (expr);   \
		if (et_try_ < 0)        \
			return et_try_; \
	} while (0)

#endif

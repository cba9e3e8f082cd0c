/*
 * Inside lib/io only: a strict JSON tokenizer (RFC 8259) that allocates nothing. It checks grammar,
 * nesting, UTF-8, escapes and number syntax, so that what it has passed may be trusted to be JSON.
 * Stricter than the RFC in two ways: no U+0000 in strings (they become C strings) and no number
 * longer than ET_SCAN_MAX_NUMBER characters.
 */
#ifndef ET_IO_SCAN_H
#define ET_IO_SCAN_H

#include "base/base.h"

#define ET_SCAN_MAX_DEPTH  64
#define ET_SCAN_MAX_NUMBER 63 /* what cJSON keeps of one */

enum et_scan_kind {
	ET_SCAN_END, /* of the text */
	ET_SCAN_OBJECT,
	ET_SCAN_OBJECT_END,
	ET_SCAN_ARRAY,
	ET_SCAN_ARRAY_END,
	ET_SCAN_KEY, /* its colon is consumed */
	ET_SCAN_STRING,
	ET_SCAN_NUMBER,
	ET_SCAN_TRUE,
	ET_SCAN_FALSE,
	ET_SCAN_NULL
};

struct et_scan {
	const char *text;
	size_t n;
	const char *file;   /* for messages */
	const char *inside; /* the same: the tensor being read, or NULL */
	bool lines;	    /* places as line:column, else as bytes of the header */
	unsigned limit;	    /* of nesting, at most ET_SCAN_MAX_DEPTH */
	size_t at;	    /* next byte */
	unsigned depth;	    /* open containers */
	uint64_t objects;   /* bit d: container d is an object */
	int state;	    /* what may come next */
	size_t from, to;    /* the last token; of a string or key, what stands between its quotes */
};

struct et_scan et_scan_open(const char *text, size_t n, const char *file, bool lines,
			    unsigned limit);

/* The kind of the next token, or an error that names the place. */
int et_scan_next(struct et_scan *s, struct et_err *err) ET_MUST_CHECK;

/* ET_EDATA with the place of byte `at` before the message. */
int et_scan_fail(const struct et_scan *s, size_t at, struct et_err *err, const char *fmt, ...)
	ET_PRINTF(4, 5);

/* "a string" and so on, of a token kind. */
const char *et_scan_kind_name(int kind);

/*
 * Decodes the string or key text[from..to) to out with a NUL and returns its length, which is never
 * more than to - from: out may be text + from.
 */
size_t et_scan_decode(const char *text, size_t from, size_t to, char *out);

/* A string for a message: shortened to fit, still whole characters. Returns buf. */
const char *et_scan_shown(const char *s, char buf[100]);

#endif

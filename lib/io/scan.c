/* The strict JSON tokenizer. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "io/scan.h"

enum state {
	WANT_VALUE,
	WANT_VALUE_OR_END, /* after [ */
	WANT_KEY,	   /* after a comma in an object */
	WANT_KEY_OR_END,   /* after { */
	WANT_COMMA_OR_END, /* after a value in a container */
	WANT_NOTHING	   /* after the whole value */
};

struct et_scan et_scan_open(const char *text, size_t n, const char *file, bool lines,
			    unsigned limit)
{
	return (struct et_scan){.text = text, .n = n, .file = file, .lines = lines, .limit = limit};
}

int et_scan_fail(const struct et_scan *s, size_t at, struct et_err *err, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	va_start(ap, fmt);
	if (vsnprintf(line, sizeof(line), fmt, ap) < 0)
		line[0] = '\0';
	va_end(ap);
	if (!s->lines) {
		char shown[100];
		return et_fail(err, ET_EDATA, "%s: header, byte %zu%s%s%s: %s", s->file, at,
			       s->inside ? ", tensor \"" : "",
			       s->inside ? et_scan_shown(s->inside, shown) : "",
			       s->inside ? "\"" : "", line);
	}
	size_t row = 1, column = 1;
	for (size_t i = 0; i < at; i++) {
		if (s->text[i] == '\n') {
			row++;
			column = 1;
		} else if (((unsigned char)s->text[i] & 0xc0) != 0x80) {
			column++;
		}
	}
	return et_fail(err, ET_EDATA, "%s:%zu:%zu: %s", s->file, row, column, line);
}

const char *et_scan_kind_name(int kind)
{
	static const char *const names[] = {
		[ET_SCAN_END] = "the end of the text",
		[ET_SCAN_OBJECT] = "an object",
		[ET_SCAN_OBJECT_END] = "'}'",
		[ET_SCAN_ARRAY] = "an array",
		[ET_SCAN_ARRAY_END] = "']'",
		[ET_SCAN_KEY] = "a key",
		[ET_SCAN_STRING] = "a string",
		[ET_SCAN_NUMBER] = "a number",
		[ET_SCAN_TRUE] = "true",
		[ET_SCAN_FALSE] = "false",
		[ET_SCAN_NULL] = "null",
	};
	return names[kind];
}

const char *et_scan_shown(const char *s, char buf[100])
{
	size_t n = strlen(s);
	if (n < 100) {
		memcpy(buf, s, n + 1);
		return buf;
	}
	n = 96;
	while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
		n--;
	memcpy(buf, s, n);
	memcpy(buf + n, "...", 4);
	return buf;
}

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* Length of the run of letters, digits and underscores at `at`: a misplaced bare word. */
static size_t word_at(const struct et_scan *s, size_t at)
{
	size_t n = 0;
	while (at + n < s->n && (letter(s->text[at + n]) || digit(s->text[at + n])))
		n++;
	return n;
}

/* "expected X, found Y", and what the writer of Y is likely to have meant. */
static int fail_expected(const struct et_scan *s, const char *expected, struct et_err *err)
{
	size_t at = s->at;
	if (at >= s->n)
		return et_scan_fail(s, at, err, "expected %s, found the end of the text", expected);
	char c = s->text[at];
	const char *hint = "";
	if (c == '/' || c == '#')
		hint = " (JSON has no comments)";
	else if (c == '\'')
		hint = " (strings need double quotes)";
	else if ((c == '}' && s->state == WANT_KEY) || (c == ']' && s->state == WANT_VALUE))
		hint = " (there is a comma too many before it)";
	if (letter(c))
		return et_scan_fail(s, at, err, "expected %s, found %.*s", expected,
				    (int)et_min(word_at(s, at), 40), s->text + at);
	if (c > 0x20 && c < 0x7f)
		return et_scan_fail(s, at, err, "expected %s, found '%c'%s", expected, c, hint);
	return et_scan_fail(s, at, err, "expected %s, found the byte 0x%02x", expected,
			    (unsigned char)c);
}

static void skip_space(struct et_scan *s)
{
	while (s->at < s->n && (s->text[s->at] == ' ' || s->text[s->at] == '\n' ||
				s->text[s->at] == '\t' || s->text[s->at] == '\r'))
		s->at++;
}

/* Four hexadecimal digits at text[at..n), or -1. */
static long hex4(const char *text, size_t n, size_t at)
{
	long v = 0;
	if (n < 4 || at > n - 4)
		return -1;
	for (size_t i = at; i < at + 4; i++) {
		char c = text[i];
		int d = digit(c)	       ? c - '0'
			: c >= 'a' && c <= 'f' ? c - 'a' + 10
			: c >= 'A' && c <= 'F' ? c - 'A' + 10
					       : -1;
		if (d < 0)
			return -1;
		v = v * 16 + d;
	}
	return v;
}

/* Checks the escape whose backslash is at s->at, and steps over it. */
static int scan_escape(struct et_scan *s, struct et_err *err)
{
	size_t at = s->at;
	char c = at + 1 < s->n ? s->text[at + 1] : '\0';
	if (c != '\0' && strchr("\"\\/bfnrt", c)) {
		s->at += 2;
		return ET_OK;
	}
	long u = c == 'u' ? hex4(s->text, s->n, at + 2) : -1;
	if (u < 0)
		return et_scan_fail(s, at, err, "wrong escape in a string after \\");
	if (u == 0)
		return et_scan_fail(s, at, err, "\\u0000 is not allowed in a string");
	s->at += 6;
	if (u < 0xd800 || u > 0xdfff)
		return ET_OK;
	long low = -1;
	if (s->n - s->at >= 6 && s->text[s->at] == '\\' && s->text[s->at + 1] == 'u')
		low = hex4(s->text, s->n, s->at + 2);
	if (u > 0xdbff || low < 0xdc00 || low > 0xdfff)
		return et_scan_fail(s, at, err, "half of a surrogate pair in a string");
	s->at += 6;
	return ET_OK;
}

/* From the opening quote at s->at past the closing one. */
static int scan_string(struct et_scan *s, struct et_err *err)
{
	size_t open = s->at++;
	s->from = s->at;
	while (s->at < s->n) {
		unsigned char c = (unsigned char)s->text[s->at];
		if (c == '"') {
			s->to = s->at++;
			return ET_OK;
		}
		if (c == '\\') {
			ET_TRY(scan_escape(s, err));
		} else if (c < 0x20) {
			return et_scan_fail(s, s->at, err,
					    "control character 0x%02x in a string (an escape is "
					    "needed; or is the "
					    "closing quote missing?)",
					    c);
		} else if (c < 0x80) {
			s->at++;
		} else {
			uint32_t cp;
			size_t len = et_utf8_next(s->text + s->at, s->n - s->at, &cp);
			if (!len)
				return et_scan_fail(s, s->at, err,
						    "the byte 0x%02x in a string is not UTF-8", c);
			s->at += len;
		}
	}
	return et_scan_fail(s, open, err, "this string has no closing quote");
}

static void skip_digits(struct et_scan *s)
{
	while (s->at < s->n && digit(s->text[s->at]))
		s->at++;
}

static bool one_or_more_digits(struct et_scan *s)
{
	size_t from = s->at;
	skip_digits(s);
	return s->at > from;
}

static int scan_number(struct et_scan *s, struct et_err *err)
{
	s->from = s->at;
	if (s->text[s->at] == '-')
		s->at++;
	size_t whole = s->at;
	bool good = one_or_more_digits(s) && (s->text[whole] != '0' || s->at == whole + 1);
	if (good && s->at < s->n && s->text[s->at] == '.') {
		s->at++;
		good = one_or_more_digits(s);
	}
	if (good && s->at < s->n && (s->text[s->at] == 'e' || s->text[s->at] == 'E')) {
		s->at++;
		if (s->at < s->n && (s->text[s->at] == '+' || s->text[s->at] == '-'))
			s->at++;
		good = one_or_more_digits(s);
	}
	s->to = s->at;
	if (!good || word_at(s, s->at))
		return et_scan_fail(s, s->from, err, "this is not a number as JSON writes one");
	if (s->to - s->from > ET_SCAN_MAX_NUMBER)
		return et_scan_fail(s, s->from, err, "a number of more than %d characters",
				    ET_SCAN_MAX_NUMBER);
	return ET_SCAN_NUMBER;
}

static int scan_open(struct et_scan *s, bool object, struct et_err *err)
{
	if (s->depth == s->limit)
		return et_scan_fail(s, s->at, err, "nested deeper than %u levels", s->limit);
	uint64_t bit = UINT64_C(1) << s->depth++;
	s->objects = object ? s->objects | bit : s->objects & ~bit;
	s->at++;
	s->state = object ? WANT_KEY_OR_END : WANT_VALUE_OR_END;
	return object ? ET_SCAN_OBJECT : ET_SCAN_ARRAY;
}

static void value_done(struct et_scan *s)
{
	s->state = s->depth ? WANT_COMMA_OR_END : WANT_NOTHING;
}

static int scan_close(struct et_scan *s)
{
	bool object = s->text[s->at++] == '}';
	s->depth--;
	value_done(s);
	return object ? ET_SCAN_OBJECT_END : ET_SCAN_ARRAY_END;
}

static int scan_word(struct et_scan *s, struct et_err *err)
{
	static const struct {
		const char *word;
		int kind;
	} words[] = {{"true", ET_SCAN_TRUE}, {"false", ET_SCAN_FALSE}, {"null", ET_SCAN_NULL}};
	size_t len = word_at(s, s->at);
	for (size_t i = 0; i < ET_COUNT(words); i++)
		if (len == strlen(words[i].word) && !memcmp(s->text + s->at, words[i].word, len)) {
			s->at += len;
			s->to = s->at;
			return words[i].kind;
		}
	return fail_expected(s, "a value", err);
}

static int scan_value(struct et_scan *s, struct et_err *err)
{
	char c = s->at < s->n ? s->text[s->at] : '\0';
	int kind;
	if (c == '{' || c == '[')
		return scan_open(s, c == '{', err);
	if (c == '"') {
		ET_TRY(scan_string(s, err));
		kind = ET_SCAN_STRING;
	} else if (c == '-' || digit(c)) {
		kind = scan_number(s, err);
	} else {
		kind = scan_word(s, err);
	}
	ET_TRY(kind);
	value_done(s);
	return kind;
}

static int scan_key(struct et_scan *s, struct et_err *err)
{
	if (s->at >= s->n || s->text[s->at] != '"')
		return fail_expected(s, "a key in double quotes", err);
	ET_TRY(scan_string(s, err));
	skip_space(s);
	if (s->at >= s->n || s->text[s->at] != ':')
		return fail_expected(s, "':' after the key", err);
	s->at++;
	s->state = WANT_VALUE;
	return ET_SCAN_KEY;
}

int et_scan_next(struct et_scan *s, struct et_err *err)
{
	skip_space(s);
	s->from = s->to = s->at;
	bool object = s->depth && (s->objects >> (s->depth - 1) & 1);
	char end = object ? '}' : ']';
	bool at_end = s->at < s->n && s->text[s->at] == end;
	switch ((enum state)s->state) {
	case WANT_COMMA_OR_END:
		if (at_end)
			return scan_close(s);
		if (s->at >= s->n || s->text[s->at] != ',')
			return fail_expected(s, object ? "',' or '}'" : "',' or ']'", err);
		s->at++;
		s->state = object ? WANT_KEY : WANT_VALUE;
		return et_scan_next(s, err);
	case WANT_KEY_OR_END:
		return at_end ? scan_close(s) : scan_key(s, err);
	case WANT_KEY:
		return scan_key(s, err);
	case WANT_VALUE_OR_END:
		return at_end ? scan_close(s) : scan_value(s, err);
	case WANT_VALUE:
		return scan_value(s, err);
	case WANT_NOTHING:
		break;
	}
	return s->at < s->n ? fail_expected(s, "nothing more", err) : ET_SCAN_END;
}

static size_t put_utf8(uint32_t cp, char *out)
{
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	size_t len = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
	for (size_t i = len - 1; i > 0; i--, cp >>= 6)
		out[i] = (char)(0x80 | (cp & 0x3f));
	out[0] = (char)((0xf00u >> len) | cp);
	return len;
}

size_t et_scan_decode(const char *text, size_t from, size_t to, char *out)
{
	size_t n = 0;
	while (from < to) {
		if (text[from] != '\\') {
			out[n++] = text[from++];
			continue;
		}
		char c = text[from + 1];
		from += 2;
		if (c == 'u') {
			uint32_t cp = (uint32_t)hex4(text, to, from);
			from += 4;
			if (cp >= 0xd800 && cp <= 0xdbff) {
				uint32_t low = (uint32_t)hex4(text, to, from + 2);
				cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
				from += 6;
			}
			n += put_utf8(cp, out + n);
		} else {
			out[n++] = c == 'b'   ? '\b'
				   : c == 'f' ? '\f'
				   : c == 'n' ? '\n'
				   : c == 'r' ? '\r'
				   : c == 't' ? '\t'
					      : c;
		}
	}
	out[n] = '\0';
	return n;
}

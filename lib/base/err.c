/* Error details: one printable line, whatever was put into it. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"

/* True for code points that can drive a terminal or reorder what it shows. */
static bool unprintable(uint32_t cp)
{
	return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == 0x200e || cp == 0x200f ||
	       (cp >= 0x2028 && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069) || cp == 0xfeff;
}

/*
 * Names of files, tensors and keys come from outside and end up in messages: whatever is not plain
 * UTF-8 text becomes a question mark. In place, since the text can only get shorter.
 */
static void clean(char *text)
{
	size_t n = strlen(text), from = 0, to = 0;
	while (from < n) {
		uint32_t cp;
		size_t len = et_utf8_next(text + from, n - from, &cp);
		if (!len || unprintable(cp)) {
			text[to++] = '?';
			from += len ? len : 1;
		} else {
			memmove(text + to, text + from, len);
			to += len;
			from += len;
		}
	}
	text[to] = '\0';
}

/* Room for a prefix of a full text, so that what is cut off is known to be cut off. */
#define TEXT_MAX sizeof(((struct et_err *)0)->text)

/* Takes over `line`, marking a text that does not fit, without splitting a UTF-8 sequence. */
static void set_text(struct et_err *err, char *line, bool cut)
{
	clean(line);
	size_t n = strlen(line);
	if (cut || n >= TEXT_MAX) {
		n = et_min(n, TEXT_MAX - 4);
		while (n > 0 && ((unsigned char)line[n] & 0xc0) == 0x80)
			n--;
		memcpy(line + n, "...", 4);
		n += 3;
	}
	memcpy(err->text, line, n + 1);
}

int et_fail(struct et_err *err, int code, const char *fmt, ...)
{
	assert(code < 0);
	if (!err)
		return code;
	/* Formatted aside: the arguments may point into err->text. */
	char line[TEXT_MAX + 4];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n < 0)
		line[0] = '\0';
	set_text(err, line, n >= (int)sizeof(line));
	err->code = code;
	return code;
}

int et_err_prefix(struct et_err *err, const char *fmt, ...)
{
	if (!err)
		return ET_EINTERNAL;
	char line[2 * TEXT_MAX + 4];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(line, TEXT_MAX, fmt, ap);
	va_end(ap);
	if (n < 0)
		line[0] = '\0';
	size_t used = strlen(line);
	snprintf(line + used, sizeof(line) - used, ": %s", err->text);
	set_text(err, line, false);
	return err->code;
}

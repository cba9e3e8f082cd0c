/* Names of files and classes: control characters must not reach the terminal. */
#include <string.h>

#include "names.h"

/* Bytes of the UTF-8 character at s; 0: it is none. NUL ends the text, so nothing is overrun. */
static size_t utf8_length(const unsigned char *s)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (s[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, and what lies beyond U+10FFFF. */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

/* The character at s as it may be shown, of *n bytes; *used: those it takes in s. C1 controls are
 * U+0080 to U+009F. */
static const char *shown(const unsigned char *s, size_t *n, size_t *used)
{
	*n = utf8_length(s);
	*used = *n ? *n : 1;
	if (*n && *s >= 0x20 && *s != 0x7f && !(s[0] == 0xc2 && s[1] < 0xa0))
		return (const char *)s;
	*n = 1;
	return "?";
}

size_t name_put(FILE *out, const char *name)
{
	size_t width = 0, n, used;
	for (const unsigned char *s = (const unsigned char *)name; *s; s += used, width++) {
		const char *c = shown(s, &n, &used);
		fwrite(c, 1, n, out);
	}
	return width;
}

size_t name_width(const char *name)
{
	size_t width = 0, n, used;
	for (const unsigned char *s = (const unsigned char *)name; *s; s += used, width++)
		shown(s, &n, &used);
	return width;
}

void name_copy(char *out, size_t size, const char *name)
{
	size_t at = 0, n, used;
	for (const unsigned char *s = (const unsigned char *)name; *s; s += used, at += n) {
		const char *c = shown(s, &n, &used);
		if (at + n >= size)
			break;
		memcpy(out + at, c, n);
	}
	out[at] = 0;
}

void name_put_json(FILE *out, const char *name)
{
	fputc('"', out);
	for (const unsigned char *s = (const unsigned char *)name; *s;) {
		size_t n = utf8_length(s);
		if (!n)
			fputs("\\ufffd", out);
		else if (*s == '"' || *s == '\\')
			fprintf(out, "\\%c", *s);
		else if (*s < 0x20 || *s == 0x7f)
			fprintf(out, "\\u%04x", *s);
		else
			fwrite(s, 1, n, out);
		s += n ? n : 1;
	}
	fputc('"', out);
}

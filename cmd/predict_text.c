/* What predict found, in its three formats. */
#include <string.h>

#include "predict.h"

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

/* Names of files and classes: control characters must not reach the terminal. */
static void put_name(FILE *out, const char *name)
{
	for (const unsigned char *s = (const unsigned char *)name; *s;) {
		size_t n = utf8_length(s);
		if (!n || *s < 0x20 || *s == 0x7f)
			fputc('?', out);
		else
			fwrite(s, 1, n, out);
		s += n ? n : 1;
	}
}

void predict_text(FILE *out, const struct et_prediction *p, bool one)
{
	put_name(out, p->image);
	if (p->mask) {
		fputs("  ", out);
		put_name(out, p->mask);
	}
	if (!one)
		fputc('\n', out);
	for (int i = 0; i < p->n; i++) {
		const struct et_class *c = &p->top[i];
		fprintf(out, "  %.4f  %5d", c->share, c->index);
		if (c->name) {
			fputs("  ", out);
			put_name(out, c->name);
		}
		fputc('\n', out);
	}
}

void predict_csv_header(FILE *out, bool masks)
{
	fprintf(out, "image,rank,class,label,%s\n", masks ? "share" : "probability");
}

void predict_csv(FILE *out, const struct et_prediction *p, bool one)
{
	(void)one;
	for (int i = 0; i < p->n; i++) {
		const struct et_class *c = &p->top[i];
		et_csv_text(out, p->image);
		fprintf(out, ",%d,%d,", i + 1, c->index);
		if (c->name)
			et_csv_text(out, c->name);
		fprintf(out, ",%.6g\n", c->share);
	}
}

static void put_json(FILE *out, const char *text)
{
	fputc('"', out);
	for (const unsigned char *s = (const unsigned char *)text; *s;) {
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

void predict_json(FILE *out, const struct et_prediction *p, bool one)
{
	(void)one;
	fputs("{\"image\":", out);
	put_json(out, p->image);
	if (p->mask) {
		fputs(",\"mask\":", out);
		put_json(out, p->mask);
	}
	if (p->overlay) {
		fputs(",\"overlay\":", out);
		put_json(out, p->overlay);
	}
	fputs(",\"predictions\":[", out);
	for (int i = 0; i < p->n; i++) {
		const struct et_class *c = &p->top[i];
		fprintf(out, "%s{\"rank\":%d,\"class\":%d,\"label\":", i ? "," : "", i + 1,
			c->index);
		if (c->name)
			put_json(out, c->name);
		else
			fputs("null", out);
		fprintf(out, ",\"%s\":%.6g}", p->mask ? "share" : "probability", c->share);
	}
	fputs("]}\n", out);
}

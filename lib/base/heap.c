/* Checked arithmetic on sizes, and heap memory for set-up code. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

bool et_mul(size_t a, size_t b, size_t *out)
{
	return !__builtin_mul_overflow(a, b, out);
}

bool et_add(size_t a, size_t b, size_t *out)
{
	return !__builtin_add_overflow(a, b, out);
}

void *et_calloc(size_t n, size_t size)
{
	/* At least one byte: the NULL of calloc(0) could not be told from a refusal. */
	size_t bytes;
	return et_mul(n, size, &bytes) ? calloc(1, et_max(bytes, 1)) : NULL;
}

char *et_strdup(const char *s)
{
	size_t n = strlen(s) + 1;
	char *copy = malloc(n);
	return copy ? memcpy(copy, s, n) : NULL;
}

char *et_asprintf(const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	va_start(ap, fmt);
	int n = vasprintf(&text, fmt, ap);
	va_end(ap);
	return n < 0 ? NULL : text;
}

/* Numbers from and to text, the same under every locale; the clock. */
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/base.h"

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

static const char *skip_digits(const char *s)
{
	while (digit(*s))
		s++;
	return s;
}

/* [+-] digits [. digits] [e [+-] digits], with a digit before or after the point. */
static bool is_decimal(const char *s)
{
	if (*s == '+' || *s == '-')
		s++;
	const char *whole = s;
	s = skip_digits(s);
	bool some = s > whole;
	if (*s == '.') {
		const char *fraction = ++s;
		s = skip_digits(s);
		some = some || s > fraction;
	}
	if (!some)
		return false;
	if (*s == 'e' || *s == 'E') {
		s++;
		if (*s == '+' || *s == '-')
			s++;
		if (!digit(*s))
			return false;
		s = skip_digits(s);
	}
	return *s == '\0';
}

bool et_parse_f64(const char *s, double *v)
{
	if (!is_decimal(s))
		return false;
	/* A program that embeds the library may have chosen a locale with a decimal comma. */
	locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (!c)
		return false;
	char *end;
	double x = strtod_l(s, &end, c);
	freelocale(c);
	if (*end != '\0' || !isfinite(x))
		return false;
	*v = x;
	return true;
}

static bool parse_u64(const char **s, uint64_t *v)
{
	uint64_t x = 0;
	const char *p = *s;
	if (!digit(*p))
		return false;
	for (; digit(*p); p++)
		if (__builtin_mul_overflow(x, 10u, &x) ||
		    __builtin_add_overflow(x, (uint64_t)(*p - '0'), &x))
			return false;
	*s = p;
	*v = x;
	return true;
}

bool et_parse_i64(const char *s, int64_t *v)
{
	bool minus = *s == '-';
	if (*s == '-' || *s == '+')
		s++;
	uint64_t x;
	if (!parse_u64(&s, &x) || *s != '\0' || x > (uint64_t)INT64_MAX + minus)
		return false;
	*v = minus ? (int64_t)(0 - x) : (int64_t)x;
	return true;
}

bool et_parse_size(const char *s, uint64_t *v)
{
	uint64_t x;
	if (!parse_u64(&s, &x))
		return false;
	double fraction = 0, place = 0.1;
	bool point = *s == '.';
	if (point) {
		if (!digit(*++s))
			return false;
		for (; digit(*s); s++, place /= 10)
			fraction += (*s - '0') * place;
	}
	int shift = 0;
	switch (*s) {
	case 'k':
	case 'K':
		shift = 10;
		break;
	case 'm':
	case 'M':
		shift = 20;
		break;
	case 'g':
	case 'G':
		shift = 30;
		break;
	}
	if (shift) {
		s++;
		if (*s == 'i')
			s++;
	} else if (point) {
		return false;
	}
	if (*s == 'B')
		s++;
	uint64_t part = (uint64_t)(fraction * (double)(UINT64_C(1) << shift) + 0.5);
	if (*s != '\0' || x > UINT64_MAX >> shift || x << shift > UINT64_MAX - part)
		return false;
	*v = (x << shift) + part;
	return true;
}

const char *et_human_bytes(uint64_t n, char buf[32])
{
	static const char *const unit[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
	if (n < 1000) {
		snprintf(buf, 32, "%u B", (unsigned)n);
		return buf;
	}
	/* Tenths of the unit, in integers: printf's decimal point belongs to the locale. */
	uint64_t tenth = 100;
	size_t i = 1;
	while (i + 1 < ET_COUNT(unit) && n / tenth + (n % tenth >= tenth / 2) >= 10000) {
		tenth *= 1000;
		i++;
	}
	uint64_t t = n / tenth + (n % tenth >= tenth / 2);
	snprintf(buf, 32, "%u.%u %s", (unsigned)(t / 10), (unsigned)(t % 10), unit[i]);
	return buf;
}

double et_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

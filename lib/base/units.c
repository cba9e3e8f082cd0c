/* Durations, energies and times of the day from text. */
#include <string.h>

#include "base/base.h"

/* The number at the start of s, without a sign or an exponent; *s moves behind it. */
static bool leading_number(const char **s, double *v, bool *whole)
{
	char digits[32];
	size_t n = strspn(*s, "0123456789.");

	if (n == 0 || n >= sizeof(digits))
		return false;
	memcpy(digits, *s, n);
	digits[n] = 0;
	*whole = !strchr(digits, '.');
	*s += n;
	return et_parse_f64(digits, v);
}

bool et_parse_duration(const char *s, double *seconds)
{
	static const char units[] = "dhms";
	static const double each[] = {86400, 3600, 60, 1};
	const char *left = units; /* units that may still come */
	double sum = 0, v;
	bool whole = true;

	if (!leading_number(&s, &v, &whole))
		return false;
	if (!*s) {
		*seconds = v;
		return true;
	}
	for (;;) {
		const char *unit = *s ? strchr(left, *s) : NULL;
		if (!unit)
			return false;
		sum += v * each[unit - units];
		left = unit + 1;
		if (!*++s)
			break;
		if (!whole || !leading_number(&s, &v, &whole))
			return false;
	}
	*seconds = sum;
	return true;
}

bool et_parse_energy(const char *s, double *joules)
{
	static const struct {
		const char *unit;
		double each;
	} units[] = {{"", 1}, {"J", 1}, {"kJ", 1e3}, {"MJ", 1e6}, {"Wh", 3600}, {"kWh", 3.6e6}};
	double v;
	bool whole;

	if (!leading_number(&s, &v, &whole))
		return false;
	for (size_t i = 0; i < ET_COUNT(units); i++)
		if (strcmp(s, units[i].unit) == 0) {
			*joules = v * units[i].each;
			return true;
		}
	return false;
}

bool et_parse_clock(const char *s, int *minutes)
{
	size_t h = strspn(s, "0123456789");

	if (h < 1 || h > 2 || s[h] != ':' || strspn(s + h + 1, "0123456789") != 2 || s[h + 3])
		return false;
	int hour = h == 2 ? (s[0] - '0') * 10 + s[1] - '0' : s[0] - '0';
	int minute = (s[h + 1] - '0') * 10 + s[h + 2] - '0';
	if (hour > 23 || minute > 59)
		return false;
	*minutes = hour * 60 + minute;
	return true;
}

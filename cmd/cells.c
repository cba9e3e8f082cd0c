/* Numbers as people read them. */
#include <math.h>
#include <stdio.h>

#include "cells.h"

static char *unknown(char buf[CELL])
{
	snprintf(buf, CELL, "-");
	return buf;
}

char *cell_fixed(char buf[CELL], double v, int digits, const char *unit)
{
	if (isnan(v))
		return unknown(buf);
	snprintf(buf, CELL, "%.*f%s%s", digits, v, *unit ? " " : "", unit);
	return buf;
}

static int digits_of(double v)
{
	double a = fabs(v);
	return a >= 999.5 ? 0 : a >= 99.95 ? 1 : a >= 9.995 ? 2 : a >= 0.1 ? 3 : 4;
}

char *cell_short(char buf[CELL], double v, const char *unit)
{
	return cell_fixed(buf, v, digits_of(v), unit);
}

char *cell_time(char buf[CELL], double seconds)
{
	if (isnan(seconds))
		return unknown(buf);
	if (seconds < 59.95)
		return cell_fixed(buf, seconds, seconds < 9.995 ? 2 : 1, "s");
	double whole = floor(fmin(seconds, 1e12) + 0.5), hours = floor(whole / 3600);
	int rest = (int)(whole - hours * 3600);
	snprintf(buf, CELL, "%.0f:%02d:%02d", hours, rest / 60, rest % 60);
	return buf;
}

static char *cell_energy(char buf[CELL], double v, const char *unit, int estimated)
{
	if (isnan(v))
		return unknown(buf);
	double a = fabs(v);
	snprintf(buf, CELL, "%s%.*f %s", estimated ? "~" : "",
		 a >= 99.95    ? 0
		 : a >= 9.995  ? 1
		 : a >= 0.9995 ? 2
			       : 4,
		 v, unit);
	return buf;
}

char *cell_joules(char buf[CELL], double j, int estimated)
{
	if (fabs(j) < 0.0995)
		return cell_energy(buf, j * 1e3, "mJ", estimated);
	if (fabs(j) >= 1e6)
		return cell_energy(buf, j / 1e6, "MJ", estimated);
	return fabs(j) >= 1e4 ? cell_energy(buf, j / 1e3, "kJ", estimated)
			      : cell_energy(buf, j, "J", estimated);
}

char *cell_watt_hours(char buf[CELL], double j, int estimated)
{
	return cell_energy(buf, j / 3600, "Wh", estimated);
}

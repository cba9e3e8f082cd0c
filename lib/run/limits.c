/* Limits of time and energy for one call. */
#include <math.h>
#include <time.h>

#include "run/limits.h"

#define JUMP 300.0 /* seconds by which a clock is set right without being a jump */

/* The next moment after `wall` at which the local clock shows it. */
static double next_time(int minute, double wall)
{
	time_t now = (time_t)wall, at;
	struct tm day;

	if (!localtime_r(&now, &day))
		return INFINITY;
	for (int tomorrow = 0; tomorrow < 2; tomorrow++) {
		struct tm t = {.tm_year = day.tm_year,
			       .tm_mon = day.tm_mon,
			       .tm_mday = day.tm_mday + tomorrow,
			       .tm_hour = minute / 60,
			       .tm_min = minute % 60,
			       .tm_isdst = -1};
		at = mktime(&t);
		if (at != (time_t)-1 && (double)at > wall)
			return (double)at;
	}
	return INFINITY;
}

void et_until_open(struct et_until *u, int minute, double wall, double steady)
{
	*u = (struct et_until){minute, next_time(minute, wall), wall - steady};
}

double et_until_left(struct et_until *u, double wall, double steady)
{
	double offset = wall - steady;

	if (fabs(offset - u->offset) > JUMP)
		u->target = next_time(u->minute, wall);
	u->offset = offset;
	return u->target - wall;
}

static double seconds_of(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int et_limits_open(struct et_limits *l, const struct et_budget *budget, double begun,
		   struct et_err *err)
{
	int minute;

	*l = (struct et_limits){.budget = budget, .begun = begun, .has_until = budget->until};
	if (!l->has_until)
		return ET_OK;
	if (!et_parse_clock(budget->until, &minute))
		return et_fail(err, ET_EUSAGE,
			       "--until: expected a time of the day from 0:00 to 23:59, found "
			       "'%.100s'",
			       budget->until);
	et_until_open(&l->until, minute, seconds_of(CLOCK_REALTIME), seconds_of(CLOCK_BOOTTIME));
	return ET_OK;
}

const char *et_limits_exceeded(struct et_limits *l, double more_s, double spent_j, double more_j)
{
	const struct et_budget *b = l->budget;

	if (b->seconds > 0 && et_now() - l->begun + more_s > b->seconds)
		return "max-time";
	if (b->joules > 0 && spent_j + more_j > b->joules)
		return "max-energy";
	if (l->has_until && et_until_left(&l->until, seconds_of(CLOCK_REALTIME),
					  seconds_of(CLOCK_BOOTTIME)) <= more_s)
		return "until";
	return NULL;
}

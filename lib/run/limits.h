/* Private to run: what a call may use, and the clock that says when a night is over. */
#ifndef ET_RUN_LIMITS_H
#define ET_RUN_LIMITS_H

#include "run/run.h"

/*
 * A time of the day that is to come. The clock of a board without a battery is wrong at first and
 * jumps once it hears from the network: then the day is looked up anew.
 */
struct et_until {
	int minute;    /* of the day */
	double target; /* seconds since the epoch */
	double offset; /* of the clock to one that does not jump, when last looked at */
};
/* wall: seconds since the epoch; steady: of a clock that goes on while the machine sleeps. */
void et_until_open(struct et_until *u, int minute, double wall, double steady);
/* Seconds that are left; not above 0: it is time. */
double et_until_left(struct et_until *u, double wall, double steady);

struct et_limits {
	const struct et_budget *budget;
	double begun; /* et_now() */
	bool has_until;
	struct et_until until;
};
/* ET_EUSAGE for a time of the day that is none. */
int et_limits_open(struct et_limits *l, const struct et_budget *budget, double begun,
		   struct et_err *err) ET_MUST_CHECK;
/*
 * The option whose limit would be exceeded by work of so many seconds and joules more than those
 * spent_j (NaN: unknown); NULL: none.
 */
const char *et_limits_exceeded(struct et_limits *l, double more_s, double spent_j, double more_j);

#endif

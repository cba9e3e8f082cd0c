/*
 * What the board says of itself while it works: heat and clock. On base only. Every number may be
 * missing; a missing one is NaN, never 0.
 */
#ifndef ET_POWER_POWER_H
#define ET_POWER_POWER_H

#include "base/base.h"
#include "edgetrain.h"

struct et_board_state {
	double temp_c;	   /* of the processor */
	double freq_mhz;   /* the fastest core's */
	int64_t throttled; /* Raspberry Pi's bits: 0 under-voltage, 1 capped, 2 throttled, 3 soft
			      limit; -1 = unknown */
};

/* Paths found once; reading opens them anew, because sysfs gives a fresh value to a fresh read. */
struct et_board {
	char *temp, *throttled;
	char *freq[16];
	int n_freq;
	struct et_board_state last;
	double read_at; /* et_now() of `last` */
};

/*
 * Looks for sensors below root ("" for the real system; tests give a directory):
 *   temperature  sys/class/thermal/thermal_zone?: a zone whose type names the CPU, SoC or package,
 * else the first clock        sys/devices/system/cpu/cpufreq/policy?/scaling_cur_freq (kHz)
 *   throttling   sys/devices/platform/soc/soc:firmware/get_throttled (hexadecimal)
 */
void et_board_open(struct et_board *b, const char *root);
/* At most one real reading a second; in between the last one. */
struct et_board_state et_board_read(struct et_board *b);
void et_board_close(struct et_board *b);
/* Is there anything to read? */
bool et_board_any(const struct et_board *b);

/* ---- the meter ------------------------------------------------------------------------------- */

/*
 * One source of power or energy and the board's state, read by a thread of its own: power 10 times
 * a second, counters and the board once. All times are et_now()'s.
 */
struct et_meter;

struct et_meter_source {
	char name[96];	   /* what a row of steps.csv says: "rapl", "ina3221", "model:BOARD", ... */
	const char *scope; /* what is measured: "board", "soc", "package" */
	const char *unit;  /* of what is read: "W", "uJ", ... */
	char path[256];	   /* where */
	double hz;	   /* readings a second */
	bool counter;	   /* energy is read, not power */
	double shunt_uohm; /* of a current monitor; NaN = unknown, or there is none */
};

/*
 * Looks for the source that conf asks for, reads nothing yet and starts no thread. Without one the
 * meter knows the board's state alone. ET_EUSAGE when conf asks for what is not to be had.
 */
int et_meter_open(struct et_meter **m, const struct et_power_conf *conf,
		  struct et_err *err) ET_MUST_CHECK;
/* NULL: there is none, and `why` (may be NULL) says in one line what stood in the way. */
const struct et_meter_source *et_meter_source(const struct et_meter *m, const char **why);
/* Begins to sample, with a first reading before it returns. */
int et_meter_start(struct et_meter *m, struct et_err *err) ET_MUST_CHECK;
/*
 * A reading now, so that energy is known up to this moment; waits for it, at most a second. False:
 * there is none.
 */
bool et_meter_sync(struct et_meter *m);
/* The moment up to which energy is known; -INFINITY: there was no reading yet. */
double et_meter_known_to(struct et_meter *m);
/*
 * Joules between two moments: the trapezoid of power samples, or a counter's difference, linear
 * between samples. NaN where a part of the time is beyond the readings, or in a gap of more than
 * five periods.
 */
double et_meter_energy(struct et_meter *m, double from, double to);
/* The last reading of heat, clock and throttling: at most some two seconds old. */
struct et_board_state et_meter_board(struct et_meter *m);
/* Ends the thread. Does nothing with NULL. */
void et_meter_close(struct et_meter *m);

#endif

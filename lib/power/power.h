/*
 * What the board says of itself while it works: power, heat and clock. On base only. Every number
 * may be missing; a missing one is NaN, never 0.
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

/* What was found; reading opens files anew, because sysfs gives a fresh value to a fresh read. */
struct et_board {
	char *root;
	struct et_mailbox *mailbox; /* the firmware of a Raspberry Pi; NULL: none that answers */
	bool asks_temp, asks_clock, asks_throttled; /* it is the one to ask */
	char *temp, *throttled, *alarm;
	char temp_type[64]; /* of the zone, or the chip's name */
	char *freq[16];
	int n_freq;
	struct et_board_state last;
	double read_at; /* et_now() of `last` */
};

/*
 * Looks for sensors below root ("" for the real system; tests give a directory), the first of:
 *   temperature  the firmware's measure_temp; sys/class/thermal/thermal_zone?, one whose type
 *                names the CPU, SoC or package before others; sys/class/hwmon/, the processor's
 *   clock        the firmware's measure_clock arm, which is the true one;
 *                sys/devices/system/cpu/cpufreq/policy?/scaling_cur_freq (kHz), which is wished for
 *   throttling   the firmware's get_throttled; sys/devices/platform/soc/soc:firmware/get_throttled
 *                (hexadecimal; up to 2 s old, its upper half since the kernel last asked);
 *                the hwmon rpi_volt, which knows of under-voltage alone
 * A sensor that goes is unknown until it is back, under whatever number.
 */
void et_board_open(struct et_board *b, const char *root);
/* At most one real reading a second; in between the last one. By one thread at a time. */
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
	const char *scope; /* what is measured: "board", "rails", "package", "external" */
	const char *unit;  /* of what is read: "W", "uJ", ... */
	const char *note;  /* what to keep in mind, a few words; NULL: nothing */
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

/*
 * What the board says of itself while it works: heat and clock. On base only. Every number may be
 * missing; a missing one is NaN, never 0.
 */
#ifndef ET_POWER_POWER_H
#define ET_POWER_POWER_H

#include "base/base.h"

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

#endif

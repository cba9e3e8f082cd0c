/* What the board draws while nothing is computed. */
#include <math.h>
#include <time.h>

#include "run/watch.h"

#define LOOK_S 0.2 /* between two looks for a signal */
#define TELL_S 1.0 /* between two calls of the caller's */

void et_doze(void)
{
	const struct timespec t = {.tv_nsec = (long)(LOOK_S * 1e9)};
	nanosleep(&t, NULL);
}

int et_idle_measure(struct et_meter *m, double seconds, const struct et_env *env,
		    void (*tick)(void *arg), void *arg, double *watts, struct et_err *err)
{
	const struct et_meter_source *source = et_meter_source(m, NULL);
	double begun = et_now(), told = -INFINITY;

	*watts = NAN;
	if (!source) {
		et_log(env, ET_LOG_WARNING,
		       "--idle-seconds: there is no source of power to measure with");
		return ET_OK;
	}
	et_meter_sync(m);
	double from = et_meter_known_to(m);
	for (double now = begun; now - begun < seconds; now = et_now()) {
		if (et_stopped(env))
			return et_fail(err, ET_ESTOP, "stopped while measuring the idle board");
		if (now - told >= TELL_S) {
			told = now;
			tick(arg);
		}
		et_doze();
	}
	et_meter_sync(m);
	double to = et_meter_known_to(m);
	*watts = et_meter_energy(m, from, to) / (to - from);
	if (isnan(*watts))
		et_log(env, ET_LOG_WARNING,
		       "the idle board could not be measured: %s gave no readings", source->name);
	else
		et_log(env, ET_LOG_INFO, "idle: %.2f W over %.0f s (%s)", *watts, to - from,
		       source->name);
	return ET_OK;
}

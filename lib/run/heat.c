/* Times in which a run computes nothing: pauses until the board is cooler, and idling to measure.
 */
#include <math.h>
#include <stdio.h>

#include "run/trainer.h"

#define COOLER	  5.0  /* degrees below the limit at which work goes on */
#define TELL_S	  1.0  /* between two calls of the progress */
#define BLIND_MAX 10.0 /* seconds without a temperature after which a pause ends */

void et_trainer_tell(struct et_trainer *t, enum et_phase phase)
{
	t->p.phase = phase;
	t->p.power_w = t->watch.power_w;
	t->p.temp_c = t->watch.board.temp_c;
	if (t->fit->progress)
		t->fit->progress(t->fit->arg, &t->p);
}

/* Until it is cooler, somebody stops the run, or the time is up. */
static int pause_run(struct et_trainer *t, struct et_err *err)
{
	double told = -INFINITY, seen = et_now();

	for (;;) {
		ET_TRY(et_watch_tick(&t->watch, err));
		double now = et_now(), temp = et_meter_board(t->watch.meter).temp_c;
		if (!isnan(temp))
			seen = now;
		if (now - told >= TELL_S) {
			told = now;
			et_trainer_tell(t, ET_PHASE_PAUSE);
		}
		if (temp <= t->fit->max_temp - COOLER || et_stopped(t->s->env) ||
		    et_limits_exceeded(&t->limits, 0, et_watch_spent(&t->watch), 0))
			return ET_OK;
		if (now - seen > BLIND_MAX) {
			et_log(t->s->env, ET_LOG_WARNING,
			       "the temperature is not known any more: going on without it");
			return ET_OK;
		}
		et_doze();
	}
}

int et_trainer_cool(struct et_trainer *t, struct et_err *err)
{
	enum et_phase phase = t->watch.phase, shown = t->p.phase;

	if (!(t->fit->max_temp > 0))
		return ET_OK;
	double begun = et_now(), temp = et_meter_board(t->watch.meter).temp_c;
	if (!(temp >= t->fit->max_temp))
		return ET_OK;
	ET_TRY(et_watch_phase(&t->watch, ET_PHASE_PAUSE, &t->steps, err));
	t->state.pauses++;
	t->pauses_here++;
	int status = pause_run(t, err);
	ET_TRY(status);
	ET_TRY(et_watch_phase(&t->watch, phase, &t->steps, err));
	t->p.phase = shown;
	double s = et_now() - begun;
	t->paused_s += s;
	et_log(t->s->env, ET_LOG_INFO, "paused %.0f s at %.1f C, now %.1f C", s, temp,
	       t->watch.board.temp_c);
	return ET_OK;
}

static void idling(void *arg)
{
	struct et_trainer *t = arg;

	t->watch.board = et_meter_board(t->watch.meter);
	et_trainer_tell(t, ET_PHASE_IDLE);
}

int et_trainer_idle(struct et_trainer *t, struct et_err *err)
{
	if (!(t->fit->idle_seconds > 0))
		return ET_OK;
	return et_idle_measure(t->watch.meter, t->fit->idle_seconds, t->s->env, idling, t,
			       &t->watch.idle_w, err);
}

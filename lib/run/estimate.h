/* Private to run: what a run will take, from a few steps. */
#ifndef ET_RUN_ESTIMATE_H
#define ET_RUN_ESTIMATE_H

#include "run/run.h"

/* Nothing is known. */
struct et_estimate et_estimate_none(void);
/*
 * Takes steps with the net of a session that was just planned, and evaluates a few batches, into
 * request->estimate.
 */
int et_estimate_session(struct et_session *s, const struct et_plan_request *request,
			const struct et_plan *plan, struct et_err *err) ET_MUST_CHECK;
/*
 * Epochs and the whole run from what is known of steps and evaluations:
 *   first epoch = pictures / batch (1 - dropped) step + evaluation
 *   later ones the same with kept kept_step + (1 - kept) step, and of evaluations as much
 */
void et_estimate_sum(struct et_estimate *e, double batch);

#endif

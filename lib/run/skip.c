/* Modes that skip whole batches. */
#include <inttypes.h>

#include "run/trainer.h"

uint64_t et_trainer_clock(const struct et_trainer *t)
{
	const struct et_state *st = &t->state;
	const struct et_mode *m = t->s->recipe.on[ET_AXIS_STEPS].mode;

	return m && m->skip_batch ? st->epoch * t->per_epoch + st->batch : st->step;
}

bool et_trainer_drops(void *arg, uint64_t epoch, size_t batch)
{
	const struct et_trainer *t = arg;
	const struct et_technique *on = &t->s->recipe.on[ET_AXIS_STEPS];

	return on->mode && on->mode->skip_batch &&
	       on->mode->skip_batch(on->opt, (uint64_t)t->s->t.seed, epoch * t->per_epoch + batch);
}

int et_trainer_skip(struct et_trainer *t, struct et_err *err)
{
	struct et_session *s = t->s;
	double norm;

	t->skipped_here++;
	if (!et_session_coasts(s))
		return ET_OK;
	et_net_zero_grad(&s->net);
	double lr = et_train_lr(&s->t, et_trainer_clock(t), t->per_epoch);
	const char *lost = et_net_update(&s->net, &s->t, lr, t->state.step, &norm);
	if (lost)
		return et_fail(err, ET_EDIVERGED,
			       "step %" PRIu64 ": %s became NaN or Inf in a skipped batch; the "
			       "last checkpoint in %s is unharmed: try a lower --lr",
			       t->state.step, lost, t->dir);
	return ET_OK;
}

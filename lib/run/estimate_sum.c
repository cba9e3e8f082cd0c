/* From the cost of a step to that of a run. */
#include <math.h>

#include "run/estimate.h"

static struct et_cost scale(struct et_cost c, double by)
{
	/* Nothing of what is not known is nothing. */
	if (by <= 0)
		return (struct et_cost){0, 0};
	return (struct et_cost){by * c.seconds, by * c.joules};
}

static struct et_cost add(struct et_cost a, struct et_cost b)
{
	return (struct et_cost){a.seconds + b.seconds, a.joules + b.joules};
}

/* That share of one, the rest of the other. */
static struct et_cost mix(double share, struct et_cost a, struct et_cost b)
{
	return add(scale(a, share), scale(b, 1 - share));
}

struct et_estimate et_estimate_none(void)
{
	const struct et_cost unknown = {NAN, NAN};

	return (struct et_estimate){.step = unknown,
				    .kept_step = unknown,
				    .evaluation = unknown,
				    .kept_evaluation = unknown,
				    .first_epoch = unknown,
				    .epoch = unknown,
				    .run = unknown};
}

void et_estimate_sum(struct et_estimate *e, double batch)
{
	double steps = (double)e->pictures / batch * (1 - e->dropped);
	double epochs = (double)e->epochs, filling = fmin((double)e->filling, epochs);
	const struct et_cost nothing = {0, 0};
	struct et_cost train = scale(e->step, steps);
	struct et_cost kept = scale(mix(e->kept, e->kept_step, e->step), steps);
	struct et_cost eval = e->val_pictures ? e->evaluation : nothing;
	struct et_cost again =
		e->val_pictures ? mix(e->val_kept, e->kept_evaluation, e->evaluation) : nothing;

	if (e->kept <= 0)
		filling = epochs;
	e->first_epoch = add(train, eval);
	e->epoch = add(epochs > filling ? kept : train, epochs > 1 ? again : eval);
	e->run = add(add(scale(train, filling), scale(kept, epochs - filling)),
		     add(eval, scale(again, epochs - 1)));
}

/* The learning rate of a step. */
#include <math.h>

#include "net/net.h"

double et_train_lr(const struct et_train *t, uint64_t step, uint64_t per_epoch)
{
	double warm = t->warmup * (double)per_epoch, s = (double)step;
	double total = (double)t->epochs * (double)per_epoch;

	if (s < warm)
		return t->lr * (s + 1) / ceil(warm);
	switch (t->schedule) {
	case ET_STEP:
		return t->lr * pow(t->gamma, floor(s / (t->step_size * (double)per_epoch)));
	case ET_COSINE: {
		double at = (s - ceil(warm)) / fmax(total - ceil(warm), 1);
		return t->lr_min +
		       (t->lr - t->lr_min) / 2 * (1 + cos(3.14159265358979323846 * fmin(at, 1)));
	}
	default:
		return t->lr;
	}
}

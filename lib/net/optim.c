/* Optimizer steps, PyTorch's formulae. */
#include <math.h>

#include "net/net.h"

int et_train_moments(const struct et_train *t)
{
	return t->optimizer != ET_SGD ? 2 : t->momentum > 0;
}

/* Pieces of this many weights: sums join in the order of pieces, so that any number of threads
 * agrees. */
#define PIECE ((size_t)1 << 15)

struct job {
	const struct et_net *net;
	const struct et_param *p;
	const struct et_train *t;
	float lr, gscale, decay, l2, step, vscale;
	bool bad;
};

static double grad_norm(struct et_net *net)
{
	double sum = 0;

	for (int i = 0; i < net->n_params; i++) {
		const struct et_param *p = &net->params[i];
		for (size_t at = 0; p->grad && at < p->count; at += PIECE)
			sum += net->ctx.k->sumsq(et_min(PIECE, p->count - at), p->grad + at);
	}
	return sqrt(sum);
}

static void update_range(void *arg, size_t begin, size_t end, int thread)
{
	struct job *j = arg;
	const struct et_param *p = j->p;
	const struct et_train *t = j->t;
	size_t n = end - begin;
	bool fine;
	(void)thread;

	if (t->optimizer == ET_SGD)
		fine = j->net->ctx.k->sgd(n, p->value + begin, p->grad + begin,
					  p->m1 ? p->m1 + begin : NULL, j->lr, (float)t->momentum,
					  (float)t->weight_decay, j->gscale);
	else
		fine = j->net->ctx.k->adam(n, p->value + begin, p->grad + begin, p->m1 + begin,
					   p->m2 + begin, j->gscale, j->l2, j->decay,
					   (float)t->beta1, (float)t->beta2, j->step, j->vscale,
					   (float)t->eps);
	if (!fine)
		__atomic_store_n(&j->bad, true, __ATOMIC_RELAXED);
}

const char *et_net_update(struct et_net *net, const struct et_train *t, double lr, uint64_t step,
			  double *norm)
{
	struct job j = {.net = net, .t = t, .lr = (float)lr, .gscale = 1, .decay = 1};

	*norm = NAN;
	if (t->clip_norm > 0) {
		*norm = grad_norm(net);
		j.gscale = (float)fmin(1, t->clip_norm / (*norm + 1e-6));
	}
	if (t->optimizer != ET_SGD) {
		double n = (double)step + 1;
		j.step = (float)(lr / (1 - pow(t->beta1, n)));
		j.vscale = (float)(1 / sqrt(1 - pow(t->beta2, n)));
		j.l2 = t->optimizer == ET_ADAM ? (float)t->weight_decay : 0;
		j.decay = t->optimizer == ET_ADAMW ? (float)(1 - lr * t->weight_decay) : 1;
	}
	for (int i = 0; i < net->n_params; i++) {
		j.p = &net->params[i];
		if (!j.p->train)
			continue;
		et_parallel(&net->ctx, j.p->count, PIECE, update_range, &j);
		if (j.bad)
			return j.p->name;
	}
	return NULL;
}

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
		size_t n = et_param_grads(p);
		for (size_t at = 0; p->grad && at < n; at += PIECE)
			sum += (double)p->taps *
			       net->ctx.k->sumsq(et_min(PIECE, n - at), p->grad + at);
	}
	return sqrt(sum);
}

/* n weights from `at` on with their gradients. */
static void update(struct job *j, size_t at, size_t n, const float *grad)
{
	const struct et_param *p = j->p;
	const struct et_train *t = j->t;
	bool fine;

	if (t->optimizer == ET_SGD)
		fine = j->net->ctx.k->sgd(n, p->value + at, grad, p->m1 ? p->m1 + at : NULL, j->lr,
					  (float)t->momentum, (float)t->weight_decay, j->gscale);
	else
		fine = j->net->ctx.k->adam(n, p->value + at, grad, p->m1 + at, p->m2 + at,
					   j->gscale, j->l2, j->decay, (float)t->beta1,
					   (float)t->beta2, j->step, j->vscale, (float)t->eps);
	if (!fine)
		__atomic_store_n(&j->bad, true, __ATOMIC_RELAXED);
}

static void update_range(void *arg, size_t begin, size_t end, int thread)
{
	struct job *j = arg;
	(void)thread;
	update(j, begin, end - begin, j->p->grad + begin);
}

/* Blocks of weights whose taps share their gradients: all taps while those are in cache. */
static void update_blocks(void *arg, size_t begin, size_t end, int thread)
{
	struct job *j = arg;
	const struct et_param *p = j->p;
	(void)thread;

	for (size_t o = begin; o < end; o++)
		for (size_t t = 0; t < p->taps; t++)
			update(j, (o * p->taps + t) * p->inner, p->inner, p->grad + o * p->inner);
}

static bool update_param(struct job *j)
{
	const struct et_param *p = j->p;
	size_t block = p->taps * p->inner;

	if (p->taps == 1)
		et_parallel(&j->net->ctx, p->count, PIECE, update_range, j);
	else
		et_parallel(&j->net->ctx, p->count / block, et_ceil_div(PIECE, block),
			    update_blocks, j);
	return !j->bad;
}

bool et_net_apply(const struct et_net *net, const struct et_param *p, const struct et_rule *rule)
{
	const struct et_train t = {.optimizer = ET_SGD,
				   .momentum = (double)rule->momentum,
				   .weight_decay = (double)rule->weight_decay};
	struct job j = {.net = net, .p = p, .t = &t, .lr = rule->lr, .gscale = 1, .decay = 1};

	return update_param(&j);
}

const char *et_net_update(struct et_net *net, const struct et_train *t, double lr, uint64_t step,
			  double *norm)
{
	struct job j = {.net = net, .t = t, .lr = (float)lr, .gscale = 1, .decay = 1};

	*norm = NAN;
	if (net->lost)
		return net->lost;
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
		if (!j.p->grad)
			continue;
		if (!update_param(&j))
			return j.p->name;
	}
	return NULL;
}

/* One optimizer step: what a run repeats and a bench measures. */
#include <math.h>
#include <stdio.h>

#include "run/cache.h"

bool et_step_too_small(const struct et_session *s, const struct et_batch *b)
{
	for (int i = 0; i < s->net.n; i++) {
		const struct et_node *node = &s->net.nodes[i];
		if (node->bn_batch && b->n * (size_t)node->out.h * (size_t)node->out.w < 2)
			return true;
	}
	/* Nothing in it that counts: its mean loss would be 0 / 0. */
	return et_loss_norm(&s->net.loss, b->n * b->rows, b->label) <= 0;
}

bool et_step_gradients(struct et_session *s, const struct et_batch *b, struct et_step *step)
{
	size_t micro = (size_t)et_session_micro(s), image = et_shape_count(s->spec.input);
	struct et_rule rule = {.lr = (float)step->lr,
			       .momentum = (float)s->t.momentum,
			       .weight_decay = (float)s->t.weight_decay};
	double norm = et_loss_norm(&s->net.loss, b->n * b->rows, b->label);

	et_net_zero_grad(&s->net);
	for (size_t at = 0; at < b->n; at += micro) {
		struct et_pass pass = {.x = b->x + at * image,
				       .n = (int)et_min(micro, b->n - at),
				       .training = true,
				       .seed = (uint64_t)s->t.seed,
				       .step = step->number,
				       .first = at,
				       .rule = s->net.fuse_update ? &rule : NULL};
		double begun = et_now();
		et_cache_begin(s->train_cache, b, at, image, &pass);
		et_net_forward(&s->net, &pass);
		et_cache_end(s->train_cache, b, at, &pass);
		step->pass = pass;
		step->pass.rule = NULL; /* once is enough */
		double between = et_now();
		et_net_loss(&s->net, &pass, b->label + at * b->rows, norm > 0 ? norm : 1, true,
			    &step->sum);
		step->forward_s += between - begun;
		step->backward_s += et_now() - between - s->net.update_s;
		step->update_s += s->net.update_s;
		if (!isfinite(step->sum.loss)) {
			snprintf(step->lost, sizeof(step->lost), "the loss became %s",
				 isnan(step->sum.loss) ? "NaN" : "infinite");
			return false;
		}
	}
	return true;
}

bool et_step_run(struct et_session *s, const struct et_batch *b, struct et_step *step)
{
	double norm;

	if (!et_step_gradients(s, b, step))
		return false;
	double before = et_now();
	const char *lost = et_net_update(&s->net, &s->t, step->lr, step->number, &norm);
	step->update_s += et_now() - before;
	if (!lost)
		return true;
	snprintf(step->lost, sizeof(step->lost), "the update made %s NaN or Inf", lost);
	return false;
}

void et_step_blame(struct et_session *s, const struct et_step *step, char *buf, size_t n)
{
	if (!et_net_find_nonfinite(&s->net, &step->pass, buf, n))
		snprintf(buf, n, "the loss");
}

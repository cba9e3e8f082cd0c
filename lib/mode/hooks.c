/* The union of a recipe's hooks for one layer. */
#include <stddef.h>
#include <string.h>

#include "mode/mode.h"

/* t provides the hook: nobody else may. */
static int take(const struct et_technique **hook, const struct et_technique *t, const char *what,
		struct et_err *err)
{
	if (*hook)
		return et_fail(err, ET_EUSAGE, "mode: %s and %s both want to replace %s",
			       (*hook)->mode->name, t->mode->name, what);
	*hook = t;
	return ET_OK;
}

int et_hooks_resolve(struct et_hooks *h, const struct et_recipe *recipe, const struct et_layer *l,
		     struct et_err *why, struct et_err *err)
{
	memset(h, 0, sizeof(*h));
	why->code = ET_OK;
	for (int axis = 0; axis < ET_AXES; axis++) {
		const struct et_mode *m = recipe->on[axis].mode;
		struct et_err reason = {0};
		if (!m)
			continue;
		if (m->accepts && m->accepts(l, recipe->on[axis].opt, &reason)) {
			if (!why->code)
				*why = reason;
			continue;
		}
		h->on.on[axis] = recipe->on[axis];
		const struct et_technique *t = &h->on.on[axis];
		if (m->save)
			ET_TRY(take(&h->save, t, "what is saved", err));
		if (m->delta)
			ET_TRY(take(&h->delta, t, "the gradient of the output", err));
		if (m->weight_dx)
			ET_TRY(take(&h->weight_dx, t, "the weights of the input's gradient", err));
		if (m->backward)
			ET_TRY(take(&h->backward, t, "backward", err));
		if (m->both)
			ET_TRY(take(&h->both, t, "the two products", err));
		if (m->step)
			ET_TRY(take(&h->step, t, "the update", err));
	}
	return ET_OK;
}

struct et_need et_hooks_need(const struct et_hooks *h, const struct et_layer *l, int n)
{
	double mac = et_conv_mac(&l->g);
	struct et_need need = {.dx = mac, .dw = mac};

	for (int axis = 0; axis < ET_AXES; axis++) {
		const struct et_technique *t = &h->on.on[axis];
		if (t->mode && t->mode->plan)
			t->mode->plan(l, t->opt, n, &need);
	}
	return need;
}

#include <stdio.h>
#include <string.h>

#include "net_gold.h"

const char *net_gold_spec(const struct gold_case *c)
{
	char key[64];
	snprintf(key, sizeof(key), "%s.spec", c->name);
	const char *spec = et_st_meta(c->st, key);
	ck_assert_ptr_nonnull(spec);
	return spec;
}

float *net_gold_param(const struct gold_case *c, const char *kind, const struct et_param *p)
{
	char name[160];
	snprintf(name, sizeof(name), "%s.%s", kind, p->name);
	float *torch = gold_f32(c, name, p->count), *v = torch;
	if (p->kind == ET_PARAM_WEIGHT) {
		v = num_floats(p->count);
		et_conv_from_torch(p->geo, torch, v);
	}
	return v;
}

void net_gold_load(const struct gold_case *c, struct et_net *net)
{
	for (int i = 0; i < net->n_params; i++) {
		struct et_param *p = &net->params[i];
		if (p->count)
			memcpy(p->value, net_gold_param(c, "p", p), p->count * sizeof(float));
	}
}

float *net_gold_pictures(const struct gold_case *c, const struct et_net *net, const char *name,
			 int n)
{
	return gold_nhwc(c, name, n, (size_t)net->input.h * (size_t)net->input.w, net->input.c);
}

void net_gold_check(const char *what, const float *got, const float *want, size_t n, double most)
{
	double off = net_off(got, want, n);
	ck_assert_msg(off <= most, "%s: %s is off by %.3g of its largest", num_label_text(), what,
		      off);
}

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mode_case.h"
#include "net/program.h"

/* ---- shapes ---------------------------------------------------------------------------------- */

#define STEM "{'name':'stem','type':'conv2d','out_channels':8,'kernel_size':1},{'type':'relu'},"
#define END                                                           \
	",{'type':'relu6'},{'name':'gap','type':'global_avgpool2d'}," \
	"{'name':'fc','type':'linear','out_features':5}"
#define CONV(name, keys) "{'name':'" name "','type':'conv2d','out_channels':8," keys "}"
#define PAIR(keys)                                                                            \
	STEM CONV("a", keys) ",{'name':'na','type':'batchnorm2d'},{'type':'relu'}," CONV("b", \
											 keys) END
#define LINEAR                                                                             \
	STEM "{'type':'global_avgpool2d'},{'name':'a','type':'linear','out_features':9},"  \
	     "{'type':'relu'},{'name':'b','type':'linear','out_features':7,'bias':false}," \
	     "{'type':'relu'},{'name':'fc','type':'linear','out_features':5}"

const struct mode_shape mode_shapes[] = {
	{"3x3", PAIR("'kernel_size':3,'padding':1")},
	{"3x3, stride 2", PAIR("'kernel_size':3,'padding':1,'stride':2,'bias':false")},
	{"1x1", PAIR("'kernel_size':1")},
	{"depthwise", PAIR("'kernel_size':3,'padding':1,'groups':8")},
	{"depthwise, stride 2", PAIR("'kernel_size':3,'padding':1,'groups':8,'stride':2")},
	{"groups", PAIR("'kernel_size':3,'padding':1,'groups':2,'bias':false")},
	{"dilation", PAIR("'kernel_size':3,'padding':2,'dilation':2")},
	{"oblong, no padding", PAIR("'kernel_size':[2,4],'stride':[1,2],'padding':[0,1]")},
	{"1x1, stride 2", PAIR("'kernel_size':1,'stride':2")},
	{"linear", LINEAR},
	{NULL, NULL},
};

static char *shape_text(const struct mode_shape *shape)
{
	return net_text(3, MODE_H, MODE_W, 5, shape->layers);
}

/* ---- settings -------------------------------------------------------------------------------- */

static size_t count_keys(const struct et_mode *m)
{
	size_t n = 0;
	while (n < ET_MODE_KEYS && m->key[n].name)
		n++;
	return n;
}

static int count_choices(const struct et_mode_key *k)
{
	int n = 1;
	for (const char *c = k->choices; *c; c++)
		n += *c == '|';
	return n;
}

static double middle(const struct et_mode_key *k)
{
	double v = (k->min + k->max) / 2;
	return k->integer ? floor(v) : v;
}

static double usual(const struct et_mode_key *k)
{
	if (!isnan(k->initial))
		return k->initial;
	return k->integer && k->min + 1 <= k->max ? k->min + 1 : middle(k);
}

static void print_value(char *to, size_t n, const struct et_mode_key *k, double v)
{
	const char *c = k->choices;

	for (int skip = (int)v; c && skip > 0; skip--)
		c += strcspn(c, "|") + 1;
	if (c)
		snprintf(to, n, "%s=%.*s", k->name, (int)strcspn(c, "|"), c);
	else
		snprintf(to, n, "%s=%.15g", k->name, v);
}

/* Key `which` at v, the others as usual; which = the number of keys: all as usual. */
static char *recipe_of(const struct et_mode *m, size_t which, double v)
{
	char *text = num_alloc(256, 1);
	size_t used = (size_t)snprintf(text, 256, "%s", m->name);

	for (size_t i = 0; i < count_keys(m); i++) {
		text[used++] = i ? ',' : ':';
		print_value(text + used, 256 - used, &m->key[i],
			    i == which ? v : usual(&m->key[i]));
		used += strlen(text + used);
	}
	return text;
}

size_t mode_settings(const struct et_mode *m, char *recipe[MODE_SETTINGS])
{
	size_t n = 0, keys = count_keys(m);

	recipe[n++] = recipe_of(m, keys, 0);
	for (size_t i = 0; i < keys; i++) {
		const struct et_mode_key *k = &m->key[i];
		int choices = k->choices ? count_choices(k) : 0;
		const double value[] = {k->min, middle(k), k->max};
		for (int v = 0; v < (choices ? choices : 3); v++) {
			ck_assert_uint_lt(n, MODE_SETTINGS);
			recipe[n++] = recipe_of(m, i, choices ? v : value[v]);
		}
	}
	return n;
}

bool mode_accepted(const struct mode_shape *shape, const char *trainable, const char *recipe,
		   const struct et_mode *m)
{
	struct et_ctx ctx = {.k = et_kern_at(0), .threads = 1};
	struct et_spec spec;
	struct et_net net;
	struct et_err err = {0};
	char *text = shape_text(shape);

	ck_assert_int_eq(et_spec_parse(&spec, text, strlen(text), "t.json", &err), ET_OK);
	ck_assert_int_eq(et_net_build(&net, &spec, &ctx, &err), ET_OK);
	ck_assert_int_eq(et_net_select(&net, trainable, 0, false, &err), ET_OK);
	int status = et_net_set_modes(&net, recipe, "", NULL, &err);
	if (status)
		ck_assert_msg(status == ET_EUSAGE && strstr(err.text, m->name) &&
				      strstr(err.text, "no layer that trains can take "),
			      "%s on %s: %s", recipe, shape->name, err.text);
	et_net_free(&net);
	et_spec_free(&spec);
	return status == ET_OK;
}

/* ---- steps ----------------------------------------------------------------------------------- */

void mode_open(struct mode_net *m, const struct et_ctx *ctx, const struct mode_shape *shape,
	       const char *recipe, struct net_setup setup)
{
	struct et_rng r = num_rng(200, 0);

	setup.mode = recipe;
	setup.moments = 1;
	*m = (struct mode_net){.n = setup.batch, .train = {.momentum = 0.9, .weight_decay = 1e-3}};
	net_open(&m->t, ctx, shape_text(shape), &setup);
	m->x = num_normal(&r, (size_t)m->n * et_shape_count(m->t.net.input));
	m->label = net_labels(&m->t.net, &r, m->n);
	for (int i = 0; i < m->t.net.n_params; i++)
		if (m->t.net.params[i].m1)
			memset(m->t.net.params[i].m1, 0, m->t.net.params[i].count * sizeof(float));
}

void mode_close(struct mode_net *m)
{
	net_close(&m->t);
}

static float *copy(const float *x, size_t n)
{
	float *y = x ? num_alloc(n, sizeof(float)) : NULL;
	if (x)
		memcpy(y, x, n * sizeof(float));
	return y;
}

static struct mode_result collect(struct mode_net *m, double loss, float *logits)
{
	struct et_net *net = &m->t.net;
	struct et_param *p = num_alloc((size_t)net->n_params, sizeof(*p));

	for (int i = 0; i < net->n_params; i++) {
		p[i] = net->params[i];
		p[i].value = copy(p[i].value, p[i].count);
		p[i].grad = copy(p[i].grad, et_param_grads(&p[i]));
		p[i].m1 = copy(p[i].m1, p[i].count);
		p[i].name = num_alloc(strlen(p[i].name) + 1, 1);
		strcpy(p[i].name, net->params[i].name);
		if (p[i].geo) {
			struct et_conv *geo = num_alloc(1, sizeof(*geo));
			*geo = *p[i].geo;
			p[i].geo = geo;
		}
	}
	return (struct mode_result){
		.loss = loss, .logits = logits, .params = net->n_params, .param = p};
}

struct mode_result mode_step(struct mode_net *m, uint64_t step)
{
	struct et_net *net = &m->t.net;
	struct et_rule rule = {.lr = 0.05f,
			       .momentum = (float)m->train.momentum,
			       .weight_decay = (float)m->train.weight_decay};
	struct et_pass pass = {.x = m->x,
			       .n = m->n,
			       .training = true,
			       .seed = 7,
			       .step = step,
			       .rule = net->fuse_update ? &rule : NULL};
	struct et_loss_sum sum = {0};
	double norm;

	et_net_zero_grad(net);
	float *logits = copy(et_net_forward(net, &pass), (size_t)m->n * (size_t)m->t.net.classes);
	et_net_loss(net, &pass, m->label, m->n, true, &sum);
	const char *lost = et_net_update(net, &m->train, (double)rule.lr, step, &norm);
	struct mode_result out = collect(m, sum.loss, logits);
	out.lost = lost;
	return out;
}

struct mode_result mode_steps(struct mode_net *m, uint64_t step, int count)
{
	struct mode_result out = {0};
	for (int i = 0; i < count; i++)
		out = mode_step(m, step + (uint64_t)i);
	return out;
}

/* ---- comparison ------------------------------------------------------------------------------ */

static const struct et_param *same_param(const struct mode_result *r, const struct et_param *p)
{
	for (int i = 0; i < r->params; i++)
		if (strcmp(r->param[i].name, p->name) == 0)
			return &r->param[i];
	ck_abort_msg("no parameter %s", p->name);
	return NULL;
}

static void bits(const struct et_param *p, const char *what, const float *got, const float *want,
		 size_t n)
{
	char name[100];
	snprintf(name, sizeof(name), "%s of %.60s", what, p->name);
	if (got && want)
		num_check_bits(name, got, want, n * sizeof(float));
}

void mode_same(const struct mode_result *got, const struct mode_result *want)
{
	ck_assert_msg(got->loss == want->loss, "%s: loss %.17g, not %.17g", num_label_text(),
		      got->loss, want->loss);
	for (int i = 0; i < got->params; i++) {
		const struct et_param *p = &got->param[i], *q = same_param(want, p);
		bits(p, "value", p->value, q->value, p->train == q->train ? p->count : 0);
		bits(p, "gradient", p->grad, q->grad, et_param_grads(p));
		bits(p, "moment", p->m1, q->m1, p->count);
	}
}

void mode_near(const struct mode_result *got, const struct mode_result *want, double most)
{
	double all = 0;

	for (int i = 0; i < want->params; i++)
		for (size_t k = 0; want->param[i].grad && k < want->param[i].count; k++) {
			const struct et_param *q = &want->param[i];
			double v = (double)q->grad[q->taps == 1 ? k : k % et_param_grads(q)];
			all += v * v;
		}
	for (int i = 0; i < got->params; i++) {
		const struct et_param *p = &got->param[i], *q = same_param(want, p);
		float *a = num_alloc(p->count, sizeof(float)),
		      *b = num_alloc(p->count, sizeof(float));
		double off = 0, size = 0;
		if (!p->grad || !q->grad)
			continue;
		et_param_grad_torch(p, a);
		et_param_grad_torch(q, b);
		for (size_t k = 0; k < p->count; k++) {
			double d = (double)a[k] - (double)b[k];
			off += d * d;
			size += (double)b[k] * (double)b[k];
		}
		/* What is rounding and nothing else is measured by all gradients together. */
		double scale = sqrt(fmax(size, 1e-3 * all));
		ck_assert_msg(sqrt(off) <= most * scale,
			      "%s: gradient of %s is off by %.3g of %.3g", num_label_text(),
			      p->name, sqrt(off), scale);
	}
}

void mode_check_memory(const struct et_net *net)
{
	ck_assert_msg(!net->work.failed && !net->hold.failed && !net->live.failed,
		      "%s: the plan did not suffice", num_label_text());
	ck_assert_msg(net->work.used == 0 && net->work.peak <= net->work.size,
		      "%s: %zu bytes of scratch kept, %zu of %zu used", num_label_text(),
		      net->work.used, net->work.peak, net->work.size);
	ck_assert_uint_eq(net->hold.peak, net->hold_bytes);
	num_check_guards();
}

/* Weights and optimizer state into safetensors files, under PyTorch's names and in its layout. */
#include <stdlib.h>
#include <string.h>

#include "net/net.h"

/* What tensor i of the file is. */
struct entry {
	const struct et_param *p;
	int moment; /* 0: the value */
};

struct dump {
	struct entry *entries;
	struct et_st_out *out;
	char **names;
	float *buf;
	size_t n;
};

static int put(void *arg, size_t i, struct et_writer *w)
{
	struct dump *d = arg;
	const struct et_param *p = d->entries[i].p;
	const float *v = d->entries[i].moment == 0   ? p->value
			 : d->entries[i].moment == 1 ? p->m1
						     : p->m2;

	if (p->kind == ET_PARAM_COUNTER) {
		et_writer_put(w, &p->counter, sizeof(p->counter));
	} else if (p->kind == ET_PARAM_WEIGHT) {
		et_conv_to_torch(p->geo, v, d->buf);
		et_writer_put(w, d->buf, p->count * sizeof(float));
	} else {
		et_writer_put(w, v, p->count * sizeof(float));
	}
	return ET_OK;
}

static void dump_free(struct dump *d)
{
	for (size_t i = 0; d->names && i < d->n; i++)
		free(d->names[i]);
	free(d->names);
	free(d->entries);
	free(d->out);
	free(d->buf);
}

static bool dump_add(struct dump *d, const struct et_param *p, int moment)
{
	char *name = moment ? et_asprintf("%s.m%d", p->name, moment) : et_strdup(p->name);
	struct et_st_out *o = &d->out[d->n];

	if (!name)
		return false;
	d->names[d->n] = name;
	d->entries[d->n] = (struct entry){p, moment};
	*o = (struct et_st_out){.name = name,
				.dtype = p->kind == ET_PARAM_COUNTER ? ET_I64 : ET_F32,
				.rank = p->rank};
	memcpy(o->shape, p->shape, sizeof(p->shape));
	d->n++;
	return true;
}

int et_net_write(const struct et_net *net, struct et_writer *w, bool moments,
		 const char *const *meta, size_t n_meta, struct et_err *err)
{
	size_t cap = 2 * (size_t)net->n_params + 1, largest = 1;
	struct dump d = {0};
	bool ok = true;

	for (int i = 0; i < net->n_params; i++)
		largest = et_max(largest, net->params[i].count);
	d.entries = et_calloc(cap, sizeof(*d.entries));
	d.out = et_calloc(cap, sizeof(*d.out));
	d.names = et_calloc(cap, sizeof(*d.names));
	d.buf = et_calloc(largest, sizeof(float));
	ok = d.entries && d.out && d.names && d.buf;
	for (int i = 0; ok && i < net->n_params; i++) {
		const struct et_param *p = &net->params[i];
		if (!moments)
			ok = dump_add(&d, p, 0);
		else
			ok = (!p->m1 || dump_add(&d, p, 1)) && (!p->m2 || dump_add(&d, p, 2));
	}
	int status = ok ? et_st_write(w, d.out, d.n, meta, n_meta, put, &d, err)
			: et_fail(err, ET_ENOMEM, "out of memory");
	dump_free(&d);
	return status;
}

void et_param_grad_torch(const struct et_param *p, float *out)
{
	if (p->kind != ET_PARAM_WEIGHT) {
		memcpy(out, p->grad, p->count * sizeof(float));
		return;
	}
	if (p->taps == 1) {
		et_conv_to_torch(p->geo, p->grad, out);
		return;
	}
	/* Without the taps both layouts have the same order, of a depthwise kernel too. */
	for (size_t i = 0; i < et_param_grads(p); i++)
		for (size_t t = 0; t < p->taps; t++)
			out[i * p->taps + t] = p->grad[i];
}

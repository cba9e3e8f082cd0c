/* Weights and optimizer state in safetensors files, under PyTorch's names and in its layout. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/net.h"

/* ---- writing --------------------------------------------------------------------------------- */

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

/* ---- reading --------------------------------------------------------------------------------- */

/* A name without the prefixes that wrappers add. */
static const char *bare(const char *name)
{
	static const char *const prefixes[] = {"module.", "model.", "backbone.", "_orig_mod."};

	for (size_t i = 0; i < ET_COUNT(prefixes);) {
		size_t n = strlen(prefixes[i]);
		if (strncmp(name, prefixes[i], n) == 0) {
			name += n;
			i = 0;
		} else {
			i++;
		}
	}
	return name;
}

/* The tensor of the file that a parameter is read from. */
static const struct et_st_tensor *source(const struct et_st *st, const char *name, bool strict)
{
	const struct et_st_tensor *t = et_st_find(st, name);
	for (size_t i = 0; !strict && !t && i < st->n; i++)
		if (strcmp(bare(st->tensors[i].name), name) == 0)
			t = &st->tensors[i];
	return t;
}

static bool same_shape(const struct et_param *p, const struct et_st_tensor *t)
{
	if (t->rank != p->rank)
		return false;
	for (int i = 0; i < p->rank; i++)
		if (t->shape[i] != p->shape[i])
			return false;
	return true;
}

/* Names collected for one error line, the first few in full. */
struct list {
	char text[400];
	size_t count;
};

static void list_add(struct list *l, const char *fmt, const char *name, const char *a,
		     const char *b)
{
	size_t used = strlen(l->text);
	if (l->count++ < 5) {
		snprintf(l->text + used, sizeof(l->text) - used, "%s", l->count > 1 ? ", " : "");
		used = strlen(l->text);
		snprintf(l->text + used, sizeof(l->text) - used, fmt, name, a, b);
	} else if (l->count == 6) {
		snprintf(l->text + used, sizeof(l->text) - used, ", ...");
	}
}

static int read_tensor(struct et_param *p, const struct et_st *st, const struct et_st_tensor *t,
		       float *dst, struct et_err *err)
{
	if (p->kind != ET_PARAM_WEIGHT)
		return et_st_read_f32(st, t, dst, err);
	float *torch = et_calloc(p->count, sizeof(float));
	if (!torch)
		return et_fail(err, ET_ENOMEM, "out of memory");
	int status = et_st_read_f32(st, t, torch, err);
	if (!status)
		et_conv_from_torch(p->geo, torch, dst);
	free(torch);
	return status;
}

/* A last layer with another number of classes: its weight or bias in the file differs in the first
 * size only. */
static bool other_head(const struct et_net *net, const struct et_param *p,
		       const struct et_st_tensor *t)
{
	if (p->node != net->head || t->rank != p->rank || p->kind == ET_PARAM_COUNTER)
		return false;
	for (int i = 1; i < p->rank; i++)
		if (t->shape[i] != p->shape[i])
			return false;
	return true;
}

static int read_param(struct et_net *net, struct et_param *p, const struct et_st *st, bool strict,
		      char *dropped, struct list *missing, struct list *misfit, struct et_err *err)
{
	const struct et_st_tensor *t = source(st, p->name, strict);
	char want[128], found[128];

	if (!t) {
		if (p->kind != ET_PARAM_COUNTER || strict)
			list_add(missing, "%s%s%s", p->name, "", "");
		return ET_OK;
	}
	/* Files of 16-bit weights may hold the counter as another such number: it is of no use. */
	if (p->kind == ET_PARAM_COUNTER && t->dtype != ET_I64 && !strict)
		return ET_OK;
	if (p->kind == ET_PARAM_COUNTER && t->count == 1)
		return et_st_read_i64(st, t, &p->counter, err);
	if (p->kind != ET_PARAM_COUNTER && same_shape(p, t))
		return read_tensor(p, st, t, p->value, err);
	if (!strict && other_head(net, p, t)) {
		if (!*dropped) /* the weight, which comes before the bias */
			snprintf(dropped, 256, "%s: %s in the file, %s here",
				 net->nodes[p->node].name,
				 et_st_shape_text(t->rank, t->shape, found),
				 et_st_shape_text(p->rank, p->shape, want));
		return ET_OK;
	}
	list_add(misfit, "%s (expected %s, found %s)", p->name,
		 et_st_shape_text(p->rank, p->shape, want),
		 et_st_shape_text(t->rank, t->shape, found));
	return ET_OK;
}

static bool has_param(const struct et_net *net, const char *name)
{
	for (int i = 0; i < net->n_params; i++)
		if (strcmp(net->params[i].name, name) == 0)
			return true;
	return false;
}

/* Is a parameter read from t? Of two that stand for one, with and without a prefix, one is not. */
static bool wanted(const struct et_net *net, const struct et_st *st, const struct et_st_tensor *t,
		   bool strict)
{
	const char *name = bare(t->name);

	return has_param(net, t->name) ||
	       (!strict && has_param(net, name) && source(st, name, strict) == t);
}

int et_net_read(struct et_net *net, const struct et_st *st, bool strict, char dropped[256],
		struct et_err *err)
{
	struct list missing = {"", 0}, misfit = {"", 0}, unexpected = {"", 0};
	char ignored[256];

	if (!dropped)
		dropped = ignored;
	dropped[0] = 0;
	for (size_t i = 0; i < st->n; i++)
		if (!wanted(net, st, &st->tensors[i], strict))
			list_add(&unexpected, "%s%s%s", st->tensors[i].name, "", "");
	for (int i = 0; i < net->n_params; i++)
		ET_TRY(read_param(net, &net->params[i], st, strict, dropped, &missing, &misfit,
				  err));
	if (!missing.count && !misfit.count && !unexpected.count)
		return ET_OK;
	return et_fail(err, ET_EDATA, "%s: does not fit the network:%s%s%s%s%s%s", st->path,
		       missing.count ? " missing " : "", missing.text,
		       misfit.count ? (missing.count ? "; of another shape " : " of another shape ")
				    : "",
		       misfit.text,
		       unexpected.count
			       ? (missing.count || misfit.count ? "; unexpected " : " unexpected ")
			       : "",
		       unexpected.text);
}

int et_net_read_moments(struct et_net *net, const struct et_st *st, struct et_err *err)
{
	for (int i = 0; i < net->n_params; i++)
		for (int m = 1; m <= 2; m++) {
			struct et_param *p = &net->params[i];
			float *dst = m == 1 ? p->m1 : p->m2;
			if (!dst)
				continue;
			char *name = et_asprintf("%s.m%d", p->name, m);
			if (!name)
				return et_fail(err, ET_ENOMEM, "out of memory");
			const struct et_st_tensor *t = et_st_find(st, name);
			free(name);
			if (!t || !same_shape(p, t))
				return et_fail(err, ET_EDATA,
					       "%s: the state of the optimizer for %s is missing "
					       "or of another shape",
					       st->path, p->name);
			ET_TRY(read_tensor(p, st, t, dst, err));
		}
	return ET_OK;
}

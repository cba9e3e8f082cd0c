/* Weights and optimizer state from safetensors files: by name, checked before a number is read. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/types.h"
#include "net/weights.h"

/* ---- lists of names -------------------------------------------------------------------------- */

/* Appends to a text on the heap; a text that could not grow stays as it was. */
static void text_add(char **text, const char *sep, const char *add)
{
	char *longer = *text ? et_asprintf("%s%s%s", *text, sep, add) : et_strdup(add);

	if (!longer)
		return;
	free(*text);
	*text = longer;
}

static void list_add(struct et_name_list *l, const char *name)
{
	if (l->count++ < ET_NAMES_SHOWN)
		text_add(&l->first, ", ", name);
	else if (l->count == ET_NAMES_SHOWN + 1)
		text_add(&l->first, ", ", "...");
	text_add(&l->all, "\n", name);
}

static void list_free(struct et_name_list *l)
{
	free(l->first);
	free(l->all);
	*l = (struct et_name_list){0};
}

void et_match_free(struct et_match *m)
{
	list_free(&m->missing);
	list_free(&m->misfit);
	list_free(&m->unexpected);
}

/* ---- which tensor is which parameter --------------------------------------------------------- */

/* Where a parameter comes from: a tensor of its own, or a convolution with its batch norm. */
struct source {
	ptrdiff_t tensor; /* -1: from nowhere */
	bool folded;
	struct et_names_pair pair;
};

/* A file being matched with a network. */
struct reading {
	struct et_net *net;
	const struct et_st *st;
	enum et_read how;
	struct et_match *match;
	struct et_names names;
	struct source *source; /* [n_params] */
	bool *used;	       /* [st->n] */
	double eps;	       /* of batch norm that is folded */
};

static const struct et_st_tensor *at(const struct reading *r, ptrdiff_t i)
{
	return i < 0 ? NULL : &r->st->tensors[i];
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

static bool is_vector(const struct et_st_tensor *t, uint64_t n)
{
	return t->rank == 1 && t->shape[0] == n;
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

/* A convolution with a bias takes in the batch norm of its size behind it in the file, unless the
 * network has that itself. */
static void fold(struct reading *r, int node)
{
	const struct et_node *conv = &r->net->nodes[node];
	int weight = conv->param[ET_P_WEIGHT], bias = conv->param[ET_P_BIAS];
	struct et_names_pair pair;

	if (conv->type != &et_type_conv2d || weight < 0 || bias < 0 ||
	    !et_names_norm(&r->names, conv->name, &pair) ||
	    et_names_param(r->net, r->names.name[pair.gamma]))
		return;
	const struct et_param *w = &r->net->params[weight], *b = &r->net->params[bias];
	if (!same_shape(w, at(r, pair.weight)) || !is_vector(at(r, pair.gamma), b->count) ||
	    !is_vector(at(r, pair.beta), b->count) || !is_vector(at(r, pair.mean), b->count) ||
	    !is_vector(at(r, pair.var), b->count) ||
	    (pair.bias >= 0 && !is_vector(at(r, pair.bias), b->count)))
		return;
	const ptrdiff_t all[] = {pair.weight, pair.bias, pair.gamma,  pair.beta,
				 pair.mean,   pair.var,	 pair.tracked};
	for (size_t i = 0; i < ET_COUNT(all); i++)
		if (all[i] >= 0)
			r->used[all[i]] = true;
	r->source[weight] = r->source[bias] =
		(struct source){.tensor = pair.weight, .folded = true, .pair = pair};
	r->match->folded++;
}

static void add_misfit(struct reading *r, const struct et_param *p, const struct et_st_tensor *t)
{
	char want[128], found[128];
	char *line = et_asprintf("%s (expected %s, found %s)", p->name,
				 et_st_shape_text(p->rank, p->shape, want),
				 et_st_shape_text(t->rank, t->shape, found));

	list_add(&r->match->misfit, line ? line : p->name);
	free(line);
}

/* The classifier of other classes keeps its fresh values. */
static void drop(struct reading *r, const struct et_param *p, const struct et_st_tensor *t)
{
	char want[128], found[128];

	if (!*r->match->dropped) /* the weight, which comes before the bias */
		snprintf(r->match->dropped, sizeof(r->match->dropped),
			 "%s: %s in the file, %s here", r->net->nodes[p->node].name,
			 et_st_shape_text(t->rank, t->shape, found),
			 et_st_shape_text(p->rank, p->shape, want));
}

/* Finds the tensor of parameter i, or puts its name on a list. */
static void find_source(struct reading *r, int i)
{
	struct et_param *p = &r->net->params[i];
	struct source *s = &r->source[i];
	bool strict = r->how == ET_READ_STRICT, counter = p->kind == ET_PARAM_COUNTER;
	const struct et_st_tensor *exact = et_st_find(r->st, p->name);
	ptrdiff_t found = !strict ? et_names_find(&r->names, p->name)
			  : exact ? exact - r->st->tensors
				  : -1;
	const struct et_st_tensor *t = at(r, found);

	if (s->folded)
		return;
	if (!t) {
		if (!counter || strict)
			list_add(&r->match->missing, p->name);
		return;
	}
	r->used[found] = true;
	/* Files of 16-bit weights may hold the counter as another such number: it is of no use. */
	if (counter && t->dtype != ET_I64 && !strict)
		return;
	if (counter ? t->count == 1 : same_shape(p, t))
		s->tensor = found;
	else if (!strict && other_head(r->net, p, t))
		drop(r, p, t);
	else
		add_misfit(r, p, t);
}

static void find_sources(struct reading *r)
{
	for (int i = 0; i < r->net->n_params; i++)
		r->source[i] = (struct source){.tensor = -1};
	for (int i = 0; r->how != ET_READ_STRICT && i < r->net->n; i++)
		fold(r, i);
	for (int i = 0; i < r->net->n_params; i++)
		find_source(r, i);
	for (size_t i = 0; i < r->st->n; i++)
		if (!r->used[i])
			list_add(&r->match->unexpected, r->st->tensors[i].name);
}

/* ---- numbers --------------------------------------------------------------------------------- */

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

/* What batch norm makes of a convolution's filters and biases: w * scale and, in place of b,
 * beta + (b - mean) * scale, with scale = gamma / sqrt(var + eps). */
static void fold_numbers(size_t k, size_t inner, double eps, float *w, const float *b,
			 const float *const norm[4], float *bias)
{
	for (size_t i = 0; i < k; i++) {
		double scale = (double)norm[0][i] / sqrt((double)norm[3][i] + eps);
		for (size_t j = 0; j < inner; j++)
			w[i * inner + j] = (float)((double)w[i * inner + j] * scale);
		bias[i] = (float)((double)norm[1][i] +
				  ((b ? (double)b[i] : 0) - (double)norm[2][i]) * scale);
	}
}

static int read_folded(struct reading *r, const struct et_node *conv, struct et_err *err)
{
	struct et_param *w = &r->net->params[conv->param[ET_P_WEIGHT]],
			*b = &r->net->params[conv->param[ET_P_BIAS]];
	const struct et_names_pair *pair = &r->source[conv->param[ET_P_WEIGHT]].pair;
	const ptrdiff_t from[] = {pair->gamma, pair->beta, pair->mean, pair->var, pair->bias};
	size_t k = b->count;
	float *torch = et_calloc(w->count + 5 * k, sizeof(float)), *vector = torch + w->count;
	int status = torch ? et_st_read_f32(r->st, at(r, pair->weight), torch, err)
			   : et_fail(err, ET_ENOMEM, "out of memory");

	for (size_t i = 0; i < ET_COUNT(from) && !status; i++)
		if (from[i] >= 0)
			status = et_st_read_f32(r->st, at(r, from[i]), vector + i * k, err);
	if (!status) {
		const float *const norm[] = {vector, vector + k, vector + 2 * k, vector + 3 * k};
		fold_numbers(k, w->count / k, r->eps, torch,
			     pair->bias >= 0 ? vector + 4 * k : NULL, norm, b->value);
		et_conv_from_torch(w->geo, torch, w->value);
	}
	free(torch);
	return status;
}

static int read_numbers(struct reading *r, struct et_err *err)
{
	for (int i = 0; i < r->net->n_params; i++) {
		struct et_param *p = &r->net->params[i];
		const struct source *s = &r->source[i];
		if (s->tensor < 0)
			continue;
		if (p->kind == ET_PARAM_COUNTER)
			ET_TRY(et_st_read_i64(r->st, at(r, s->tensor), &p->counter, err));
		else if (!s->folded)
			ET_TRY(read_tensor(p, r->st, at(r, s->tensor), p->value, err));
		else if (p->kind == ET_PARAM_WEIGHT) /* its bias goes with it */
			ET_TRY(read_folded(r, &r->net->nodes[p->node], err));
		r->match->taken++;
	}
	return ET_OK;
}

/* ---- a file ---------------------------------------------------------------------------------- */

static int refuse(const struct reading *r, struct et_err *err)
{
	const struct {
		const char *what;
		const struct et_name_list *list;
	} part[] = {{" missing ", &r->match->missing},
		    {" of another shape ", &r->match->misfit},
		    {" unexpected ", &r->match->unexpected}};
	char text[900] = "";

	for (size_t i = 0; i < ET_COUNT(part); i++) {
		size_t used = strlen(text);
		if (part[i].list->count)
			snprintf(text + used, sizeof(text) - used, "%s%s%.280s", used ? ";" : "",
				 part[i].what, part[i].list->first ? part[i].list->first : "");
	}
	return et_fail(err, ET_EDATA, "%s: does not fit the network:%s", r->st->path, text);
}

static int read_matched(struct reading *r, struct et_err *err)
{
	struct et_match *m = r->match;
	bool fits = !m->missing.count && !m->misfit.count && !m->unexpected.count;

	if (!fits && r->how != ET_READ_PARTIAL)
		return refuse(r, err);
	ET_TRY(read_numbers(r, err));
	if (m->taken || r->how != ET_READ_PARTIAL || !r->net->n_params)
		return ET_OK;
	return fits ? et_fail(err, ET_EDATA, "%s: nothing of it fits the network", r->st->path)
		    : refuse(r, err);
}

int et_net_read(struct et_net *net, const struct et_st *st, enum et_read how, double eps,
		struct et_match *match, struct et_err *err)
{
	struct et_match own;
	struct reading r = {.net = net, .st = st, .how = how, .eps = eps};

	r.match = match ? match : &own;
	*r.match = (struct et_match){.taken = 0};
	ET_TRY(et_names_open(&r.names, net, st, err));
	r.match->renamed = r.names.renamed;
	r.source = et_calloc((size_t)net->n_params + 1, sizeof(*r.source));
	r.used = et_calloc(st->n + 1, sizeof(*r.used));
	int status = ET_ENOMEM;
	if (r.source && r.used) {
		find_sources(&r);
		status = read_matched(&r, err);
	} else {
		et_fail(err, ET_ENOMEM, "out of memory");
	}
	et_names_close(&r.names);
	free(r.source);
	free(r.used);
	if (!match)
		et_match_free(&own);
	return status;
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

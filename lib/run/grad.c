/* et_grad: loss and gradients of one batch, file to file. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/run.h"
#include "version.h"

struct job {
	struct et_session s;
	struct et_batch_file b;
	const struct et_grad *grad;
	float *logits; /* [n,classes,p,q] */
	float *one;    /* one parameter's gradient, of the largest */
	struct et_loss_sum sum;
	double norm; /* of the loss */
};

static struct et_shape logits_shape(const struct job *j)
{
	return j->s.spec.layers[j->s.spec.n - 1].out;
}

static size_t largest_param(const struct et_net *net)
{
	size_t largest = 1;

	for (int i = 0; i < net->n_params; i++)
		largest = et_max(largest, net->params[i].count);
	return largest;
}

/* ---- will it fit? ---------------------------------------------------------------------------- */

/* Most bytes at a time for a batch of n images out of b->n; m: those of the pass. */
static int plan(struct job *j, int n, struct et_memory *m, uint64_t *peak, struct et_err *err)
{
	uint64_t kept, loading;
	size_t logits = et_shape_count(logits_shape(j));

	ET_TRY(et_net_plan(&j->s.net, n, 0, 0, m, NULL, err));
	et_batch_file_bytes(&j->b, &kept, &loading);
	kept = kept / (uint64_t)j->b.n * (uint64_t)n;
	loading = loading / (uint64_t)j->b.n * (uint64_t)n;
	m->data = kept + (uint64_t)n * logits * sizeof(float);
	/* The buffer for one parameter serves in reading weights and in writing gradients. */
	m->checkpoint = largest_param(&j->s.net) * sizeof(float) + 2 * sizeof(struct et_writer);
	m->total += m->data + m->checkpoint;
	*peak = et_max(m->total, kept + loading) + et_machine_rss();
	return ET_OK;
}

/* The largest batch that fits; 0: none. */
static int largest_fit(struct job *j, uint64_t available)
{
	int low = 0, high = j->b.n - 1;

	while (low < high) {
		int mid = low + (high - low + 1) / 2;
		struct et_memory m;
		struct et_err ignored;
		uint64_t peak;
		/* What the program itself takes varies a little: the advice must hold next time. */
		if (plan(j, mid, &m, &peak, &ignored) == ET_OK && peak + (1u << 20) <= available)
			low = mid;
		else
			high = mid - 1;
	}
	return low;
}

static int fits(struct job *j, struct et_err *err)
{
	struct et_memory m;
	uint64_t peak, available = et_machine_memory(j->s.env);
	char need[32], have[32], weights[32], saved[32], act[32], data[32], advice[128];

	ET_TRY(plan(j, j->b.n, &m, &peak, err));
	if (!available || peak <= available)
		return ET_OK;
	int fit = largest_fit(j, available);
	if (fit)
		snprintf(advice, sizeof(advice), "the largest batch that fits has %d image%s", fit,
			 fit == 1 ? "" : "s");
	else
		snprintf(advice, sizeof(advice),
			 "not even one image fits: train fewer layers (--last K)");
	return et_fail(err, ET_EFIT,
		       "would not fit in memory: needs %s (weights and gradients %s, saved %s, "
		       "activations and work %s, data %s), available %s; %s",
		       et_human_bytes(peak, need), et_human_bytes(m.weights + m.gradients, weights),
		       et_human_bytes(m.saved, saved), et_human_bytes(m.activations + m.work, act),
		       et_human_bytes(m.data + m.checkpoint, data), et_human_bytes(available, have),
		       advice);
}

/* ---- opening --------------------------------------------------------------------------------- */

/* What is read must not be lost to what is written. */
static int check_out(const struct job *j, struct et_err *err)
{
	const struct et_grad *g = j->grad;
	const char *const read[] = {g->batch, g->spec, g->weights,
				    j->s.class_weight ? j->s.t.class_weights : NULL};

	for (size_t i = 0; i < ET_COUNT(read); i++)
		if (read[i] && et_path_same(read[i], g->out))
			return et_fail(err, ET_EUSAGE,
				       "--out %s: is %s, which would be overwritten: name another "
				       "file",
				       g->out, read[i]);
	return ET_OK;
}

static int open_job(struct job *j, struct et_err *err)
{
	const struct et_grad *g = j->grad;
	struct et_session *s = &j->s;

	if (!g->spec || !g->batch || !g->out)
		return et_fail(err, ET_EUSAGE, "gradients need a spec, a batch and --out");
	ET_TRY(et_spec_read(&s->spec, g->spec, err));
	if (g->classes)
		ET_TRY(et_spec_set_classes(&s->spec, g->classes, err));
	ET_TRY(et_batch_file_open(&j->b, g->batch, &s->spec, err));
	s->batch = j->b.n;
	s->has_init = g->weights != NULL;
	s->input_grad = g->input_grad;
	ET_TRY(et_session_net(s, s->spec.train, g->conf, err));
	ET_TRY(et_session_class_weights(s, err));
	ET_TRY(check_out(j, err));
	ET_TRY(fits(j, err));
	ET_TRY(et_batch_file_load(&j->b, &s->ctx, &s->spec, err));
	j->norm = et_loss_norm(&s->net.loss, j->b.rows, j->b.label);
	if (!(j->norm > 0))
		return et_fail(err, ET_EDATA,
			       "%s: tensor \"target\": the labels have no weight: all are ignored, "
			       "or of classes with weight 0",
			       g->batch);
	ET_TRY(et_net_alloc(&s->net, err));
	return g->weights ? et_session_load(s, g->weights, err) : et_session_start(s, NULL, err);
}

/* ---- the pass -------------------------------------------------------------------------------- */

static struct et_pass pass_of(const struct job *j)
{
	return (struct et_pass){
		.x = j->b.x, .n = j->b.n, .training = true, .seed = (uint64_t)j->s.t.seed};
}

static void run_pass(void *arg)
{
	struct job *j = arg;
	struct et_net *net = &j->s.net;
	struct et_pass pass = pass_of(j);
	struct et_shape out = logits_shape(j);

	et_net_zero_grad(net);
	/* Backward may use the memory of the logits. */
	et_flatten(&net->ctx, j->b.n, (size_t)out.h * (size_t)out.w, out.c,
		   et_net_forward(net, &pass), j->logits);
	et_net_loss(net, &pass, j->b.label, j->norm, true, &j->sum);
}

static int diverged(struct job *j, const char *what, struct et_err *err)
{
	struct et_pass pass = pass_of(j);
	char where[256] = "";
	bool found = et_net_find_nonfinite(&j->s.net, &pass, where, sizeof(where));

	return et_fail(err, ET_EDIVERGED, "%s is not finite%s%s; nothing was written", what,
		       found ? ": first found in " : "", where);
}

/* Adds v*v to *squares; false when something in v is not finite. */
static bool add_squares(const float *v, size_t n, double *squares)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)v[i] * (double)v[i];
	*squares += sum;
	return isfinite(sum);
}

/* Nothing that is NaN gets into a file; and the norm. */
static int check_results(struct job *j, struct et_grad_result *r, struct et_err *err)
{
	struct et_net *net = &j->s.net;
	double squares = 0, ignored = 0;
	char what[200];

	if (!isfinite((float)j->sum.loss))
		return diverged(j, "the loss", err);
	if (!add_squares(j->logits, (size_t)j->b.n * et_shape_count(logits_shape(j)), &ignored))
		return diverged(j, "a logit", err);
	for (int i = 0; i < net->n_params; i++) {
		const struct et_param *p = &net->params[i];
		if (!p->train)
			continue;
		et_param_grad_torch(p, j->one);
		r->trainable += p->count;
		if (!add_squares(j->one, p->count, &squares)) {
			snprintf(what, sizeof(what), "the gradient of %s", p->name);
			return diverged(j, what, err);
		}
	}
	const float *dx = et_net_input_grad(net);
	if (dx && !add_squares(dx, (size_t)j->b.input->count, &ignored))
		return diverged(j, "the gradient of the input", err);
	r->norm = sqrt(squares);
	return ET_OK;
}

/* ---- the file -------------------------------------------------------------------------------- */

/* The tensors of the file in the caller's order: loss, logits, input if wanted, parameters. */
struct sheet {
	struct job *j;
	struct et_st_out *out;
	const struct et_param **param; /* of each; NULL: one of the first */
	size_t n;
};

static int put(void *arg, size_t i, struct et_writer *w)
{
	struct sheet *f = arg;
	struct job *j = f->j;
	float loss = (float)j->sum.loss;

	if (f->param[i]) {
		et_param_grad_torch(f->param[i], j->one);
		et_writer_put(w, j->one, f->param[i]->count * sizeof(float));
	} else if (i == 0) {
		et_writer_put(w, &loss, sizeof(loss));
	} else if (i == 1) {
		et_writer_put(w, j->logits,
			      (size_t)j->b.n * et_shape_count(logits_shape(j)) * sizeof(float));
	} else {
		/* The pictures themselves are of no use any more. */
		struct et_shape in = j->s.spec.input;
		et_flatten(&j->s.net.ctx, j->b.n, (size_t)in.h * (size_t)in.w, in.c,
			   et_net_input_grad(&j->s.net), j->b.x);
		et_writer_put(w, j->b.x, (size_t)j->b.input->count * sizeof(float));
	}
	return ET_OK;
}

static void list_tensors(struct sheet *f)
{
	const struct job *j = f->j;
	const struct et_net *net = &j->s.net;
	struct et_shape out = logits_shape(j);
	uint64_t n = (uint64_t)j->b.n;

	f->out[f->n++] = (struct et_st_out){.name = "loss", .dtype = ET_F32};
	f->out[f->n++] =
		(struct et_st_out){.name = "logits",
				   .dtype = ET_F32,
				   .rank = out.h == 1 && out.w == 1 ? 2 : 4,
				   .shape = {n, (uint64_t)out.c, (uint64_t)out.h, (uint64_t)out.w}};
	if (et_net_input_grad(net)) {
		struct et_st_out *o = &f->out[f->n++];
		*o = (struct et_st_out){.name = "input", .dtype = ET_F32, .rank = 4};
		memcpy(o->shape, j->b.input->shape, sizeof(o->shape));
	}
	for (int i = 0; i < net->n_params; i++) {
		const struct et_param *p = &net->params[i];
		if (!p->train)
			continue;
		f->param[f->n] = p;
		f->out[f->n] =
			(struct et_st_out){.name = p->name, .dtype = ET_F32, .rank = p->rank};
		memcpy(f->out[f->n++].shape, p->shape, sizeof(p->shape));
	}
}

static int write_file(struct sheet *f, struct et_err *err)
{
	const struct et_session *s = &f->j->s;
	struct et_writer w;
	char seed[24];
	const char *const meta[] = {
		"format",  "pt",   "version", ET_VERSION, "mode",
		s->t.mode, "seed", seed,      "bn",	  s->net.frozen_bn ? "frozen" : "batch"};

	snprintf(seed, sizeof(seed), "%" PRId64, s->t.seed);
	ET_TRY(et_writer_open(&w, f->j->grad->out, err));
	int status = et_st_write(&w, f->out, f->n, meta, ET_COUNT(meta) / 2, put, f, err);
	if (!status)
		return et_writer_commit(&w, err);
	et_writer_abort(&w);
	return status;
}

static int write_gradients(struct job *j, struct et_err *err)
{
	size_t most = (size_t)j->s.net.n_params + 3;
	struct sheet f = {.j = j,
			  .out = et_calloc(most, sizeof(*f.out)),
			  .param = et_calloc(most, sizeof(*f.param))};
	int status = ET_OK;

	if (f.out && f.param) {
		list_tensors(&f);
		status = write_file(&f, err);
	} else {
		status = et_fail(err, ET_ENOMEM, "out of memory");
	}
	free(f.out);
	free(f.param);
	return status;
}

/* ---- et_grad --------------------------------------------------------------------------------- */

static int run_job(struct job *j, struct et_grad_result *r, struct et_err *err)
{
	ET_TRY(open_job(j, err));
	j->logits = et_calloc((size_t)j->b.n * et_shape_count(logits_shape(j)), sizeof(float));
	j->one = et_calloc(largest_param(&j->s.net), sizeof(float));
	if (!j->logits || !j->one)
		return et_fail(err, ET_ENOMEM, "out of memory");
	et_team_run(&j->s.net.ctx, run_pass, j);
	if (et_stopped(j->s.env))
		return et_fail(err, ET_ESTOP, "stopped; nothing was written");
	ET_TRY(check_results(j, r, err));
	r->images = j->b.n;
	r->loss = j->sum.loss;
	r->accuracy = j->sum.rows ? (double)j->sum.correct / (double)j->sum.rows : 0;
	r->frozen_batch_norm = j->s.net.frozen_bn;
	return write_gradients(j, err);
}

int et_grad(const struct et_env *env, const struct et_grad *grad, struct et_grad_result *result,
	    struct et_err *err)
{
	struct job j = {.s.env = env, .grad = grad};

	memset(result, 0, sizeof(*result));
	int status = run_job(&j, result, err);
	free(j.logits);
	free(j.one);
	et_batch_file_close(&j.b);
	et_session_close(&j.s);
	return status;
}

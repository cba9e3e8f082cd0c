/* et_export: a trained network as an ONNX file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "run/run.h"
#include "version.h"

struct job {
	struct et_session s;
	struct et_model_files f;
	const struct et_export *ask;
};

/* The weights, once, and one of them again while it is read or turned to PyTorch's layout. */
static int fits(struct job *j, struct et_err *err)
{
	struct et_session *s = &j->s;
	size_t largest = 1;
	uint64_t available = et_machine_memory(s->env);
	char need[32], have[32];

	ET_TRY(et_net_plan(&s->net, 0, 0, 0, NULL, NULL, err));
	for (int i = 0; i < s->net.n_params; i++)
		largest = et_max(largest, s->net.params[i].count);
	uint64_t peak = s->net.hold_bytes + largest * sizeof(float) + sizeof(struct et_writer) +
			et_machine_rss();
	if (!available || peak <= available)
		return ET_OK;
	return et_fail(err, ET_EFIT,
		       "would not fit in memory: needs %s, most of it for the weights; available "
		       "%s",
		       et_human_bytes(peak, need), et_human_bytes(available, have));
}

static int load(struct job *j, struct et_err *err)
{
	struct et_session *s = &j->s;

	ET_TRY(et_model_open(s, &j->ask->model, &j->f, err));
	ET_TRY(et_model_spares(&j->ask->model, &j->f, j->ask->out, err));
	ET_TRY(et_session_settings(s, s->is_run ? j->f.info.train : s->spec.train, NULL, err));
	/* Nothing trains and nothing runs: parameters are all that is wanted. */
	ET_TRY(et_net_build(&s->net, &s->spec, &s->ctx, err));
	ET_TRY(fits(j, err));
	ET_TRY(et_net_alloc(&s->net, err));
	return et_session_load(s, j->f.weights, err);
}

/* ---- what a user of the file must know ------------------------------------------------------- */

#define META_MAX 12

struct meta {
	const char *pair[2 * META_MAX];
	char *made[META_MAX]; /* values to be freed */
	size_t n;
	bool no_memory;
};

static void add(struct meta *m, const char *key, char *value)
{
	m->no_memory |= !value;
	m->made[m->n] = value;
	m->pair[2 * m->n] = key;
	m->pair[2 * m->n++ + 1] = value ? value : "";
}

/* "[0.485,0.456,0.406]" */
static char *numbers(const float *v, int n)
{
	char text[128];
	size_t at = 0;

	for (int i = 0; i < n; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%c%.9g", i ? ',' : '[',
				       (double)v[i]);
	snprintf(text + at, sizeof(text) - at, "]");
	return et_strdup(text);
}

static char *name_list(const char *const *names, int n)
{
	cJSON *list = cJSON_CreateStringArray(names, n);
	char *text = list ? cJSON_PrintUnformatted(list) : NULL, *own = NULL;

	if (text)
		own = et_strdup(text);
	cJSON_free(text);
	cJSON_Delete(list);
	return own;
}

static void describe(const struct job *j, struct meta *m)
{
	const struct et_spec *spec = &j->s.spec;

	add(m, "spec", et_strdup(spec->name));
	if (j->f.names)
		add(m, "classes", name_list(j->f.names, spec->classes));
	add(m, "input_height", et_asprintf("%d", spec->input.h));
	add(m, "input_width", et_asprintf("%d", spec->input.w));
	add(m, "colour", et_strdup(spec->input.c == 3 ? "RGB" : "grey"));
	add(m, "resize", et_strdup(spec->stretch ? "stretch" : "crop"));
	add(m, "crop_pct", et_asprintf("%.9g", spec->crop_pct));
	add(m, "mean", numbers(spec->mean, spec->input.c));
	add(m, "std", numbers(spec->std, spec->input.c));
	add(m, "input_range", et_strdup(j->ask->normalize ? "0-255" : "normalised"));
	add(m, "version", et_strdup(ET_VERSION));
}

/* ---- et_export ------------------------------------------------------------------------------- */

static int write_file(const struct job *j, struct meta *m, struct et_export_result *r,
		      struct et_err *err)
{
	const struct et_export *ask = j->ask;
	const struct et_onnx_form form = {.name = j->s.spec.name,
					  .version = ET_VERSION,
					  .fold = !ask->keep_batchnorm,
					  .clip = ask->clip,
					  .softmax = ask->softmax,
					  .mean = ask->normalize ? j->s.spec.mean : NULL,
					  .std = ask->normalize ? j->s.spec.std : NULL};
	struct et_writer w;

	ET_TRY(et_writer_open(&w, ask->out, err));
	int status = et_net_write_onnx(&j->s.net, &w, &form, m->pair, m->n, err);
	if (!status && et_stopped(j->s.env))
		status = et_fail(err, ET_ESTOP, "stopped; nothing was written");
	if (status) {
		et_writer_abort(&w);
		return status;
	}
	r->bytes = w.bytes;
	return et_writer_commit(&w, err);
}

static int run_job(struct job *j, struct et_export_result *r, struct et_err *err)
{
	struct meta m = {.n = 0};

	ET_TRY(load(j, err));
	r->opset = ET_ONNX_OPSET;
	for (int i = 0; i < j->s.net.n_params; i++)
		r->parameters += j->s.net.params[i].count;
	describe(j, &m);
	int status =
		m.no_memory ? et_fail(err, ET_ENOMEM, "out of memory") : write_file(j, &m, r, err);
	for (size_t i = 0; i < m.n; i++)
		free(m.made[i]);
	return status;
}

int et_export(const struct et_env *env, const struct et_export *ask,
	      struct et_export_result *result, struct et_err *err)
{
	struct job j = {.s.env = env, .ask = ask};

	memset(result, 0, sizeof(*result));
	int status = ask->model.model && ask->out
			     ? run_job(&j, result, err)
			     : et_fail(err, ET_EUSAGE, "an export needs a model and a file");
	et_model_close(&j.f);
	et_session_close(&j.s);
	return status;
}

/* et_import: others' weights under a network's own names, once and for all. */
#include <string.h>

#include "run/run.h"

/* The file OUT may be IN: it is replaced when all of it is written. */
static int write_weights(const struct et_net *net, const char *path, struct et_err *err)
{
	static const char *const meta[] = {"format", "pt"};
	struct et_writer w;

	ET_TRY(et_writer_open(&w, path, err));
	int status = et_net_write(net, &w, false, meta, ET_COUNT(meta) / 2, err);
	if (status) {
		et_writer_abort(&w);
		return status;
	}
	return et_writer_commit(&w, err);
}

static int import(struct et_session *s, const struct et_import *job, struct et_import_result *r,
		  struct et_err *err)
{
	struct et_plan plan;

	if (!job->spec || !job->in || !job->out)
		return et_fail(err, ET_EUSAGE,
			       "an import needs a file, a spec and a file to write");
	ET_TRY(et_spec_read(&s->spec, job->spec, err));
	if (job->classes)
		ET_TRY(et_spec_set_classes(&s->spec, job->classes, err));
	ET_TRY(et_session_net(s, s->spec.train, NULL, err));
	s->t.batch_size = 1;
	s->t.micro_batch = 0;
	ET_TRY(et_session_fits(s, false, &plan, err));
	ET_TRY(et_net_alloc(&s->net, err));
	ET_TRY(job->partial ? et_session_start(s, job->in, err) : et_session_load(s, job->in, err));
	ET_TRY(write_weights(&s->net, job->out, err));
	r->tensors = (uint64_t)s->net.n_params;
	r->parameters = plan.parameters;
	return ET_OK;
}

int et_import(const struct et_env *env, const struct et_import *job, struct et_import_result *r,
	      struct et_err *err)
{
	struct et_session s = {.env = env, .init_partial = job->partial};

	memset(r, 0, sizeof(*r));
	int status = import(&s, job, r, err);
	et_session_close(&s);
	return status;
}

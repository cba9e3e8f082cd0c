/* et_plan: what a run would need, before there is one. */
#include <string.h>

#include "run/estimate.h"

static int plan_session(struct et_session *s, const struct et_plan_request *request,
			struct et_plan *plan, struct et_err *err)
{
	s->caches = true;
	ET_TRY(et_spec_read(&s->spec, request->spec, err));
	if (request->classes)
		ET_TRY(et_spec_set_classes(&s->spec, request->classes, err));
	ET_TRY(et_session_net(s, s->spec.train, request->conf, err));
	if (request->data)
		ET_TRY(et_session_data(s, request->data, err));
	int status = et_session_fits(s, true, plan, err);
	if (status && status != ET_EFIT)
		return status;
	if (request->planned)
		request->planned(request->arg, plan);
	if (status || !request->estimate || request->steps < 1)
		return ET_OK; /* `fits` says so */
	return et_estimate_session(s, request, plan, err);
}

int et_plan(const struct et_env *env, const struct et_plan_request *request, struct et_plan *plan,
	    struct et_err *err)
{
	struct et_session s = {.env = env, .has_init = request->init};

	if (request->estimate)
		*request->estimate = et_estimate_none();
	int status = plan_session(&s, request, plan, err);

	et_session_close(&s);
	return status;
}

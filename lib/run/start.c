/* Weights to start from. */
#include "run/run.h"

static int load(struct et_session *s, const char *path, struct et_err *err)
{
	struct et_st st;
	char dropped[256];

	if (et_path_is_dir(path))
		return et_fail(err, ET_EUSAGE,
			       "--init %s: expected a file of weights, found a directory; a run is "
			       "continued with --resume %s",
			       path, path);
	ET_TRY(et_st_open(&st, path, err));
	int status = et_net_read(&s->net, &st, false, dropped, err);
	et_st_close(&st);
	if (!status && *dropped)
		et_log(s->env, ET_LOG_INFO,
		       "the classifier starts anew, its number of classes differs: %s", dropped);
	return status;
}

int et_session_start(struct et_session *s, const char *init, struct et_err *err)
{
	et_net_init(&s->net, (uint64_t)s->t.seed);
	return init ? load(s, init, err) : ET_OK;
}

void et_session_tell(const struct et_session *s, const struct et_env *env)
{
	int of, walks = et_net_walks(&s->net, &of);

	if (of)
		et_log(env, ET_LOG_INFO,
		       "interleaved: both gradients in one walk on %d of %d layers", walks, of);
}

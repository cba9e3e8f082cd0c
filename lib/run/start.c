/* Weights to start from, and what is said of them. */
#include <stdio.h>
#include <string.h>

#include "run/run.h"

#define BN_EPS 1e-5 /* PyTorch's; a file does not say its own */

#define WIDTH 96 /* of a line of names */

/* The next name of a list, or "bn1.{weight,bias}" for those of one layer in a row. */
static const char *next_group(const char *at, char *buf, size_t n)
{
	size_t length = strcspn(at, "\n"), stem = length;

	while (stem && at[stem - 1] != '.')
		stem--;
	snprintf(buf, n, "%.*s", (int)length, at);
	const char *next = at + length + (at[length] == '\n');
	bool more = stem && *next && strncmp(next, at, stem) == 0 &&
		    !memchr(next + stem, '.', strcspn(next + stem, "\n"));
	if (!more || memchr(at, ' ', length))
		return next;
	size_t used = (size_t)snprintf(buf, n, "%.*s{%.*s", (int)stem, at, (int)(length - stem),
				       at + stem);
	while (*next && strncmp(next, at, stem) == 0) {
		size_t leaf = strcspn(next + stem, "\n");
		if (memchr(next + stem, '.', leaf) || used + leaf + 3 > n)
			break;
		used += (size_t)snprintf(buf + used, n - used, ",%.*s", (int)leaf, next + stem);
		next += stem + leaf;
		next += *next == '\n';
	}
	snprintf(buf + used, n - used, "}");
	return next;
}

static void tell_list(const struct et_session *s, enum et_log_level level, const char *path,
		      const char *what, const struct et_name_list *l)
{
	char line[1000] = "", group[600];

	if (!l->count)
		return;
	et_log(s->env, level, "%s: %zu %s:", path, l->count, what);
	for (const char *at = l->all ? l->all : ""; *at;) {
		at = next_group(at, group, sizeof(group));
		size_t used = strlen(line);
		if (used && used + strlen(group) > WIDTH) {
			et_log(s->env, level, " %s", line);
			used = 0;
		}
		snprintf(line + used, sizeof(line) - used, " %s", group);
	}
	et_log(s->env, level, " %s", line);
}

/* What does not fit, by name: all of it where the network starts without it, or where the one line
 * of the error has not room for it. */
static void tell_misfits(const struct et_session *s, const char *path, const struct et_match *m,
			 bool refused)
{
	enum et_log_level level = refused ? ET_LOG_INFO : ET_LOG_WARNING;
	if (refused && et_max(m->missing.count, et_max(m->misfit.count, m->unexpected.count)) <=
			       ET_NAMES_SHOWN)
		return;
	tell_list(s, level, path, "missing", &m->missing);
	tell_list(s, level, path, "of another shape", &m->misfit);
	tell_list(s, level, path, "unexpected", &m->unexpected);
}

static void tell_match(const struct et_session *s, const char *path, const struct et_match *m)
{
	if (m->renamed)
		et_log(s->env, ET_LOG_INFO, "%s: names of %s", path, m->renamed);
	if (m->folded)
		et_log(s->env, ET_LOG_INFO,
		       "%s: batch norm folded into %zu convolutions, with eps %g", path, m->folded,
		       BN_EPS);
}

static int read_weights(struct et_session *s, const char *path, enum et_read how,
			struct et_match *match, struct et_err *err)
{
	struct et_st st;

	*match = (struct et_match){.taken = 0};
	ET_TRY(et_st_open(&st, path, err));
	int status = et_net_read(&s->net, &st, how, BN_EPS, match, err);
	et_st_close(&st);
	tell_misfits(s, path, match, status != ET_OK);
	if (!status)
		tell_match(s, path, match);
	return status;
}

int et_session_load(struct et_session *s, const char *path, struct et_err *err)
{
	struct et_match match;
	int status = read_weights(s, path, ET_READ_WHOLE, &match, err);

	if (!status && *match.dropped)
		status = et_fail(err, ET_EDATA,
				 "%s: the classifier has another number of classes: %s", path,
				 match.dropped);
	et_match_free(&match);
	return status;
}

/* Layers of batch norm that nothing was read for, and that go by their statistics all the same. */
static bool fresh_frozen_norms(const struct et_session *s, const struct et_match *match)
{
	return s->net.frozen_bn && match->missing.all && strstr(match->missing.all, "running_mean");
}

static int init_from(struct et_session *s, const char *path, struct et_err *err)
{
	struct et_match match;

	if (et_path_is_dir(path))
		return et_fail(err, ET_EUSAGE,
			       "--init %s: expected a file of weights, found a directory; a run is "
			       "continued with --resume %s",
			       path, path);
	int status = read_weights(s, path, s->init_partial ? ET_READ_PARTIAL : ET_READ_WHOLE,
				  &match, err);
	if (!status && *match.dropped)
		et_log(s->env, ET_LOG_INFO,
		       "the classifier starts anew, its number of classes differs: %s",
		       match.dropped);
	if (!status && fresh_frozen_norms(s, &match))
		et_log(s->env, ET_LOG_WARNING,
		       "batch norm that the file lacks is frozen with statistics 0 and 1; --bn "
		       "batch trains it by the batch");
	et_match_free(&match);
	return status;
}

int et_session_start(struct et_session *s, const char *init, struct et_err *err)
{
	et_net_init(&s->net, (uint64_t)s->t.seed);
	return init ? init_from(s, init, err) : ET_OK;
}

void et_session_tell(const struct et_session *s, const struct et_env *env)
{
	int of, walks = et_net_walks(&s->net, &of);

	if (of)
		et_log(env, ET_LOG_INFO,
		       "interleaved: both gradients in one walk on %d of %d layers", walks, of);
}

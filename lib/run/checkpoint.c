/*
 * Checkpoints. The state names the CRC-32 and length of its model. Order of a write:
 *   1. state.next.safetensors, durable      2. model.safetensors replaced      3. state.next
 * renamed to state. A crash before 2 leaves the old pair (and a state.next that fits no model); one
 * between 2 and 3 leaves the new model and the state.next that names it. Reading puts either right.
 * The old pair gets its other name (kept.c) before 2.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run/checkpoint.h"

#define NEXT "state.next.safetensors"

/* Writes a file of weights or moments up to the sync, not yet in its place. */
static int write_synced(const struct et_net *net, struct et_writer *w, const char *path,
			bool moments, const char *const *meta, size_t n_meta, struct et_err *err)
{
	ET_TRY(et_writer_open(w, path, err));
	int status = et_net_write(net, w, moments, meta, n_meta, err);
	if (!status)
		status = et_writer_sync(w, err);
	if (status)
		et_writer_abort(w);
	return status;
}

/* The model's metadata: nothing but what an undisturbed run would write as well. */
struct model_meta {
	char step[24], epoch[24];
	const char *pairs[6];
};

static void model_meta(struct model_meta *m, const struct et_state *s)
{
	snprintf(m->step, sizeof(m->step), "%" PRIu64, s->step);
	snprintf(m->epoch, sizeof(m->epoch), "%" PRIu64, s->epoch);
	m->pairs[0] = "format";
	m->pairs[1] = "pt";
	m->pairs[2] = "step";
	m->pairs[3] = m->step;
	m->pairs[4] = "epoch";
	m->pairs[5] = m->epoch;
}

int et_checkpoint_best(const struct et_net *net, const struct et_state *state, const char *dir,
		       struct et_err *err)
{
	struct et_writer w;
	struct model_meta meta;
	char *path = et_path_join(dir, ET_BEST_FILE);

	if (!path)
		return et_fail(err, ET_ENOMEM, "out of memory");
	model_meta(&meta, state);
	int status = write_synced(net, &w, path, false, meta.pairs, 3, err);
	if (!status)
		status = et_writer_commit(&w, err);
	free(path);
	return status;
}

/* ---- writing --------------------------------------------------------------------------------- */

struct paths {
	char *model, *state, *next;
};

static bool paths_open(struct paths *p, const char *dir)
{
	p->model = et_path_join(dir, ET_MODEL_FILE);
	p->state = et_path_join(dir, ET_STATE_FILE);
	p->next = et_path_join(dir, NEXT);
	return p->model && p->state && p->next;
}

static void paths_close(struct paths *p)
{
	free(p->model);
	free(p->state);
	free(p->next);
}

/* The pair that is about to be replaced stays under another name. */
static int keep_latest(struct et_checkpoints *c, struct et_err *err)
{
	if (c->keep < 2 || !c->has)
		return ET_OK;
	int status = et_kept_add(c->dir, c->step, err);
	if (status != ET_ECREATE)
		return status;
	if (!c->warned)
		et_log(c->env, ET_LOG_WARNING, "%s: earlier checkpoints cannot be kept", err->text);
	c->warned = true;
	return ET_OK;
}

/* Both files are on the disk under temporary names: the moment of the exchange. */
static int exchange(struct et_checkpoints *c, const struct paths *p, struct et_writer *model,
		    struct et_err *err)
{
	int status = keep_latest(c, err);

	if (!status)
		status = et_writer_commit(model, err);
	else
		et_writer_abort(model);
	if (!status && rename(p->next, p->state) < 0)
		return et_fail(err, ET_EIO, "%s: cannot rename to %s: %s", p->next, p->state,
			       strerror(errno));
	if (status && c->has)
		et_kept_undo(c->dir, c->step);
	return status;
}

static int replace_pair(struct et_checkpoints *c, const struct et_net *net,
			const struct et_state *state, const struct paths *p, struct et_err *err)
{
	struct et_writer wm, ws;
	struct model_meta mm;
	struct et_state_meta sm;

	model_meta(&mm, state);
	ET_TRY(write_synced(net, &wm, p->model, false, mm.pairs, 3, err));
	int status = et_state_meta(&sm, net, state, wm.crc, wm.bytes, err);
	if (!status)
		status = write_synced(net, &ws, p->next, true, sm.pairs, ET_STATE_TEXTS, err);
	if (!status)
		status = et_writer_commit(&ws, err);
	if (status) {
		et_writer_abort(&wm);
		unlink(p->next);
		return status;
	}
	return exchange(c, p, &wm, err);
}

int et_checkpoint_write(struct et_checkpoints *c, const struct et_net *net,
			const struct et_state *state, struct et_err *err)
{
	struct paths p;
	int status = paths_open(&p, c->dir) ? replace_pair(c, net, state, &p, err)
					    : et_fail(err, ET_ENOMEM, "out of memory");
	paths_close(&p);
	if (status)
		return status;
	c->has = true;
	c->step = state->step;
	et_kept_prune(c->dir, c->step, c->keep > 1 ? (size_t)c->keep - 1 : 0);
	return ET_OK;
}

int et_checkpoint_bytes(const struct et_net *net, const struct et_state *state, uint64_t *model,
			uint64_t *moments, struct et_err *err)
{
	struct et_writer w;
	struct model_meta mm;
	struct et_state_meta sm;

	model_meta(&mm, state);
	et_writer_count(&w);
	ET_TRY(et_net_write(net, &w, false, mm.pairs, 3, err));
	*model = w.bytes;
	ET_TRY(et_state_meta(&sm, net, state, UINT32_MAX, w.bytes, err));
	*moments = sm.bytes;
	return ET_OK;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Does the state at path name this model? */
static bool belongs(const char *path, uint32_t crc, uint64_t bytes)
{
	struct et_st st;
	struct et_err ignored;
	char want_crc[16], want_bytes[24];
	bool yes = false;

	if (!et_path_exists(path) || et_st_open(&st, path, &ignored))
		return false;
	snprintf(want_crc, sizeof(want_crc), "%" PRIu32, crc);
	snprintf(want_bytes, sizeof(want_bytes), "%" PRIu64, bytes);
	const char *c = et_st_meta(&st, "model_crc32"), *b = et_st_meta(&st, "model_bytes");
	yes = c && b && strcmp(c, want_crc) == 0 && strcmp(b, want_bytes) == 0;
	et_st_close(&st);
	return yes;
}

static int read_state(struct et_net *net, struct et_state *state, const char *path,
		      struct et_err *err)
{
	struct et_st st;

	ET_TRY(et_st_open(&st, path, err));
	int status = et_state_parse(&st, state, err);
	if (!status)
		status = et_net_read_moments(net, &st, err);
	et_st_close(&st);
	return status;
}

/* Both files, once it is sure that they are one unit; next may be NULL: there is none. */
static int read_files(struct et_net *net, struct et_state *state, const char *model,
		      const char *state_path, const char *next, struct et_err *err)
{
	struct et_state found = *state;
	struct et_st st;
	uint32_t crc;

	ET_TRY(et_st_open(&st, model, err));
	int status = et_st_crc(&st, &crc, err);
	if (!status && next && belongs(next, crc, st.bytes)) {
		if (rename(next, state_path) < 0)
			status = et_fail(err, ET_EIO, "%s: cannot rename: %s", next,
					 strerror(errno));
	} else if (!status && !belongs(state_path, crc, st.bytes)) {
		status = et_fail(err, ET_EDATA,
				 "%s does not belong to %s: one of them was changed or damaged",
				 state_path, model);
	}
	if (!status)
		status = et_net_read(net, &st, ET_READ_STRICT, 0, NULL, err);
	et_st_close(&st);
	if (!status)
		status = read_state(net, &found, state_path, err);
	if (!status)
		*state = found;
	return status;
}

/* Is the file to blame, and not this machine? */
static bool damage(int status)
{
	return status == ET_EDATA || status == ET_EIO || status == ET_ENOINPUT;
}

/* The newest pair that is whole among those that were kept; 0: there is none. */
static int fall_back(struct et_checkpoints *c, struct et_net *net, struct et_state *state,
		     struct et_err *err)
{
	struct et_kept list[ET_KEPT_MAX];
	size_t n = et_kept_list(c->dir, list, ET_COUNT(list));
	struct et_err why;

	for (size_t i = 0; i < n; i++) {
		/* Half of a pair that was to be moved may still be where it was. */
		char *path[ET_PARTS] = {list[i].has[ET_PART_MODEL]
						? et_kept_path(c->dir, list[i].step, ET_PART_MODEL)
						: et_path_join(c->dir, ET_MODEL_FILE),
					list[i].has[ET_PART_STATE]
						? et_kept_path(c->dir, list[i].step, ET_PART_STATE)
						: et_path_join(c->dir, ET_STATE_FILE)};
		int status = path[0] && path[1]
				     ? read_files(net, state, path[0], path[1], NULL, &why)
				     : et_fail(&why, ET_ENOMEM, "out of memory");
		free(path[0]);
		free(path[1]);
		if (status && !damage(status))
			return et_fail(err, status, "%s", why.text);
		if (status) {
			et_log(c->env, ET_LOG_WARNING, "%s", why.text);
			continue;
		}
		ET_TRY(et_kept_restore(c->dir, &list[i], err));
		return 1;
	}
	return 0;
}

static int read_latest(struct et_checkpoints *c, struct et_net *net, struct et_state *state,
		       const struct paths *p, struct et_err *err)
{
	struct et_err why;
	int status;

	/* Killed before the first checkpoint was complete: a lone state.next is of no use. */
	bool none = !et_path_exists(p->model) && !et_path_exists(p->state);
	if (none)
		status = et_fail(&why, ET_ENOINPUT, "%s: there is neither %s nor %s", c->dir,
				 ET_MODEL_FILE, ET_STATE_FILE);
	else
		status = read_files(net, state, p->model, p->state, p->next, &why);
	int found = !status ? 1 : damage(status) ? fall_back(c, net, state, err) : 0;
	ET_TRY(found);
	if (status && found)
		et_log(c->env, ET_LOG_WARNING,
		       "%s; going on from step %" PRIu64 ", the last checkpoint that is whole",
		       why.text, state->step);
	if (!found && !none)
		return et_fail(err, status, "%s%s", why.text,
			       status == ET_EDATA ? "; no earlier checkpoint is whole; the weights "
						    "alone can start a new run with --init"
						  : "");
	if (found && et_path_exists(p->next))
		unlink(p->next);
	return found;
}

int et_checkpoint_read(struct et_checkpoints *c, struct et_net *net, struct et_state *state,
		       struct et_err *err)
{
	struct paths p;
	int status = paths_open(&p, c->dir) ? read_latest(c, net, state, &p, err)
					    : et_fail(err, ET_ENOMEM, "out of memory");
	paths_close(&p);
	c->has = status == 1;
	c->step = state->step;
	return status;
}

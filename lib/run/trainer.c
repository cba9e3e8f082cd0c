/* The course of a run: epochs, evaluation, checkpoints. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "run/trainer.h"

#define RATE_WINDOW 2.0 /* seconds over which images/s are measured */

static double mean_loss(const struct et_state *st)
{
	return st->labels ? st->loss_sum / (double)st->labels : NAN;
}

static double mean_accuracy(const struct et_state *st)
{
	return st->labels ? (double)st->correct / (double)st->labels : NAN;
}

void et_trainer_report(struct et_trainer *t)
{
	struct et_progress *p = &t->p;
	const struct et_state *st = &t->state;
	double now = et_now();

	if (now - t->rate_at >= RATE_WINDOW || p->images_per_s <= 0) {
		if (t->rate_at > 0 && now > t->rate_at)
			p->images_per_s =
				(double)(t->images_here - t->rate_images) / (now - t->rate_at);
		t->rate_at = now;
		t->rate_images = t->images_here;
	}
	p->step = st->step;
	p->steps = t->per_epoch * (uint64_t)t->s->t.epochs;
	p->epoch = st->epoch + 1;
	p->epochs = (uint64_t)t->s->t.epochs;
	p->batch = st->batch;
	p->batches = t->per_epoch;
	p->loss = mean_loss(st);
	p->accuracy = mean_accuracy(st);
	uint64_t done = st->epoch * t->per_epoch + st->batch, all = p->steps;
	p->eta_s = t->step_s > 0
			   ? (double)(all - done) * t->step_s +
				     (double)((uint64_t)t->s->t.epochs - st->epoch) * t->eval_s
			   : -1;
	et_trainer_tell(t, ET_PHASE_TRAIN);
}

/* The time that it takes is of the phase that it names; training goes on. */
static int save(struct et_trainer *t, struct et_err *err)
{
	ET_TRY(et_watch_phase(&t->watch, ET_PHASE_SAVE, &t->steps, err));
	et_trainer_tell(t, ET_PHASE_SAVE);
	double begun = et_now();
	ET_TRY(et_csv_sync(&t->steps, err));
	ET_TRY(et_csv_sync(&t->epochs, err));
	ET_TRY(et_watch_sync(&t->watch, err));
	ET_TRY(et_checkpoint_write(&t->saved, &t->s->net, &t->state, err));
	t->save_s = et_now() - begun;
	return et_watch_phase(&t->watch, ET_PHASE_TRAIN, &t->steps, err);
}

/* What ended this call, and how it goes on. */
static void tell_stop(const struct et_trainer *t)
{
	const struct et_state *st = &t->state;

	et_log(t->s->env, ET_LOG_INFO,
	       "stopped by --%s at step %" PRIu64 ", in epoch %" PRIu64 " of %d; continue with "
	       "--resume %s",
	       t->stopped_by, st->step, st->epoch + 1, t->s->t.epochs, t->dir);
}

/* Would more work of that length exceed what this call may use? Without a step none is left out. */
static bool over(struct et_trainer *t, double more_s)
{
	double watts = t->watch.call_metered_s > 0 ? t->watch.call_j / t->watch.call_metered_s : 0;

	if (t->steps_here && !t->stopped_by)
		t->stopped_by = et_limits_exceeded(&t->limits, more_s + t->save_s,
						   et_watch_spent(&t->watch), more_s * watts);
	return t->stopped_by;
}

/* Asked to stop: save where we are, then say so. */
static int stop_here(struct et_trainer *t, struct et_err *err)
{
	ET_TRY(save(t, err));
	return et_fail(err, ET_ESTOP, "stopped at step %" PRIu64 "; continue with --resume %s",
		       t->state.step, t->dir);
}

static int train_epoch(struct et_trainer *t, struct et_err *err)
{
	struct et_state *st = &t->state;
	const struct et_batch *b;
	double begun = et_now(), waited = begun;
	int got = et_loader_start(t->train, st->epoch, st->batch, err);

	while (!got && st->batch < t->per_epoch && (got = et_loader_next(t->train, &b, err)) == 1) {
		if (b->dropped)
			got = et_trainer_skip(t, err);
		else
			got = et_step_too_small(t->s, b)
				      ? ET_OK
				      : et_trainer_step(t, b, et_now() - waited, err);
		st->skipped += b->skipped;
		st->batch++;
		et_loader_done(t->train, b);
		if (got)
			break;
		et_trainer_report(t);
		double pauses = t->paused_s;
		got = et_trainer_cool(t, err);
		begun += t->paused_s - pauses;
		bool due = t->s->t.save_steps && st->batch % (uint64_t)t->s->t.save_steps == 0;
		if (!got && (due || et_stopped(t->s->env) || over(t, t->step_s))) {
			st->seconds += et_now() - begun;
			begun = et_now();
			got = et_stopped(t->s->env) ? stop_here(t, err) : save(t, err);
		}
		if (t->stopped_by)
			break;
		waited = et_now();
	}
	st->seconds += et_now() - begun;
	if (got == ET_ESTOP && et_stopped(t->s->env) && st->batch < t->per_epoch)
		return stop_here(t, err);
	return got;
}

/* After each batch of an evaluation. */
static void evaluating(void *arg, const struct et_progress *p)
{
	struct et_trainer *t = arg;
	(void)p; /* it is the trainer's own */

	et_trainer_tell(t, ET_PHASE_EVAL);
	if (!t->watched)
		t->watched = et_watch_tick(&t->watch, &t->watch_err);
	if (!t->watched)
		t->watched = et_trainer_cool(t, &t->watch_err);
}

static int evaluate(struct et_trainer *t, struct et_epoch *e, struct et_err *err)
{
	struct et_score score = {.confusion = t->confusion};
	int k = t->s->spec.classes;
	double begun = et_now(), pauses = t->paused_s;

	e->val_loss = e->val_accuracy = e->val_miou = NAN;
	if (t->confusion)
		memset(t->confusion, 0, (size_t)k * (size_t)k * sizeof(*t->confusion));
	for (int i = 0; t->iou && i < k; i++)
		t->iou[i] = NAN;
	if (!t->val)
		return ET_OK;
	ET_TRY(et_watch_phase(&t->watch, ET_PHASE_EVAL, &t->steps, err));
	t->watched = ET_OK;
	int status = et_evaluate(t->s, t->val, &score, evaluating, t, &t->p, err);
	if (!status && t->watched)
		status = et_fail(err, t->watched, "%s", t->watch_err.text);
	if (status == ET_ESTOP)
		return stop_here(t, err);
	ET_TRY(status);
	t->eval_s = et_now() - begun - (t->paused_s - pauses);
	e->val_loss = score.loss;
	e->val_accuracy = score.accuracy;
	if (t->confusion)
		e->val_miou = et_iou(t->confusion, k, t->iou);
	t->state.skipped += score.skipped;
	return ET_OK;
}

/* What segmentation has more: mean IoU, and that of each class; into t->cells. */
static const char *iou_cells(struct et_trainer *t, const struct et_epoch *e)
{
	char cell[32], *at = t->cells;

	if (!t->cells)
		return "";
	at += sprintf(at, ",%s", et_csv_cell("%.7g", e->val_miou, cell));
	for (int i = 0; i < t->s->spec.classes; i++)
		at += sprintf(at, ",%s", et_csv_cell("%.7g", t->iou[i], cell));
	return t->cells;
}

static int write_epoch(struct et_trainer *t, const struct et_epoch *e, const char *energy,
		       struct et_err *err)
{
	char c[5][32];

	return et_csv_row(
		&t->epochs, err, "%" PRIu64 ",%s,%s,%s,%s,%s,%.3f,%.1f,%" PRIu64 "%s%s", e->epoch,
		et_csv_cell("%.7g", e->loss, c[0]), et_csv_cell("%.7g", e->accuracy, c[1]),
		et_csv_cell("%.7g", e->val_loss, c[2]), et_csv_cell("%.7g", e->val_accuracy, c[3]),
		et_csv_cell("%.7g", e->lr, c[4]), e->seconds, e->images_per_s, e->skipped,
		iou_cells(t, e), energy);
}

static int finish_epoch(struct et_trainer *t, struct et_err *err)
{
	struct et_state *st = &t->state;
	struct et_epoch e = {.epoch = st->epoch + 1, .seconds = st->seconds};
	char energy[256];

	ET_TRY(evaluate(t, &e, err));
	ET_TRY(et_watch_phase(&t->watch, ET_PHASE_SAVE, &t->steps, err));
	e.loss = mean_loss(st);
	e.accuracy = mean_accuracy(st);
	e.skipped = st->skipped;
	uint64_t clock = et_trainer_clock(t);
	e.lr = clock ? et_train_lr(&t->s->t, clock - 1, t->per_epoch) : NAN;
	e.images_per_s = st->seconds > 0 ? (double)st->images / st->seconds : NAN;
	et_watch_epoch(&t->watch, &e, energy, sizeof(energy));
	ET_TRY(write_epoch(t, &e, energy, err));

	double judged = !t->val ? e.accuracy : t->confusion ? e.val_miou : e.val_accuracy;
	e.best = st->best_epoch == 0 || judged > st->best_accuracy;
	st->epoch++;
	st->batch = 0;
	st->last_loss = e.loss;
	st->last_accuracy = e.accuracy;
	st->last_val_loss = e.val_loss;
	st->last_val_accuracy = e.val_accuracy;
	st->last_val_miou = e.val_miou;
	st->all_skipped += st->skipped;
	st->loss_sum = st->seconds = 0;
	st->correct = st->images = st->labels = st->skipped = 0;
	st->total_s = st->metered_s = st->energy_j = st->work_j = st->pause_s = 0;
	st->work_images = st->pauses = 0;
	st->throttled_s = NAN;
	if (e.best) {
		st->best_accuracy = judged;
		st->best_epoch = e.epoch;
		ET_TRY(et_checkpoint_best(&t->s->net, st, t->dir, err));
	}
	ET_TRY(save(t, err));
	if (t->fit->epoch)
		t->fit->epoch(t->fit->arg, &e);
	return ET_OK;
}

static int run_epochs(struct et_trainer *t, struct et_err *err)
{
	t->p.eta_s = -1;
	while (t->state.epoch < (uint64_t)t->s->t.epochs) {
		ET_TRY(train_epoch(t, err));
		if (t->stopped_by)
			return ET_OK;
		if (over(t, t->eval_s))
			return save(t, err);
		ET_TRY(finish_epoch(t, err));
		if (t->state.epoch < (uint64_t)t->s->t.epochs && over(t, t->step_s))
			return ET_OK;
		if (et_stopped(t->s->env) && t->state.epoch < (uint64_t)t->s->t.epochs)
			return stop_here(t, err);
	}
	return ET_OK;
}

struct course {
	struct et_trainer *t;
	struct et_err *err;
	int status;
};

static void run_course(void *arg)
{
	struct course *c = arg;
	c->status = run_epochs(c->t, c->err);
	if (!c->status && c->t->stopped_by)
		tell_stop(c->t);
}

int et_trainer_run(struct et_trainer *t, struct et_err *err)
{
	/*
	 * One team for the whole course: its threads sleep soon where there is nothing to do,
	 * whereas OpenMP's own, between two parallel regions, keep a processor busy that the
	 * decoding threads could use.
	 */
	struct course c = {.t = t, .err = err};
	et_team_run(&t->s->net.ctx, run_course, &c);
	return c.status;
}

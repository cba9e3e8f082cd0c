/* One step of a run: its row, and what is said when it diverges. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "run/trainer.h"

/* Says where it went wrong: step, layer, the files of the batch, and what is left. */
static int diverged(struct et_trainer *t, const struct et_batch *b, const struct et_step *step,
		    struct et_err *err)
{
	char where[256], files[400] = "", name[200];
	size_t shown = 0;

	et_step_blame(t->s, step, where, sizeof(where));
	for (size_t i = 0; i < b->n; i++) {
		size_t used = strlen(files);
		et_dataset_item_name(t->s->ds, ET_SPLIT_TRAIN, b->sample[i], name, sizeof(name));
		if (used + strlen(name) + 24 > sizeof(files) || shown == 4)
			break;
		snprintf(files + used, sizeof(files) - used, "%s%s", shown++ ? ", " : "", name);
	}
	char more[40] = "";
	if (shown < b->n)
		snprintf(more, sizeof(more), " and %zu more", b->n - shown);
	return et_fail(err, ET_EDIVERGED,
		       "step %" PRIu64 " (epoch %" PRIu64
		       "): %s; first found in %s; batch of %s%s; the last checkpoint in %s "
		       "is unharmed: try a lower --lr or --clip-norm",
		       t->state.step + 1, t->state.epoch + 1, step->lost, where, files, more,
		       t->dir);
}

static int write_row(struct et_trainer *t, const struct et_batch *b, const struct et_step *step,
		     double data_s, double begun, double ended, struct et_err *err)
{
	double rss = (double)et_machine_rss() / 1e6;
	const struct et_loss_sum *sum = &step->sum;
	const struct et_step_row row = {
		.step = t->state.step,
		.epoch = t->state.epoch + 1,
		.samples = b->n,
		.loss = sum->loss,
		.accuracy = sum->rows ? (double)sum->correct / (double)sum->rows : 0,
		.lr = step->lr,
		.data_s = data_s,
		.forward_s = step->forward_s,
		.backward_s = step->backward_s,
		.update_s = step->update_s,
		.step_s = ended - begun,
		.begun = begun,
		.ended = ended,
		.rss_mb = rss > 0 ? rss : NAN,
		.board = t->watch.board,
	};

	return et_watch_row(&t->watch, &row, &t->steps, err);
}

int et_trainer_step(struct et_trainer *t, const struct et_batch *b, double data_s,
		    struct et_err *err)
{
	struct et_state *st = &t->state;
	struct et_step step = {.number = st->step,
			       .lr = et_train_lr(&t->s->t, et_trainer_clock(t), t->per_epoch)};
	double begun = et_now() - data_s;

	if (!et_step_run(t->s, b, &step))
		return diverged(t, b, &step, err);
	st->step++;
	st->loss_sum += step.sum.loss * (double)step.sum.rows;
	st->labels += step.sum.rows;
	st->correct += step.sum.correct;
	st->images += b->n;
	double ended = et_now(), took = ended - begun;
	ET_TRY(et_watch_tick(&t->watch, err));
	ET_TRY(write_row(t, b, &step, data_s, begun, ended, err));

	t->steps_here++;
	t->images_here += b->n;
	t->step_s = t->step_s > 0 ? 0.9 * t->step_s + 0.1 * took : took;
	t->p.lr = step.lr;
	t->p.data_ms = data_s * 1e3;
	t->p.step_ms = took * 1e3;
	return ET_OK;
}

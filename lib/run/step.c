/* One training step. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "run/trainer.h"

struct clock {
	double forward, backward, update;
	struct et_pass pass; /* the last one */
};

/* Says where it went wrong: step, layer, the files of the batch, and what is left. */
static int diverged(struct et_trainer *t, const struct et_batch *b, const struct et_pass *pass,
		    const char *what, struct et_err *err)
{
	char where[256], files[400] = "", name[200];
	size_t shown = 0;

	if (!et_net_find_nonfinite(&t->s->net, pass, where, sizeof(where)))
		snprintf(where, sizeof(where), "the loss");
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
		       t->state.step + 1, t->state.epoch + 1, what, where, files, more, t->dir);
}

/* Forward and backward of the whole batch, in micro-batches. */
static int gradients(struct et_trainer *t, const struct et_batch *b, double lr,
		     struct et_loss_sum *sum, struct clock *clock, struct et_err *err)
{
	struct et_session *s = t->s;
	size_t micro = (size_t)et_session_micro(s), image = et_shape_count(s->spec.input);
	struct et_rule rule = {.lr = (float)lr,
			       .momentum = (float)s->t.momentum,
			       .weight_decay = (float)s->t.weight_decay};
	double norm = et_loss_norm(&s->net.loss, b->n, b->label);

	et_net_zero_grad(&s->net);
	for (size_t at = 0; at < b->n; at += micro) {
		struct et_pass pass = {.x = b->x + at * image,
				       .n = (int)et_min(micro, b->n - at),
				       .training = true,
				       .seed = (uint64_t)s->t.seed,
				       .step = t->state.step,
				       .first = at,
				       .rule = s->net.fuse_update ? &rule : NULL};
		double begun = et_now();
		et_cache_begin(s->train_cache, b, at, image, &pass);
		et_net_forward(&s->net, &pass);
		et_cache_end(s->train_cache, b, at, &pass);
		clock->pass = pass;
		clock->pass.rule = NULL; /* once is enough */
		double between = et_now();
		et_net_loss(&s->net, &pass, b->label + at, norm > 0 ? norm : 1, true, sum);
		clock->forward += between - begun;
		clock->backward += et_now() - between;
		if (!isfinite(sum->loss)) {
			char what[64];
			snprintf(what, sizeof(what), "the loss became %f", sum->loss);
			return diverged(t, b, &pass, what, err);
		}
	}
	return ET_OK;
}

/* Text of a number, or an empty cell where it is unknown. */
static const char *cell(bool known, const char *fmt, double v, char buf[32])
{
	buf[0] = 0;
	if (known)
		snprintf(buf, 32, fmt, v);
	return buf;
}

static int write_row(struct et_trainer *t, const struct et_batch *b, const struct et_loss_sum *sum,
		     double lr, double data_s, double step_s, const struct clock *clock,
		     struct et_err *err)
{
	struct et_board_state board = et_board_read(&t->board);
	double rss = (double)et_machine_rss() / 1e6;
	char temp[32], freq[32], bits[32] = "", memory[32];

	if (board.throttled >= 0)
		snprintf(bits, sizeof(bits), "0x%" PRIx64, (uint64_t)board.throttled);
	/* energy_j, power_w and energy_source stay empty: there is no meter yet. */
	return et_csv_row(&t->steps, err,
			  "%" PRIu64 ",%" PRIu64
			  ",%zu,%.7g,%.7g,%.7g,%.3f,%.3f,%.3f,%.3f,%.3f,,,,%s,%s,%s,%s",
			  t->state.step, t->state.epoch + 1, b->n, sum->loss,
			  sum->rows ? (double)sum->correct / (double)sum->rows : 0.0, lr,
			  data_s * 1e3, clock->forward * 1e3, clock->backward * 1e3,
			  clock->update * 1e3, step_s * 1e3,
			  cell(!isnan(board.temp_c), "%.1f", board.temp_c, temp),
			  cell(!isnan(board.freq_mhz), "%.0f", board.freq_mhz, freq), bits,
			  cell(rss > 0, "%.1f", rss, memory));
}

int et_trainer_step(struct et_trainer *t, const struct et_batch *b, double data_s,
		    struct et_err *err)
{
	struct et_session *s = t->s;
	struct et_state *st = &t->state;
	struct et_loss_sum sum = {0};
	struct clock clock = {0};
	double begun = et_now() - data_s, norm;
	double lr = et_train_lr(&s->t, et_trainer_clock(t), t->per_epoch);

	ET_TRY(gradients(t, b, lr, &sum, &clock, err));
	double before = et_now();
	const char *lost = et_net_update(&s->net, &s->t, lr, st->step, &norm);
	clock.update = et_now() - before;
	if (lost) {
		char what[200];
		snprintf(what, sizeof(what), "the update made %s NaN or Inf", lost);
		return diverged(t, b, &clock.pass, what, err);
	}
	st->step++;
	st->loss_sum += sum.loss * (double)b->n;
	st->correct += sum.correct;
	st->images += b->n;
	double took = et_now() - begun;
	ET_TRY(write_row(t, b, &sum, lr, data_s, took, &clock, err));

	t->steps_here++;
	t->images_here += b->n;
	t->step_s = t->step_s > 0 ? 0.9 * t->step_s + 0.1 * took : took;
	t->p.lr = lr;
	t->p.data_ms = data_s * 1e3;
	t->p.step_ms = took * 1e3;
	return ET_OK;
}

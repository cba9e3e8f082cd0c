/* Private to run: a training run in progress. */
#ifndef ET_RUN_TRAINER_H
#define ET_RUN_TRAINER_H

#include "run/cache.h"
#include "run/limits.h"
#include "run/watch.h"

#define ET_EPOCHS_HEADER "epoch,loss,accuracy,val_loss,val_accuracy,lr,seconds,images_per_s,skipped"

struct et_trainer {
	struct et_session *s;
	const struct et_fit *fit;
	const char *dir;
	struct et_state state;
	struct et_checkpoints saved;
	struct et_loader *train, *val; /* val may be NULL */
	struct et_csv steps, epochs;
	struct et_progress p;
	struct et_watch watch;
	struct et_limits limits;
	const char *stopped_by;	 /* the option whose limit was reached; NULL: none */
	double paused_s, save_s; /* in pauses of this call; that the last checkpoint took */
	uint64_t pauses_here;
	int watched; /* what went wrong in the middle of an evaluation */
	struct et_err watch_err;
	struct et_cache train_cache, val_cache; /* in use where the session points to them */
	uint64_t per_epoch;			/* batches */
	double begun, rate_at;			/* of this call; of the current rate window */
	uint64_t rate_images;
	/* Of pixels; NULL where there is one label a picture. */
	uint64_t *confusion; /* [classes][classes] */
	double *iou;	     /* [classes] */
	char *cells; /* of a row of epochs.csv, between ET_EPOCHS_HEADER and ET_ENERGY_HEADER */
	double step_s, eval_s; /* smoothed duration of a step; of the last evaluation */
	uint64_t steps_here, images_here, skipped_here;
};

/* Session, net, weights and run directory of a new run; of one that goes on, by fit->resume. */
int et_trainer_open_new(struct et_trainer *t, const struct et_fit *fit,
			struct et_err *err) ET_MUST_CHECK;
int et_trainer_open_resumed(struct et_trainer *t, const struct et_fit *fit,
			    struct et_run_info *info, struct et_err *err) ET_MUST_CHECK;

/* ET_ECREATE where the disk has no room for the checkpoints to come. Logs what they take. */
int et_trainer_room(struct et_trainer *t, struct et_err *err) ET_MUST_CHECK;

/* One optimizer step on a batch: gradients of its micro-batches, update, CSV row, progress. */
int et_trainer_step(struct et_trainer *t, const struct et_batch *b, double data_s,
		    struct et_err *err) ET_MUST_CHECK;
/* From where the state says to the end of the last epoch. */
int et_trainer_run(struct et_trainer *t, struct et_err *err) ET_MUST_CHECK;
void et_trainer_report(struct et_trainer *t);
/* The caller's progress, with power and temperature as last known. */
void et_trainer_tell(struct et_trainer *t, enum et_phase phase);
/* Where the board is too hot: waits until it is cooler; the pause goes into state and files. */
int et_trainer_cool(struct et_trainer *t, struct et_err *err) ET_MUST_CHECK;
/* Measures what the idle board draws, if that is asked for. */
int et_trainer_idle(struct et_trainer *t, struct et_err *err) ET_MUST_CHECK;
/* What the schedule goes by: steps done, or with a mode that skips some, batches drawn. */
uint64_t et_trainer_clock(const struct et_trainer *t);
/* Is a batch to be skipped unseen? arg is the trainer. */
bool et_trainer_drops(void *arg, uint64_t epoch, size_t batch);
/* A batch that was: the optimizer may go on without it. */
int et_trainer_skip(struct et_trainer *t, struct et_err *err) ET_MUST_CHECK;

#endif

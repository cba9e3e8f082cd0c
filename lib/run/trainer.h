/* Private to run: a training run in progress. */
#ifndef ET_RUN_TRAINER_H
#define ET_RUN_TRAINER_H

#include "power/power.h"
#include "run/cache.h"

#define ET_STEPS_HEADER                                                                         \
	"step,epoch,samples,loss,accuracy,lr,data_ms,forward_ms,backward_ms,update_ms,step_ms," \
	"energy_j,power_w,"                                                                     \
	"energy_source,temp_c,freq_mhz,throttled,rss_mb"
#define ET_EPOCHS_HEADER "epoch,loss,accuracy,val_loss,val_accuracy,lr,seconds,images_per_s,skipped"

struct et_trainer {
	struct et_session *s;
	const struct et_fit *fit;
	const char *dir;
	struct et_state state;
	struct et_loader *train, *val; /* val may be NULL */
	struct et_csv steps, epochs;
	struct et_progress p;
	struct et_board board;
	struct et_cache train_cache, val_cache; /* in use where the session points to them */
	uint64_t per_epoch;			/* batches */
	double begun, rate_at;			/* of this call; of the current rate window */
	uint64_t rate_images;
	/* Of pixels; NULL where there is one label a picture. */
	uint64_t *confusion;   /* [classes][classes] */
	double *iou;	       /* [classes] */
	char *cells;	       /* of a row of epochs.csv, what follows ET_EPOCHS_HEADER */
	double step_s, eval_s; /* smoothed duration of a step; of the last evaluation */
	uint64_t steps_here, images_here, skipped_here;
};

/* Session, net, weights and run directory of a new run; of one that goes on, by fit->resume. */
int et_trainer_open_new(struct et_trainer *t, const struct et_fit *fit,
			struct et_err *err) ET_MUST_CHECK;
int et_trainer_open_resumed(struct et_trainer *t, const struct et_fit *fit,
			    struct et_run_info *info, struct et_err *err) ET_MUST_CHECK;

/* One optimizer step on a batch: gradients of its micro-batches, update, CSV row, progress. */
int et_trainer_step(struct et_trainer *t, const struct et_batch *b, double data_s,
		    struct et_err *err) ET_MUST_CHECK;
/* From where the state says to the end of the last epoch. */
int et_trainer_run(struct et_trainer *t, struct et_err *err) ET_MUST_CHECK;
void et_trainer_report(struct et_trainer *t);
/* What the schedule goes by: steps done, or with a mode that skips some, batches drawn. */
uint64_t et_trainer_clock(const struct et_trainer *t);
/* Is a batch to be skipped unseen? arg is the trainer. */
bool et_trainer_drops(void *arg, uint64_t epoch, size_t batch);
/* A batch that was: the optimizer may go on without it. */
int et_trainer_skip(struct et_trainer *t, struct et_err *err) ET_MUST_CHECK;

#endif

/*
 * Private to run: how fit, eval and plan are put together from spec, dataset and net; the run
 * directory; checkpoints; CSV files.
 */
#ifndef ET_RUN_RUN_H
#define ET_RUN_RUN_H

#include "data/data.h"
#include "net/net.h"

/* ---- the machine ----------------------------------------------------------------------------- */

/* Kernels and threads that env asks for. ET_EUSAGE for an instruction set that is not to be had. */
int et_machine_ctx(const struct et_env *env, struct et_ctx *ctx, struct et_err *err) ET_MUST_CHECK;

#define ET_CACHE_LEVELS 3
/* Data caches by level, from 0; of processors that differ, those with the smallest share. */
struct et_caches {
	uint64_t bytes[ET_CACHE_LEVELS]; /* 0: unknown, or none */
	size_t sharers[ET_CACHE_LEVELS]; /* processors at one cache */
};
/* root: "", or where a made-up /sys is. */
void et_caches_read(const char *root, struct et_caches *all);
/* Bytes of a cache of that level (from 1) for each of so many threads; 0: unknown. */
uint64_t et_caches_share(const struct et_caches *all, int level, int threads);

unsigned et_machine_workers(const struct et_env *env);
/* Bytes that may be used: env->max_memory, or MemAvailable; 0 = unknown. */
uint64_t et_machine_memory(const struct et_env *env);
uint64_t et_machine_rss(void);	    /* resident now, bytes; 0 = unknown */
uint64_t et_machine_peak_rss(void); /* the most so far */
/* Begins the measuring of a peak anew; false where the kernel does not allow it. */
bool et_machine_mark_peak(void);
uint64_t et_machine_marked_peak(void); /* the most since then; 0 = unknown */
bool et_stopped(const struct et_env *env);
void et_log(const struct et_env *env, enum et_log_level level, const char *fmt, ...)
	ET_PRINTF(3, 4);

/* ---- a session: everything that a run needs, opened and planned ------------------------------ */

/* Entries of a session's feature caches, by its settings and what memory is to spare. */
struct et_cache_plan {
	size_t train_floats, val_floats; /* of an entry; 0: none */
	uint32_t train, val;		 /* entries there is room for */
	uint64_t wanted;		 /* bytes for all of them */
	uint64_t bytes;			 /* for those there is room for */
	bool file;			 /* beside the run, not in memory */
	const char *why;		 /* there is none; NULL where there is one */
};
struct et_cache; /* cache.h */

struct et_session {
	const struct et_env *env;
	struct et_ctx ctx;
	struct et_spec spec;
	struct et_train t;
	struct et_augment augment;
	struct et_prep prep;
	struct et_net net;
	struct et_dataset *ds; /* NULL for a plan without data */
	float *class_weight;   /* [classes] or NULL */
	enum et_split val;     /* what a run is validated on; ET_SPLITS = nothing */
	bool has_init;
	bool init_partial; /* weights to start from may lack some, or have others */
	bool is_run;	   /* the spec is a run's: its classes are not the dataset's to choose */
	int batch; /* images of the one batch there is, whatever the settings say; 0: they say */
	bool input_grad;  /* wanted as well */
	uint64_t besides; /* bytes that the caller needs beside what is planned here */
	bool caches;	  /* plans are to have room for features */
	struct et_cache_plan cache;
	struct et_cache *train_cache, *val_cache; /* NULL: not kept */
	struct et_recipe recipe; /* of the whole net: what happens to steps is in it */
	bool whole;		 /* open the dataset without the subset of the settings */
	bool probing; /* nets of gradients to look at: as a mode computes them, none fused away */
};

/*
 * From a spec already read: settings checked, net built, trainable layers and batch norm chosen.
 * train: the settings object to use (the spec's, or a run's own); conf may be NULL.
 */
int et_session_net(struct et_session *s, const struct cJSON *train, const struct et_conf *conf,
		   struct et_err *err) ET_MUST_CHECK;
/* The halves of that: the settings, and a net by them in place of the one there may be. */
int et_session_settings(struct et_session *s, const struct cJSON *train, const struct et_conf *conf,
			struct et_err *err) ET_MUST_CHECK;
int et_session_build(struct et_session *s, struct et_err *err) ET_MUST_CHECK;
/*
 * The weights that a new run starts from: by the seed, or with `init` from that file. A classifier
 * of another number of classes starts anew; that is logged, as are all names that do not fit, when
 * there are too many for the error, or where init_partial lets them pass.
 */
int et_session_start(struct et_session *s, const char *init, struct et_err *err) ET_MUST_CHECK;
/* Logs what the allocated net found out about its modes: on how many layers `interleaved` won. */
void et_session_tell(const struct et_session *s, const struct et_env *env);
/*
 * Opens the dataset. A spec that follows takes the number of classes from it, which is logged and
 * builds the net anew; otherwise both must say the same.
 */
int et_session_data(struct et_session *s, const char *path, struct et_err *err) ET_MUST_CHECK;
/* The weights of classes as the settings say, for those who open no dataset: "auto" is ET_EUSAGE.
 */
int et_session_class_weights(struct et_session *s, struct et_err *err) ET_MUST_CHECK;
/* Warns where the first masks look like black and white ones, of which nothing would be learned. */
void et_session_check_masks(const struct et_session *s, const char *path);
/* All weights from a file, the classifier's too; batch norm's counters may be missing. */
int et_session_load(struct et_session *s, const char *path, struct et_err *err) ET_MUST_CHECK;
/* What a run is validated on, for people: "val", "test", "held out" or NULL. */
const char *et_session_val_name(const struct et_session *s);
void et_session_close(struct et_session *s);

/* Does the optimizer take a step without a gradient where a batch is skipped? */
bool et_session_coasts(const struct et_session *s);
/* Images processed at once in training and in evaluation. */
int et_session_micro(const struct et_session *s);
struct et_loader_conf et_session_loader(const struct et_session *s, enum et_split split,
					bool training);

/* Plans for the session's batch sizes; training false: evaluation alone. Fills everything but
 * `fits`. */
int et_session_plan(struct et_session *s, bool training, struct et_plan *plan,
		    struct et_err *err) ET_MUST_CHECK;
/* ET_EFIT with the numbers and the largest batch that fits, when the plan exceeds what is
 * available. */
int et_session_fits(struct et_session *s, bool training, struct et_plan *plan,
		    struct et_err *err) ET_MUST_CHECK;

/* ---- a step ---------------------------------------------------------------------------------- */

struct et_step {
	uint64_t number;	/* given: steps done before */
	double lr;		/* given */
	struct et_loss_sum sum; /* of the batch; to begin with all zero, as the rest */
	double forward_s, backward_s, update_s;
	char lost[200];	     /* what became NaN or Inf, if anything did */
	struct et_pass pass; /* the last one, to be looked at again */
};
/*
 * Would batch norm see a single value a channel, or is there no label that counts? Such a batch is
 * passed over: no step is taken.
 */
bool et_step_too_small(const struct et_session *s, const struct et_batch *b);
/* Forward and backward of the whole batch, in micro-batches; false when the loss is not finite. */
bool et_step_gradients(struct et_session *s, const struct et_batch *b, struct et_step *step);
/* The same and the update; false, too, when a weight is not finite. */
bool et_step_run(struct et_session *s, const struct et_batch *b, struct et_step *step);
/* Where NaN or Inf is first found in a step that failed; before the batch is given back. */
void et_step_blame(struct et_session *s, const struct et_step *step, char *buf, size_t n);

/* ---- evaluation ------------------------------------------------------------------------------ */

struct et_score {
	double loss, accuracy, top5;	  /* top5: NaN below 6 classes, and for pixels */
	uint64_t images, labels, skipped; /* labels: those that count, one a picture or a pixel */
	uint64_t *confusion;		  /* [classes][classes] to add to, or NULL */
};
/*
 * Intersection over union of k classes: those labelled and predicted as one / those labelled or
 * predicted as it. Into iou[k] (may be NULL), NaN where there are none. Returns the mean over the
 * others.
 */
double et_iou(const uint64_t *confusion, int k, double *iou);
/* The whole split once, in order. progress may be NULL. */
int et_evaluate(struct et_session *s, struct et_loader *loader, struct et_score *score,
		void (*progress)(void *arg, const struct et_progress *p), void *arg,
		struct et_progress *p, struct et_err *err) ET_MUST_CHECK;

/* ---- a batch in a file ----------------------------------------------------------------------- */

/*
 * A safetensors file with `input`, F32 [n,c,h,w], and `target`, I64 or I32 [n], or [n,p,q] for a
 * net with logits of p x q pixels. What else is in it is passed over.
 */
struct et_batch_file {
	struct et_st st;
	const struct et_st_tensor *input, *target;
	int n;		/* images */
	size_t rows;	/* labels of all of them */
	float *x;	/* [n,h,w,c], when loaded */
	int32_t *label; /* [rows], when loaded */
};
/* Finds both tensors and checks dtypes and shapes against the spec; reads no numbers. */
int et_batch_file_open(struct et_batch_file *b, const char *path, const struct et_spec *spec,
		       struct et_err *err) ET_MUST_CHECK;
/* Reads and checks the numbers: finite, and labels of classes or the one that is ignored. */
int et_batch_file_load(struct et_batch_file *b, const struct et_ctx *x, const struct et_spec *spec,
		       struct et_err *err) ET_MUST_CHECK;
/* Bytes that stay, and those needed besides while loading. */
void et_batch_file_bytes(const struct et_batch_file *b, uint64_t *kept, uint64_t *loading);
void et_batch_file_close(struct et_batch_file *b);

/* ---- run directory --------------------------------------------------------------------------- */

/* Where a run stands; together with the weights and moments all that a resume needs. */
struct et_state {
	uint64_t step;	/* optimizer steps done */
	uint64_t epoch; /* finished epochs: rows of epochs.csv */
	uint64_t batch; /* batches done of the current one; all of them: its evaluation is due */
	double loss_sum, seconds; /* of the current epoch so far */
	uint64_t correct, images, skipped;
	uint64_t labels;      /* that count, correct ones and others */
	uint64_t all_skipped; /* bad pictures, of the whole run */
	double best_accuracy; /* or, with masks, mean IoU */
	uint64_t best_epoch;
	double last_loss, last_accuracy, last_val_loss, last_val_accuracy,
		last_val_miou; /* of the last finished epoch */
	/*
	 * Since the last row of epochs.csv: all seconds; those of known power, and joules in them.
	 * Then the steps alone whose energy is known: their joules and pictures.
	 */
	double total_s, metered_s, energy_j, work_j;
	uint64_t work_images;
	uint64_t pauses; /* and their seconds */
	double pause_s;
	double throttled_s; /* while the board said that it throttles; NaN: it never said a thing */
	double clock_s;	    /* of the whole run's work; not set back by an epoch */
};
/* Counters at zero, and what is not known yet as NaN. */
struct et_state et_state_new(void);

/* The right to work in a run directory, which one process at a time has. */
struct et_lock {
	char *dir, *path;
	int fd;	     /* -1: not held */
	size_t made; /* length of the part of dir that was made for it; 0: it was all there */
};
/*
 * Makes the directory if need be. ET_EBUSY at once, naming the process that has the lock. One that
 * was killed has it no longer. Where the file system has no locks that is logged, and let pass.
 */
int et_lock_take(struct et_lock *l, const struct et_env *env, const char *dir,
		 struct et_err *err) ET_MUST_CHECK;
/* Removes its file, and the directories it made if they are empty. Does nothing if not held. */
void et_lock_release(struct et_lock *l);

/* What run.json says of the source of power. */
struct et_meter_source;
struct et_run_power {
	const struct et_meter_source *source; /* NULL: none */
	double idle_w;			      /* NaN: not measured */
	double max_temp;		      /* 0: no limit */
};
/* run.json: written before anything else. */
int et_run_describe(const struct et_session *s, const char *dir, const char *data, const char *init,
		    const struct et_run_power *power, struct et_err *err) ET_MUST_CHECK;
/* A run directory's description, read back. */
struct et_run_info {
	struct cJSON *json, *train;
	char *spec_text, *data, *init;
	bool init_partial;
	uint64_t fingerprint;
	float *class_weight;
	int n_class_weight;
	char *power_source; /* that the idle board was measured with; NULL: it was not */
	double idle_w;
};
int et_run_read(const char *dir, struct et_run_info *info, struct et_err *err) ET_MUST_CHECK;
/* Puts the settings that a run goes on with into its description, if they are others than before.
 */
int et_run_settle(const char *dir, struct et_run_info *info, const struct et_train *t,
		  struct et_err *err) ET_MUST_CHECK;
void et_run_info_free(struct et_run_info *info);
bool et_run_is(const char *dir); /* is there a run.json */
/* Removes temporary files that a kill left in a run directory: nobody will finish them. */
void et_run_sweep(const char *dir);

/* The checkpoints of a run: the latest pair of model and state, and some before it. */
struct et_checkpoints {
	const struct et_env *env;
	const char *dir;
	int keep;      /* pairs that stay, the latest one included */
	bool has;      /* there is a latest pair */
	uint64_t step; /* of that */
	bool warned;   /* that earlier ones cannot be kept here */
};
/*
 * Writes model and state as one unit: whatever moment power fails at, et_checkpoint_read() finds a
 * model and a state that belong together, these or the previous ones. keep - 1 earlier pairs stay
 * in DIR/checkpoints.
 */
int et_checkpoint_write(struct et_checkpoints *c, const struct et_net *net,
			const struct et_state *state, struct et_err *err) ET_MUST_CHECK;
/* Bytes of the files of a pair as they would be written now. */
int et_checkpoint_bytes(const struct et_net *net, const struct et_state *state, uint64_t *model,
			uint64_t *moments, struct et_err *err) ET_MUST_CHECK;
/* best.safetensors */
int et_checkpoint_best(const struct et_net *net, const struct et_state *state, const char *dir,
		       struct et_err *err) ET_MUST_CHECK;
/*
 * 1: read; 0: the run has no checkpoint yet. Finishes or undoes an interrupted write. Where the
 * latest pair is damaged the newest of those that were kept takes its place, which is logged.
 */
int et_checkpoint_read(struct et_checkpoints *c, struct et_net *net, struct et_state *state,
		       struct et_err *err) ET_MUST_CHECK;

/*
 * Append-only CSV: a header once; on opening, rows beyond `keep` in the first column are cut off. A
 * file whose header lacks the last columns, as earlier versions wrote it, gets empty cells there.
 */
struct et_csv {
	int fd;
	char *path;
	size_t fill;
	char buf[16384];
	double flushed; /* when */
};
int et_csv_open(struct et_csv *c, const char *dir, const char *name, const char *header,
		double keep, struct et_err *err) ET_MUST_CHECK;
/* One row, without a newline. Reaches the disk's cache within a second or so. */
int et_csv_row(struct et_csv *c, struct et_err *err, const char *fmt, ...) ET_MUST_CHECK
	ET_PRINTF(3, 4);
/* Everything written so far, onto the disk. */
int et_csv_sync(struct et_csv *c, struct et_err *err) ET_MUST_CHECK;
void et_csv_close(struct et_csv *c);
/* Text of a number by a format for one double, or an empty cell where it is unknown: NaN. */
const char *et_csv_cell(const char *fmt, double v, char buf[32]);

/* ---- a trained network in use ---------------------------------------------------------------- */

struct et_model_files {
	struct et_run_info info; /* of a run, else empty */
	char *weights;		 /* path */
	char *labels;		 /* the text of the file, cut into lines */
	const char **names;	 /* [classes], or NULL: nobody knows */
};
/*
 * The spec of a model, and what its files are; no net is built, no weights are read. f and s are to
 * be closed by the caller whatever is returned.
 */
int et_model_open(struct et_session *s, const struct et_model *model, struct et_model_files *f,
		  struct et_err *err) ET_MUST_CHECK;
void et_model_close(struct et_model_files *f);
/* ET_EUSAGE when what is to be written is one of the files that are read; option: its name. */
int et_model_spares(const struct et_model *model, const struct et_model_files *f, const char *out,
		    struct et_err *err) ET_MUST_CHECK;

/* Adds the colours of PASCAL VOC: the bits of an index, dealt out to red, green and blue in turn.
 */
void et_voc_palette(uint8_t palette[256][3]);

#endif

/*
 * libedgetrain: fine-tuning of convolutional networks on small machines. This is the public face;
 * the edgetrain command uses nothing else.
 *
 * Functions return ET_OK or a negative enum et_status and put one line of details into a
 * caller-owned struct et_err. The library never prints, exits or touches signals. Strings passed in
 * are not kept.
 */
#ifndef EDGETRAIN_H
#define EDGETRAIN_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/tools.h"

/* ---- training settings ----------------------------------------------------------------------- */

/*
 * The settings of training, one table: "key" in the spec's "train" object, --key with dashes on the
 * command line. Precedence: what was set here, then the spec, then the default.
 */
enum et_setting_kind {
	ET_SET_INT,
	ET_SET_FLOAT,
	ET_SET_CHOICE,
	ET_SET_TEXT,
	ET_SET_LIST, /* comma-separated text, or an array of strings in JSON */
	ET_SET_MAP   /* "KEY=VALUE;KEY=VALUE", or an object of strings in JSON */
};
struct et_setting {
	const char *key; /* "batch_size" */
	enum et_setting_kind kind;
	const char *arg;     /* "N", for help; for CHOICE "sgd|adam|adamw" */
	double min, max;     /* inclusive, for numbers */
	const char *initial; /* default as text; "" = none */
	const char *help;    /* one line, no full stop */
};
const struct et_setting *et_settings(size_t *n);

/* A set of explicit choices. */
struct et_conf;
struct et_conf *et_conf_new(void); /* NULL: out of memory */
void et_conf_free(struct et_conf *conf);
/* ET_EUSAGE naming key, what is expected and what was found. */
int et_conf_set(struct et_conf *conf, const char *key, const char *value,
		struct et_err *err) ET_MUST_CHECK;

/* ---- gradient modes -------------------------------------------------------------------------- */

/* One option of a technique: "name=value" in a recipe. */
struct et_mode_option {
	const char *name;
	const char *help;    /* one line, no full stop */
	const char *choices; /* "unbiased|paper"; NULL: a number */
	double min, max;     /* of a number, inclusive */
	bool integer;
	double initial; /* of a choice its index; NaN: must be given */
};
#define ET_MODE_OPTIONS 4

/* A technique of which recipes (the settings mode and modes) are made. Texts are constant. */
struct et_mode_info {
	const char *name;
	const char *help;      /* one line, no full stop */
	const char *reference; /* where it was published; NULL: nowhere */
	const char *axis;      /* what it changes; a recipe has one technique an axis */
	bool standing;	       /* in every recipe that does not say NAME:off */
	bool whole_batch;      /* refused with micro-batches */
	int options;
	struct et_mode_option option[ET_MODE_OPTIONS];
};
/* The i-th technique, "exact" first; false past the last. */
bool et_mode_get(size_t i, struct et_mode_info *info);

/* ---- the machine and the caller -------------------------------------------------------------- */

enum et_log_level { ET_LOG_INFO, ET_LOG_WARNING };

/* Where power, heat and clock are read. All members may be NULL. */
struct et_power_conf {
	const char *sysroot; /* a directory that stands for / above /sys, /proc and /dev; NULL: / */
	/* Only this one: pmic, ina3221, hwmon, rapl, battery, external or model; "none": no power
	 * is measured; NULL or "auto": the first of them that is there. */
	const char *source;
	const char *from;  /* a file, FIFO or shell command that gives watts, one number a line */
	const char *model; /* "IDLE,FULL": watts of the whole board, idle and with all cores busy */
};

/* Passed to every call; all members may be zero. */
struct et_env {
	int threads; /* 0: all processors available */
	const char *
		isa; /* instruction set by name; NULL: ET_ISA from the environment, else the best */
	uint64_t max_memory; /* bytes; 0: MemAvailable */
	int workers; /* decoding threads; 0: one, or two where there are more than two processors */
	const volatile sig_atomic_t
		*stop; /* set to non-zero (by a signal handler) to stop; NULL: never */
	/* One line of information or warning, without a newline; NULL: dropped. */
	void (*log)(void *arg, enum et_log_level level, const char *line);
	void *log_arg;
	struct et_power_conf power;
};

struct et_version {
	const char *version, *revision; /* "0.1.0", git describe */
	const char *compiler, *cflags;
	const char *isa, *isas; /* chosen; all compiled in */
	const char *openmp;	/* "201511", or "no" */
	const char *libpng, *libjpeg, *zlib, *cjson;
	int threads;
	/* Of the matrix product: its tile, and the packed block of the right-hand matrix. */
	int tile_rows, tile_cols, block_depth, block_cols;
	struct {
		uint64_t bytes; /* 0: unknown */
		size_t sharers; /* processors at one cache */
	} cache[3];		/* data caches, the nearest first */
};
/* ET_EUSAGE when env asks for an instruction set that is unknown or not on this machine. */
int et_version_get(const struct et_env *env, struct et_version *v,
		   struct et_err *err) ET_MUST_CHECK;

/* ---- fit ------------------------------------------------------------------------------------- */

enum et_phase {
	ET_PHASE_LOAD,
	ET_PHASE_TRAIN,
	ET_PHASE_EVAL,
	ET_PHASE_SAVE,
	ET_PHASE_PAUSE, /* too hot: nothing is computed until it is cooler */
	ET_PHASE_IDLE	/* measuring what the idle board draws */
};

/*
 * Where a run is. Called from the training thread after every step and every evaluation batch,
 * before a checkpoint is written, and about once a second of a pause or of the idle measurement.
 */
struct et_progress {
	enum et_phase phase;
	uint64_t step, steps;	 /* optimizer steps done, and in all */
	uint64_t epoch, epochs;	 /* current, from 1 */
	uint64_t batch, batches; /* in this epoch (or evaluation) */
	double loss, accuracy;	 /* means over the epoch so far */
	double lr;
	double images_per_s;	 /* over the last seconds; 0 = unknown */
	double eta_s;		 /* to the end of the run; negative = unknown */
	double data_ms, step_ms; /* of the last step: waiting for data, all */
	double power_w, temp_c;	 /* of the last second or so; NaN = unknown */
};

/* One finished epoch: a row of epochs.csv. Unknown numbers are NaN. */
struct et_epoch {
	uint64_t epoch; /* from 1 */
	double loss, accuracy, val_loss, val_accuracy, lr, seconds, images_per_s;
	double val_miou;  /* of pixels; NaN where pictures have one label each */
	uint64_t skipped; /* bad pictures */
	bool best;
	/* From the row before to this one, evaluation, saving and pauses included. */
	double total_s, energy_j, energy_net_j, power_w;
	double j_per_image; /* of the training alone */
};

/* What one call may use; zero: no limit. */
struct et_budget {
	double seconds;
	double joules;	   /* needs a source of power */
	const char *until; /* "HH:MM", local time: the next time that the clock shows it */
};

struct et_fit {
	const char *spec, *data; /* may be NULL with resume */
	const char *init;	 /* weights to start from (safetensors); NULL: random */
	bool init_partial;	 /* they may lack some parameters, or hold others */
	const char *resume;	 /* run directory to continue, bit for bit; NULL: a new run */
	const char *out;	 /* run directory of a new run; must not hold a run yet */
	/*
	 * Whatever is in `out` is right: nothing, what a kill left, a run to continue, or a
	 * finished one. `init` has to be what the run was started from.
	 */
	bool resume_auto;
	const struct et_conf *conf;
	/* Training stops, after a checkpoint, before the step that would exceed it; one step is
	 * always taken. */
	struct et_budget budget;
	double max_temp;     /* degrees Celsius: pause when reached, until it is 5 less; 0: never */
	double idle_seconds; /* measure so long first what the idle board draws */
	void (*progress)(void *arg, const struct et_progress *p);
	void (*epoch)(void *arg, const struct et_epoch *e);
	void *arg;
};
struct et_fit_result {
	uint64_t epochs, steps, images; /* done in this call: steps and images; epochs: in all */
	uint64_t dropped;      /* batches skipped unseen in this call, by a mode such as smd */
	double loss, accuracy; /* of the last finished epoch, training */
	double val_loss, val_accuracy; /* NaN when there is no validation set */
	double best_val_accuracy;
	/*
	 * With masks accuracy is that of pixels, and the best epoch that of the largest mean IoU;
	 * NaN otherwise, as best_val_accuracy then.
	 */
	double val_miou, best_val_miou;
	uint64_t best_epoch;
	double seconds, images_per_s;
	const char *val_split; /* "val", "test", "held out" or NULL */
	uint64_t skipped;
	uint64_t peak_memory; /* resident, bytes */
	/* The option whose limit ended this call: "max-time", "max-energy" or "until"; NULL: all
	 * epochs are done. */
	const char *stopped_by;
	double energy_j, energy_net_j; /* of this call; NaN = unknown */
	char energy_source[96];	       /* of that; "" = none */
	uint64_t pauses;	       /* of this call, and their seconds */
	double pause_s;
};
/*
 * Trains. ET_ESTOP: stopped on request after a checkpoint. ET_EFIT: refused before anything was
 * written. ET_EBUSY: another process is training the run; err says which. ET_EDIVERGED: err names
 * step, layer and the batch's files; the last good checkpoint stays.
 */
int et_fit(const struct et_env *env, const struct et_fit *fit, struct et_fit_result *result,
	   struct et_err *err) ET_MUST_CHECK;

/* ---- eval ------------------------------------------------------------------------------------ */

struct et_eval {
	const char *model; /* a run directory, or a spec with weights */
	const char *data;
	const char *weights; /* with a spec; with a run: NULL = model.safetensors */
	bool best;	     /* of a run: best.safetensors */
	const char *split; /* "val", "test", "train"; NULL: test, else val, else the run's held-out
			      part */
	int batch_size;	   /* 0: the run's */
	bool skip_bad;
	void (*progress)(void *arg, const struct et_progress *p);
	void *arg;
};
struct et_eval_result {
	const char *split;
	uint64_t images, labels, skipped; /* labels: that count, one a picture or one a pixel */
	double loss, accuracy, top5;	  /* top5: NaN below 6 classes, and for pixels */
	/*
	 * With masks: intersection over union of each class, pixels labelled and predicted as it /
	 * pixels labelled or predicted as it, NaN where there are none; and the mean over the other
	 * classes. Without: NaN, NULL.
	 */
	double miou, *iou;
	int classes;
	char **class_names;  /* [classes] */
	uint64_t *confusion; /* [classes][classes]: row = true class, column = predicted; labels */
	double seconds, images_per_s;
};
int et_eval(const struct et_env *env, const struct et_eval *eval, struct et_eval_result *result,
	    struct et_err *err) ET_MUST_CHECK;
void et_eval_free(struct et_eval_result *result);

/* ---- plan ------------------------------------------------------------------------------------ */

/* Bytes. The same code reserves them when a run starts. */
struct et_memory {
	uint64_t weights, gradients, optimizer, saved, activations, work, data, checkpoint;
	uint64_t cache; /* features of the pictures, as far as there is memory for them */
	uint64_t total;
};
struct et_plan {
	struct et_memory training, evaluation, loading;
	uint64_t peak;	    /* the largest of the totals, and the program itself */
	uint64_t available; /* MemAvailable or env->max_memory */
	bool fits;
	int batch_size, micro_batch; /* as planned */
	int largest_batch; /* the largest batch size (or micro-batch) that fits; 0: none */
	uint64_t parameters, trainable;	  /* counts */
	double forward_mac, backward_mac; /* multiply-adds of one image */
	int layers, trained_layers;
};
/* What a part of a run takes; NaN: unknown. */
struct et_cost {
	double seconds, joules;
};
/*
 * A run's time and energy, from steps taken on this machine with random weights. Without what is
 * done once (opening of the data), the writing of checkpoints, pauses, and throttling to come.
 */
struct et_estimate {
	int steps; /* measured; 0: nothing is known */
	bool real; /* on pictures of the dataset, decoded; else on made-up ones */
	uint64_t pictures, val_pictures; /* of an epoch; of its evaluation, 0: none */
	uint64_t epochs;
	/* Epochs at the beginning in which features are computed and kept; then those of this share
	 * of the pictures are found. 0: none are kept. */
	uint64_t filling;
	double kept, val_kept;
	double dropped;				    /* share of batches that the mode skips */
	struct et_cost step, kept_step;		    /* of a whole batch; all of it found */
	struct et_cost evaluation, kept_evaluation; /* of all val_pictures */
	struct et_cost first_epoch, epoch;	    /* with evaluation; the last one */
	struct et_cost run;
	char source[96], scope[32]; /* of power; "": none */
	bool modelled;		    /* by a model of the board: not measured */
};

struct et_plan_request {
	const char *spec;
	const char *data; /* NULL: pictures of the input's size are assumed for loading */
	bool init;	  /* weights will be given: batch norm is frozen by default */
	int classes;	  /* in place of the spec's; 0: the data's, or the spec's */
	const struct et_conf *conf;
	/*
	 * Steps to measure where the plan fits: into `estimate`, at least so many and for about a
	 * second. 0, or estimate NULL: none are taken.
	 */
	int steps;
	struct et_estimate *estimate;
	uint64_t pictures; /* of an epoch, without data; 0: 1000 */
	/* Before the first step; may be NULL. */
	void (*planned)(void *arg, const struct et_plan *plan);
	void *arg;
};
/*
 * Memory, and with `steps` time and energy. Writes nothing. ET_ESTOP: stopped on request while it
 * measured; the plan is filled in then.
 */
int et_plan(const struct et_env *env, const struct et_plan_request *request, struct et_plan *plan,
	    struct et_err *err) ET_MUST_CHECK;

/* ---- report ---------------------------------------------------------------------------------- */

/* A quarter of the values is below `low`, half below `median`, three quarters below `high`. */
struct et_quartiles {
	double low, median, high;
};
/* A row of epochs.csv; the sums are over all epochs from the first to this one. */
struct et_report_epoch {
	uint64_t epoch;
	double loss, accuracy, val_loss, val_accuracy, val_miou;
	double train_s, total_s, energy_j;
};
/* A point of a curve: means over a stretch of the run, but the highest temperature. */
struct et_report_moment {
	double time_s; /* since the run began; of losses: of training alone */
	double epoch;  /* of losses: 1.5 is the middle of the second one; else 0 */
	double power_w, temp_c, freq_mhz, loss;
};
struct et_report_span {
	double from_s, to_s;
};
#define ET_REPORT_MOMENTS 2048 /* points of a curve at most */

/*
 * A run, finished, stopped or at work, by run.json and the CSV files beside it. What is not known
 * is NaN. The epoch in which the run is, if any, counts as far as its steps are written.
 */
struct et_report {
	char *run; /* its directory as given */
	char *name, *mode, *data, *init,
		*version;  /* of the spec; ... ; init NULL: random weights */
	char *board;	   /* NULL: unknown */
	uint64_t pictures; /* to train on; 0: unknown */
	int batch_size, classes;
	uint64_t epochs, epochs_wanted; /* done; to be done when the run was begun */
	uint64_t steps, images;		/* done */
	bool finished;
	int64_t pid;   /* of the process of this machine that trains it now; 0: none */
	double left_s; /* to its end at the pace so far; 0 when finished */
	/* Of the last epoch that was finished; val_*: NaN without validation. */
	double loss, accuracy, val_loss, val_accuracy, val_miou;
	double running_loss, running_accuracy; /* of the epoch that is not; NaN: there is none */
	/* The largest val_miou, else val_accuracy, else accuracy; best_epoch 0: no epoch yet. */
	double best;
	uint64_t best_epoch;
	uint64_t skipped; /* bad pictures */

	double train_s; /* steps and what is between them, without evaluation, saving and pauses */
	double total_s; /* with them; NaN for runs of versions that did not write it */
	/* Milliseconds, within 0.3 %: whole steps, and their parts. */
	struct et_quartiles step, data_wait, forward, backward, update;
	double images_per_s; /* in training */

	double energy_j, energy_net_j; /* over total_s; net: without what the idle board takes */
	uint64_t energy_epochs;	       /* finished epochs whose energy is in it */
	double power_w, j_per_image;   /* mean; of training alone */
	double idle_w;
	char source[96], scope[32]; /* "": none */
	bool estimated;		    /* by a model of the board: not measured */
	bool windows;		    /* steps are so short that theirs is a mean by time */
	bool sources;		    /* there was more than this one */

	uint64_t pauses; /* to cool down */
	double pause_s;
	double throttled_s; /* any of the bits 0 to 3 set */
	int64_t throttled;  /* Raspberry Pi's bits 0 to 3 that were set during the run; -1: unknown
			     */
	double highest_c, peak_rss; /* bytes */

	size_t n_epoch, n_power, n_loss, n_pause, n_throttle;
	struct et_report_epoch *epoch;
	/* Power, heat and clock by the run's time; by that of training (clocked) where power.csv
	 * is missing. */
	struct et_report_moment *power;
	bool clocked;
	struct et_report_moment *losses; /* of steps */
	struct et_report_span *pause, *throttle;
};
/*
 * Reads a run directory. A last row that is not complete, as of a run at work, is passed over, and
 * files that are not there yet are no error. ET_ENOINPUT: no run; ET_EDATA names file, line and
 * column. To be freed after ET_OK alone.
 */
int et_report_read(const char *run, struct et_report *report, struct et_err *err) ET_MUST_CHECK;
void et_report_free(struct et_report *report);

/* ---- import ---------------------------------------------------------------------------------- */

/*
 * The weights in a file of another program, by the names and shapes of a spec, into a new file that
 * loads as it is: prefixes taken off, timm's MobileNetV2 renamed, batch norm folded into the
 * convolutions of a network without, all numbers as float32.
 */
struct et_import {
	const char *in, *spec, *out; /* out: replaced when all of it is written */
	bool partial;		     /* take what fits; the rest is drawn anew */
	int classes;		     /* 0: as the spec says */
};
struct et_import_result {
	uint64_t tensors, parameters; /* written; parameters without running statistics */
};
int et_import(const struct et_env *env, const struct et_import *job, struct et_import_result *r,
	      struct et_err *err) ET_MUST_CHECK;

/* ---- info ------------------------------------------------------------------------------------ */

struct et_info_layer {
	char *name;
	const char *type;
	int height, width, channels; /* of the output */
	uint64_t parameters, trainable;
	double mac; /* multiply-adds of one image's forward */
	bool trains;
	char *mode; /* recipe of a layer with weights that trains; "": none */
};
struct et_info_tensor {
	char *name, dtype[16];
	int rank;
	uint64_t shape[8], count, bytes;
};
struct et_info_note {
	char *key, *value;
};
enum et_info_kind { ET_INFO_SPEC, ET_INFO_RUN, ET_INFO_WEIGHTS };
struct et_info {
	enum et_info_kind kind;
	char *name;			       /* of a network; NULL for weights */
	int height, width, channels, classes;  /* of a network: the input's size */
	uint64_t parameters, trainable, bytes; /* of weights: all elements and their bytes */
	double mac;
	int layers;
	struct et_info_layer *layer; /* composites expanded, in order of work */
	size_t tensors;
	struct et_info_tensor *tensor; /* of weights, sorted by name */
	size_t notes;
	struct et_info_note
		*note; /* metadata of weights; where a run comes from and how far it is */
};
struct et_info_request {
	const char *path; /* a spec, a run directory, or a file of weights: told apart by content */
	bool init;	  /* weights will be given: batch norm is frozen by default */
	int classes;	  /* 0: as the spec or the run says */
	const struct et_conf *conf; /* what trains, and how; NULL: as the spec or the run says */
};
int et_info(const struct et_env *env, const struct et_info_request *request, struct et_info *info,
	    struct et_err *err) ET_MUST_CHECK;
void et_info_free(struct et_info *info);

/* ---- grad ------------------------------------------------------------------------------------ */

struct et_grad {
	const char *spec;
	const char *batch;	    /* safetensors: input F32 [N,C,H,W] and target I64 or I32 [N] */
	const char *weights;	    /* safetensors; NULL: initial weights by the seed */
	const char *out;	    /* safetensors to write */
	bool input_grad;	    /* the gradient of the input as well */
	int classes;		    /* in place of the spec's; 0: the spec's */
	const struct et_conf *conf; /* what concerns loss and gradients; the rest has no effect */
};
struct et_grad_result {
	int images;
	double loss, accuracy;
	double norm;		/* of the gradient of all that trains */
	uint64_t trainable;	/* parameters that train */
	bool frozen_batch_norm; /* by the stored statistics */
};
/*
 * Loss and gradients of one batch, file to file: `loss` [], `logits` [N,classes], the gradient of
 * each parameter that trains under the parameter's name and in PyTorch's layout, and of `input` if
 * wanted; all F32. The input is taken as it is. Nothing else is written or changed; the file is
 * complete or, on an error, what it was before. ET_EFIT before any work; ET_EDIVERGED when loss or
 * a gradient is not finite.
 */
int et_grad(const struct et_env *env, const struct et_grad *grad, struct et_grad_result *result,
	    struct et_err *err) ET_MUST_CHECK;

/* ---- a trained network in use ---------------------------------------------------------------- */

struct et_model {
	const char *model;   /* a run directory, or a spec with weights */
	const char *weights; /* with a spec; with a run: NULL = its model.safetensors */
	bool best;	     /* of a run: best.safetensors */
	/* A file with the classes' names, one a line; NULL: the run's, or numbers. A spec whose
	 * classifier follows the classes has as many as there are names. */
	const char *labels;
};

/* ---- predict --------------------------------------------------------------------------------- */

struct et_class {
	int index;
	const char *name; /* NULL: nobody knows */
	double share;	  /* its probability; or its part of the pixels that the network saw */
};
/* What the network makes of one picture; good during the call alone. */
struct et_prediction {
	const char *image;
	int n;
	const struct et_class *top; /* [n] the largest first; of equals the first class */
	const char *mask, *overlay; /* files that were written, or NULL */
};
struct et_predict {
	struct et_model model;
	const char *const *images; /* files, or directories: all pictures below, sorted by bytes */
	size_t n_images;
	int top; /* classes wanted of each, at most as many as there are */
	/*
	 * Of a network with logits for pixels: the directory for masks, NAME.png for each picture
	 * NAME.*; and NAME-overlay.png too?
	 */
	const char *out;
	bool overlay;
	int batch_size; /* pictures at a time; 0: 8, or as many as there are */
	void (*found)(void *arg, const struct et_prediction *p); /* in the order of the pictures */
	/* Of a picture that cannot be read, or a path that is none: text names it. */
	void (*failed)(void *arg, const struct et_err *why);
	void (*progress)(void *arg, const struct et_progress *p);
	void *arg;
};
struct et_predict_result {
	uint64_t images, failed; /* predicted; not read */
	double seconds;
};
/*
 * Masks are palette PNGs of the picture's own size: a pixel is its class, or 255 where the network
 * did not see the picture. Logits are interpolated between the network's pixels. It is ET_EUSAGE,
 * before anything is read, when two pictures would have one mask, or `out` is where pictures are.
 *
 * Runs a network on pictures, prepared as evaluation prepares them. One that cannot be read does
 * not stop the others; in the end it is ET_EDATA, or ET_ENOINPUT if all that failed were missing.
 * ET_EFIT before the first one is decoded; ET_ESTOP: stopped on request.
 */
int et_predict(const struct et_env *env, const struct et_predict *predict,
	       struct et_predict_result *result, struct et_err *err) ET_MUST_CHECK;

/* ---- export ---------------------------------------------------------------------------------- */

struct et_export {
	struct et_model model;
	const char *out;     /* ONNX file to write */
	bool keep_batchnorm; /* nodes of their own, where they could go into the layer before */
	bool clip;    /* ReLU6 as Clip, which OpenCV 4.6 cannot read; else 6 * HardSigmoid(x / 6) */
	bool softmax; /* the output is probabilities, else logits */
	bool normalize; /* the input is pixels from 0 to 255, else normalised */
};
struct et_export_result {
	uint64_t bytes, parameters; /* of the file; weights, biases and running statistics */
	int opset;
};
/*
 * Writes what evaluation computes as ONNX, from "input" [N,C,H,W] to "logits" (or "probabilities"),
 * [N,classes] or [N,classes,P,Q], with what a user of the file must know as metadata. The file is
 * complete or, on an error, what it was before. ET_EFIT before anything is read.
 */
int et_export(const struct et_env *env, const struct et_export *job,
	      struct et_export_result *result, struct et_err *err) ET_MUST_CHECK;

/* ---- bench ----------------------------------------------------------------------------------- */

/*
 * Gradient modes side by side. Every mode trains on the same batches from the same weights: in
 * rounds, in each of which every mode has a block of steps, in an order drawn anew. A block opens
 * the net of its mode (one at a time, so that its memory can be measured), takes one step that
 * does not count, then those that do. Where a number is not known it is NaN.
 */
struct et_spread {
	double median, iqr; /* quartiles between neighbours by linear interpolation */
};

/* What a mode does to the gradients of one layer; means over a batch of each round. */
struct et_bench_layer {
	char *name;
	double cosine, ratio; /* gradient of the weights and exact's: their cosine; their norms */
	double dx_cosine, dx_ratio; /* the same for the gradient of the input, from the same dy */
	double zeros;		    /* share of dy that is 0 as the layer's products see it */
};

struct et_bench_mode {
	char *recipe; /* as it was given */
	uint64_t steps;
	/* Milliseconds of a step: waiting for data, forward, backward, update; all of it. */
	struct et_spread data, forward, backward, update, step;
	double speedup;	       /* median step of the first mode / of this one */
	uint64_t peak_memory;  /* resident, the most in any block; 0: cannot be measured here */
	uint64_t planned_peak; /* what was planned for that */
	uint64_t saved;	       /* bytes kept from forward to backward */
	double energy_j;       /* a step, gross; and without what the idle board draws meanwhile */
	double energy_net_j;   /* NaN where that was not measured */
	double cosine, ratio;  /* gradient of all weights of layers and exact's */
	int layers;
	struct et_bench_layer *layer;			 /* those whose weights train */
	double val_accuracy, best_val_accuracy, seconds; /* of a whole training */
	double train_j;					 /* gross */
	double val_miou, best_val_miou;			 /* as in et_fit_result */
};

struct et_bench {
	const char *spec, *data;
	const char *init;    /* weights to start from; NULL: random */
	bool init_partial;   /* as in et_fit */
	const char *modes;   /* recipes, separated by commas or semicolons; exact is moved to the
				front */
	int steps;	     /* that count, of each mode */
	int epochs;	     /* of a whole training in each mode; 0: none */
	double idle_seconds; /* measure so long first what the idle board draws */
	const char *out; /* directory for bench.csv, layers.csv and, with epochs, the runs; NULL:
			  nothing is kept */
	const struct et_conf *conf;
	/* After every step; mode is the recipe at work. With epochs also all that et_fit() tells.
	 */
	void (*progress)(void *arg, const char *mode, const struct et_progress *p);
	void (*epoch)(void *arg, const char *mode, const struct et_epoch *e);
	void *arg;
};
struct et_bench_result {
	int modes;
	struct et_bench_mode *mode;
	int batch_size, rounds;
	const char *val_split;	/* as in et_fit_result */
	char energy_source[96]; /* "" = none */
	double idle_w;		/* NaN = not measured */
};
/*
 * Everything is checked before anything runs: ET_EUSAGE for a recipe that is wrong or that no layer
 * takes, ET_EFIT naming the mode that does not fit. ET_ESTOP: stopped on request, no file of
 * numbers was written. ET_EDIVERGED names mode and step. After an error there is nothing to free.
 */
int et_bench(const struct et_env *env, const struct et_bench *bench, struct et_bench_result *result,
	     struct et_err *err) ET_MUST_CHECK;
void et_bench_free(struct et_bench_result *result);

/* ---- sensors --------------------------------------------------------------------------------- */

enum et_sensor_state {
	ET_SENSOR_CHOSEN, /* what fit and bench would take */
	ET_SENSOR_READY,  /* there, but another one comes first, or was asked for */
	ET_SENSOR_CLOSED, /* there, but it cannot be read */
	ET_SENSOR_ABSENT
};
/* A source of power; what is not known is NULL, NaN or "". */
struct et_sensor {
	const char *kind; /* what --power takes */
	enum et_sensor_state state;
	char why[1024];	   /* unless it was chosen: why not */
	char name[96];	   /* what steps.csv says */
	const char *scope; /* what is measured: "board", "rails", "package", "external" */
	const char *unit, *note;
	char path[256];
	double hz; /* readings a second in a run */
	double shunt_uohm;
	bool counter; /* it counts energy */
	double watts; /* now, or the mean while it was looked at */
};
#define ET_SENSORS 7
struct et_sensors {
	char board[128]; /* by the device tree */
	int n;
	struct et_sensor sensor[ET_SENSORS]; /* in the order in which they are tried */
	/* Of the processor; paths are "" where there is none. throttled as in steps.csv, -1:
	 * unknown. */
	double temp_c, freq_mhz;
	int64_t throttled;
	char temp_path[256], freq_path[256], throttled_path[256];
	bool freq_asked_for; /* the clock is the one asked for, not a measured one */
};
/*
 * Looks for every source of power, and watches those that are there for some seconds.
 * ET_EUSAGE as in et_fit(): env asks for a source that is not to be had. Nothing is to be freed.
 */
int et_sensors(const struct et_env *env, double seconds, struct et_sensors *sensors,
	       struct et_err *err) ET_MUST_CHECK;

/* One row of et_sensors_watch(): means over the time since the last row. NaN, -1: unknown. */
struct et_sensors_row {
	double time_s;		  /* since the start */
	const char *source;	  /* its name; NULL: there is none */
	double power_w, energy_j; /* energy since the start */
	double temp_c, freq_mhz;
	int64_t throttled;
};
/*
 * Samples as a run does, and calls row every `interval` seconds, `count` times (0: until env's stop
 * flag is set, which is ET_ESTOP). A source that is read less often tells less often too.
 */
int et_sensors_watch(const struct et_env *env, double interval, uint64_t count,
		     void (*row)(void *arg, const struct et_sensors_row *row), void *arg,
		     struct et_err *err) ET_MUST_CHECK;

#endif

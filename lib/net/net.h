/*
 * From a spec to one training step: layers, parameters, memory plan, forward, backward, optimizers.
 * On mode, op, kern, io and base.
 */
#ifndef ET_NET_NET_H
#define ET_NET_NET_H

#include "edgetrain.h"
#include "io/io.h"
#include "mode/mode.h"

/* ---- settings of training -------------------------------------------------------------------- */

enum et_optimizer { ET_SGD, ET_ADAM, ET_ADAMW };
enum et_schedule { ET_CONSTANT, ET_STEP, ET_COSINE };
enum et_bn_mode { ET_BN_AUTO, ET_BN_BATCH, ET_BN_FROZEN };

/* The table et_settings(), filled in: one member a key. Texts are owned. */
struct et_train {
	int epochs, batch_size, micro_batch; /* micro_batch 0: the whole batch */
	int optimizer, schedule, bn;	     /* the enums above */
	double lr, momentum, weight_decay, beta1, beta2, eps;
	double lr_min, warmup, step_size, gamma;
	double clip_norm, label_smoothing;
	char *class_weights; /* "none", "auto" or a file */
	char *trainable;     /* comma-separated globs; "" = all */
	int last;	     /* 0: not used */
	char *mode, *modes, *augment;
	int64_t seed;
	char *subset;	     /* file that lists what to train on; "" = all */
	double val_fraction; /* < 0: automatic */
	int on_bad_image;    /* 0 fail, 1 skip */
	int save_steps, keep;
	char *cache; /* "auto", "off" or a size */
	int cache_variants;
	int winograd; /* 0 auto, 1 off */
};

/*
 * Defaults, then the spec's "train" object (may be NULL), then conf (may be NULL). Checks
 * combinations.
 */
int et_train_read(struct et_train *t, const struct cJSON *train, const struct et_conf *conf,
		  struct et_err *err) ET_MUST_CHECK;
/* May a resumed run be given key i of et_settings() anew? It does not change what a step computes.
 */
bool et_train_may_change(size_t i);
/* Replaces those settings by what conf gives: a run resumed with other limits. */
int et_train_adopt(struct et_train *t, const struct et_conf *conf,
		   struct et_err *err) ET_MUST_CHECK;
void et_train_free(struct et_train *t);
/* The value of key i of et_settings() as text, for run.json. */
void et_train_text(const struct et_train *t, size_t i, char *buf, size_t n);
/*
 * Learning rate of a step: warm-up from lr/steps to lr over `warmup` epochs, then the schedule;
 * cosine falls from lr towards lr_min: lr_min + (lr - lr_min)/2 * (1 + cos(pi t)), t in [0,1) over
 * the steps after warm-up.
 */
double et_train_lr(const struct et_train *t, uint64_t step, uint64_t steps_per_epoch);

/* The text given for key i of et_settings(), or NULL. */
const char *et_conf_value(const struct et_conf *conf, size_t i);

/* ---- spec ------------------------------------------------------------------------------------ */

struct et_shape {
	int h, w, c;
};
static inline size_t et_shape_count(struct et_shape s)
{
	return (size_t)s.h * (size_t)s.w * (size_t)s.c;
}

struct et_type; /* of a layer: types.h */

/* What a layer's type needs beyond its name: the member for the type. */
union et_attr {
	struct {
		struct et_conv g;
		bool bias;
	} conv; /* linear too */
	struct {
		double eps, momentum;
	} bn;
	struct et_pool pool;
	struct {
		int p, q;
	} adaptive;
	struct {
		enum et_upsample mode;
		int p, q; /* 0: by scale */
		double scale;
	} up;
	struct {
		double p;
	} dropout;
	struct {
		int ignore;
	} loss;
};

struct et_layer_desc {
	char *name;
	const struct et_type *type;
	int *in; /* layer indices; -1 = the net's input */
	int n_in;
	union et_attr u;
	struct et_shape out;
};

struct et_spec {
	char *path, *name, *text; /* text: of the JSON */
	struct et_shape input;
	float mean[3], std[3];
	bool stretch;
	double crop_pct;
	int classes;
	double width_mult;
	bool follows; /* a layer is as wide as there are classes, whatever their number */
	int n;
	struct et_layer_desc *layers; /* composites expanded; the last one's output is the logits */
	int ignore_index;	      /* -1: none */
	struct cJSON *json, *train;   /* train is part of json; may be NULL */
};
/* Vectors of logits an image: 1, or one for each of its pixels. */
size_t et_spec_rows(const struct et_spec *spec);
int et_spec_read(struct et_spec *spec, const char *path, struct et_err *err) ET_MUST_CHECK;
/* The same from text; `path` is for messages. */
int et_spec_parse(struct et_spec *spec, const char *text, size_t n, const char *path,
		  struct et_err *err) ET_MUST_CHECK;
/*
 * Makes it the spec of the same network for another number of classes: the layers that say so
 * follow. ET_EDATA, and nothing is changed, where the last layer with weights has a number of its
 * own. No net may have been built from the spec, or it must be freed first.
 */
int et_spec_set_classes(struct et_spec *spec, int classes, struct et_err *err) ET_MUST_CHECK;
void et_spec_free(struct et_spec *spec);

/* ---- net ------------------------------------------------------------------------------------- */

enum et_param_kind {
	ET_PARAM_WEIGHT,  /* convolution or linear; PyTorch's layout differs from memory's */
	ET_PARAM_VECTOR,  /* bias, batch norm's weight and bias */
	ET_PARAM_RUNNING, /* running_mean, running_var: not optimised */
	ET_PARAM_COUNTER  /* num_batches_tracked: one int64 */
};

struct et_param {
	char *name;
	enum et_param_kind kind;
	int node;
	const struct et_conv *geo; /* WEIGHT */
	int rank;
	uint64_t shape[4]; /* as PyTorch has it */
	size_t count;
	float first; /* initial value of vectors */
	bool train;
	/*
	 * A gradient may be the same at all taps of a kernel, and is kept once then: with
	 * taps > 1, weight (o*taps + t)*inner + i has the gradient o*inner + i.
	 */
	size_t taps, inner;
	bool fused;		       /* backward itself updates it: no gradient */
	bool at_once;		       /* a gradient in its node's backward alone, then updated */
	float *value, *grad, *m1, *m2; /* grad and moments only when it trains */
	int64_t counter;
};

/* One layer of a built net. Tensor 0 is the input; node i makes tensor i + 1. */
struct et_node {
	const struct et_type *type;
	const char *name;
	int index;
	int n_in, *in; /* tensor numbers */
	struct et_shape out;
	union et_attr u;
	int param[5];	       /* indices into params, by the type's own order; -1 = none */
	struct et_layer layer; /* for modes: conv and linear */
	struct et_hooks hooks; /* of its gradient mode */
	float *state;	       /* of the mode, `state_bytes` of it */
	size_t state_bytes;
	struct et_probe *probe; /* what to measure in backward, or NULL */
	bool active;		/* takes part in backward: a parameter trains here or before */
	bool trains;		/* a parameter of this node trains */
	bool walks;		/* both products at once, by the mode's hook */
	bool bn_batch;		/* batch norm by batch statistics in training */
};

/* What one layer's mode does to the gradient of its input, measured beside exact's from the same
 * dy.
 */
struct et_probe {
	double dot, mode, exact; /* sums over elements of dx*dx', dx'*dx', dx*dx */
	uint64_t zeros, count;	 /* of dy as the products see it */
};

struct et_program; /* a memory plan and an order of work: program.c */

struct et_net {
	struct et_ctx ctx;
	struct et_shape input;
	int classes;
	int n;
	struct et_node *nodes;
	int head; /* the last node with weights: the classifier; -1 = none */
	int n_params;
	struct et_param *params;
	bool *needs_grad;     /* [n+1] by tensor */
	struct et_grid *grid; /* [n+1] the gradients that stay on patches; gh = 0: of all pixels */
	struct et_loss loss;
	struct et_program *train, *eval;
	struct et_arena hold, live, work;
	bool frozen_bn;
	int moments; /* as planned */
	size_t hold_bytes, bytes_weights, bytes_grads, bytes_optimizer;
	bool want_input_grad, want_probes; /* to be set before et_net_select() */
	bool loaded;		/* weights come from a file; to be set before et_net_set_modes() */
	bool fuse_update;	/* passes will bring a rule; to be set before et_net_plan() */
	const char *lost;	/* a weight that became NaN or Inf in an update of backward's */
	double update_s;	/* of the last et_net_loss(): seconds that updates took in it */
	bool unchained;		/* no gradients on patches between layers */
	bool unfused, unshared; /* for tests: plans that fuse nothing; that overwrite nothing and
				   give every tensor memory of its own */
	bool unchunked;		/* for tests: every layer runs for the whole batch at once */
	int chunk_growth;	/* for tests: nodes after which chunks may have an image more */
};

/* Shapes, parameters; nothing is allocated for tensors yet. The spec must outlive the net. */
int et_net_build(struct et_net *net, const struct et_spec *spec, const struct et_ctx *ctx,
		 struct et_err *err) ET_MUST_CHECK;
void et_net_free(struct et_net *net);

/*
 * Which parameters train: comma-separated globs over parameter names ("layer4.*", "fc"), a glob
 * that matches a layer's name stands for all its parameters; "" means all. last > 0: the last K
 * convolutions, and every layer behind the first of them (batch norm only in batch mode). A glob
 * that matches nothing is an error. Then marks what backward must visit.
 */
int et_net_select(struct et_net *net, const char *globs, int last, bool frozen_bn,
		  struct et_err *err) ET_MUST_CHECK;

/*
 * The gradient mode of every trained layer: `recipe`, or the last of by_layer
 * ("GLOB=RECIPE;GLOB=RECIPE", may be "") whose glob matches the layer, as in et_net_select(). A
 * layer takes of its recipe what it accepts; a technique that no layer takes is an error. Only
 * techniques on the axis of steps are left to the caller, in *recipe_of_net (may be NULL).
 */
int et_net_set_modes(struct et_net *net, const char *recipe, const char *by_layer,
		     struct et_recipe *recipe_of_net, struct et_err *err) ET_MUST_CHECK;
/* The recipe of one layer with weights, "exact" or "filter:4", into buf. Returns buf. */
const char *et_net_mode_text(const struct et_node *node, char buf[256]);
/* "filter:4 on 4 layers, exact on 1": the recipes of the layers that train. Returns buf. */
const char *et_net_modes_text(const struct et_net *net, char *buf, size_t n);
/* Of the `*of` layers that could make both products at once, how many do: known after
 * et_net_alloc(). */
int et_net_walks(const struct et_net *net, int *of);
/* Does a glob speak of a layer: by its name, or that of a block above it? */
bool et_net_glob(const char *glob, const char *layer);

/*
 * Plans for batches of up to train_batch and eval_batch images (0 = not needed) and fills *m for
 * each (either may be NULL). Nothing is reserved; not after et_net_alloc(). moments: how many a
 * trained parameter has. ET_EFIT for sizes beyond the addresses of the machine.
 */
int et_net_plan(struct et_net *net, int train_batch, int eval_batch, int moments,
		struct et_memory *train, struct et_memory *eval, struct et_err *err) ET_MUST_CHECK;
/* Multiply-adds of one image forward and backward, and layers with weights that train. */
void et_net_count(const struct et_net *net, double *forward, double *backward, int *trained);
/*
 * Reserves the arenas of the last plan and lays the parameters out. Where a mode has another way to
 * the same bits, both are timed, in the memory of a step.
 */
int et_net_alloc(struct et_net *net, struct et_err *err) ET_MUST_CHECK;

/* He-normal (fan out) for convolutions, PyTorch's uniform for linear layers; 1 and 0 for batch
 * norm. */
void et_net_init(struct et_net *net, uint64_t seed);

/* One pass. */
struct et_pass {
	const float *x; /* [n, h, w, c] */
	int n;
	bool training;
	uint64_t seed, step; /* for dropout and modes */
	size_t first;	     /* number of the first image within the whole batch */
	/* All that trains is updated in backward; needed when fuse_update was set, and no
	 * gradient is left then. */
	const struct et_rule *rule;
	/*
	 * Features: what the frozen layers at the beginning make of an image, et_net_features()
	 * floats. [n], or NULL: nothing is kept. feature[i] with known[i]: they are there, and are
	 * used; x then holds the pictures of the others alone, in their order. Without: they are
	 * put there, or nowhere if it is NULL.
	 */
	float *const *feature;
	const bool *known;
};
/* Floats of an image's features, by the training or evaluation program; 0: nothing to keep. */
size_t et_net_features(const struct et_net *net, bool training);
/* Returns the logits [n * rows, classes], valid until the next call; et_net_loss() is one. */
const float *et_net_forward(struct et_net *net, const struct et_pass *pass);
/*
 * Loss of the last forward; with backward, adds to the gradients of the parameters that train.
 * norm: et_loss_norm of the whole batch. With a rule, nothing is done backward when the loss is not
 * finite.
 */
void et_net_loss(struct et_net *net, const struct et_pass *pass, const int32_t *label, double norm,
		 bool backward, struct et_loss_sum *sum);
/* Gradient with respect to the input, when net->want_input_grad was set before et_net_select();
 * else NULL. */
const float *et_net_input_grad(const struct et_net *net);
void et_net_zero_grad(struct et_net *net);
/* Values of p->grad: fewer than weights when taps share them. */
static inline size_t et_param_grads(const struct et_param *p)
{
	return p->count / p->taps;
}

/*
 * Names the first layer whose parameters or output are not finite on this pass; runs it again,
 * looking. buf gets "layer conv1: output" or such; false when everything is finite.
 */
bool et_net_find_nonfinite(struct et_net *net, const struct et_pass *pass, char *buf, size_t n);

/* ---- optimizer ------------------------------------------------------------------------------- */

int et_train_moments(const struct et_train *t);
/* SGD's step of one parameter by its gradient; false when a value became NaN or Inf. */
bool et_net_apply(const struct et_net *net, const struct et_param *p, const struct et_rule *rule);
/*
 * One update of all that trains: gradient-norm clipping (PyTorch's clip_grad_norm_), then SGD, Adam
 * or AdamW as PyTorch computes them. step counts from 0. *norm: total gradient norm when clipping,
 * else NaN. Leaves alone what backward updated by a rule. Returns the name of a parameter that
 * became NaN or Inf, here or there, or NULL.
 */
const char *et_net_update(struct et_net *net, const struct et_train *t, double lr, uint64_t step,
			  double *norm);

/* ---- weights in files ------------------------------------------------------------------------ */

/*
 * All parameters and running statistics under PyTorch's names in PyTorch's layout; or, with
 * moments, the optimizer's moments as "NAME.m1", "NAME.m2".
 */
int et_net_write(const struct et_net *net, struct et_writer *w, bool moments,
		 const char *const *meta, size_t n_meta, struct et_err *err) ET_MUST_CHECK;
/* Names of tensors: the first few for one line, and all of them. */
#define ET_NAMES_SHOWN 5
struct et_name_list {
	size_t count;
	char *first, *all; /* separated by ", " and by newlines; NULL: none */
};
/* How the tensors of a file met the parameters of a network. */
struct et_match {
	size_t taken;	     /* parameters that have their values from the file */
	size_t folded;	     /* convolutions that took in a batch norm */
	const char *renamed; /* whose names were translated: "timm's MobileNetV2"; NULL: nobody's */
	char dropped[256];   /* the classifier of other classes, which keeps its values; "": none */
	struct et_name_list missing, misfit, unexpected;
};
void et_match_free(struct et_match *match);

enum et_read {
	ET_READ_STRICT, /* a run's own file: every name and shape as it is, and nothing else */
	ET_READ_WHOLE,	/* others' names too, and another number of classes; all must be there */
	ET_READ_PARTIAL /* what fits; parameters that the file lacks keep their values */
};
/*
 * Loads by name. Beyond ET_READ_STRICT:
 * - prefixes module., model., backbone., _orig_mod. do not count, in the file or the network;
 * - timm's MobileNetV2 comes with torchvision's names;
 * - a convolution with a bias takes in the batch norm behind it in the file that the network has
 *   not, in double precision, with this eps: for networks whose batch norm is folded;
 * - num_batches_tracked may be absent;
 * - a last linear or convolution layer whose number of classes differs keeps its values.
 * Anything else missing, unexpected or of another shape is ET_EDATA naming the first of them, and
 * no parameter has changed; with ET_READ_PARTIAL only a file of which nothing fits. *match (may be
 * NULL) says what was found, after an error too, and is the caller's to free.
 */
int et_net_read(struct et_net *net, const struct et_st *st, enum et_read how, double eps,
		struct et_match *match, struct et_err *err) ET_MUST_CHECK;
/*
 * The gradient of a parameter that trains, in PyTorch's layout and shape (a kernel's OIHW), into
 * out[p->count]; what the taps of a kernel share stands at each of them. The parameter must not be
 * fused.
 */
void et_param_grad_torch(const struct et_param *p, float *out);
int et_net_read_moments(struct et_net *net, const struct et_st *st,
			struct et_err *err) ET_MUST_CHECK;

/* ---- for other programs ---------------------------------------------------------------------- */

/* How a net is put into an ONNX file. */
struct et_onnx_form {
	const char *name, *version; /* of the graph; of this program */
	bool fold;		 /* batch norm behind a convolution or linear layer goes into it */
	bool clip;		 /* ReLU6 as Clip, else in a form that every runtime has */
	bool softmax;		 /* the output is probabilities, over the classes */
	const float *mean, *std; /* the input is pixels, 0 to 255; NULL: it is normalised */
};
/*
 * What evaluation computes, with the values of the parameters: from "input" [N,C,H,W] to "logits"
 * or "probabilities", [N,classes] or [N,classes,P,Q]. Parameters have PyTorch's names and layout.
 * meta holds n_meta pairs. Memory for the largest parameter is needed beside the net's own.
 * ET_EDATA for weights that are not finite, and as et_onnx_write(). The caller commits or aborts w.
 */
int et_net_write_onnx(const struct et_net *net, struct et_writer *w,
		      const struct et_onnx_form *form, const char *const *meta, size_t n_meta,
		      struct et_err *err) ET_MUST_CHECK;

#endif

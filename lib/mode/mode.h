/*
 * Gradient modes: one technique, one file, one constant struct et_mode. On op, kern and base.
 *
 * A NULL hook means what exact back-propagation does. A recipe is a '+'-joined list of techniques,
 * at most one an axis; a layer holds the union of their hooks, each hook from one technique.
 */
#ifndef ET_MODE_MODE_H
#define ET_MODE_MODE_H

#include "op/op.h"

/* ---- recipes --------------------------------------------------------------------------------- */

/* The axes of a recipe: two techniques on one axis exclude each other. */
enum et_axis {
	ET_AXIS_BACKWARD,
	ET_AXIS_LINEAR,
	ET_AXIS_SAVED,
	ET_AXIS_FORWARD,
	ET_AXIS_STEPS,
	ET_AXES
};

#define ET_MODE_KEYS 4
#define ET_MODE_OFF  1 /* value of a standing technique's first key, "on|off" */

/*
 * One option of a technique. In a recipe "name=value"; without a name, numbers go to the keys in
 * their order, words to the key that has them among its choices: filter:4,scale=paper.
 */
struct et_mode_key {
	const char *name;
	const char *help;
	const char *choices; /* "unbiased|paper": the value is the index; NULL: a number */
	double min, max;     /* of a number, inclusive */
	bool integer;
	double initial; /* NaN: must be given */
};

struct et_mode;

struct et_technique {
	const struct et_mode *mode; /* NULL: exact */
	double opt[ET_MODE_KEYS];   /* in the order of the mode's keys */
};

struct et_recipe {
	struct et_technique on[ET_AXES];
};

/* ET_EUSAGE naming the technique, what is expected and what was found. */
int et_recipe_parse(const char *text, struct et_recipe *recipe, struct et_err *err) ET_MUST_CHECK;
/* The same as text again, what goes without saying left out; "exact" for nothing. Returns buf. */
const char *et_recipe_text(const struct et_recipe *recipe, char *buf, size_t n);

#define ET_RECIPES     64  /* of a list */
#define ET_RECIPE_TEXT 256 /* bytes of one */
/*
 * A list of recipes, each of them checked: separated by ';', or by ',' where what follows is no
 * option of the recipe before it: a technique's name up to the end or one of ",;:+", or anything
 * before a ':', or behind a technique without options. Returns how many, in *list, which the caller
 * frees. ET_EUSAGE as et_recipe_parse().
 */
int et_recipe_list(const char *text, char (**list)[ET_RECIPE_TEXT],
		   struct et_err *err) ET_MUST_CHECK;

/* ---- what a mode gets to see ----------------------------------------------------------------- */

/* A layer with weights: a convolution, or a linear layer as a 1x1 one on a 1x1 picture. */
struct et_layer {
	const char *name;
	int index;	  /* in the net, for random streams */
	struct et_conv g; /* geometry */
	bool linear;
	bool last;     /* the classifier: no layer with weights follows */
	bool named;    /* the recipe was given for this very layer, not for the whole net */
	bool wants_dx; /* something below trains, or the input's gradient is wanted */
	bool unscaled; /* no batch norm by batch statistics sets the gradient's scale right again */
};

/* What a technique adds to the plan of a layer. */
struct et_need {
	size_t saved;  /* bytes from forward to backward instead of x; with `save` */
	size_t state;  /* bytes of its own for the whole run, filled by `prepare` */
	double dx, dw; /* multiply-adds of one image for either product */
};

/* One call of a hook. */
struct et_call {
	const struct et_ctx *x;
	const struct et_layer *layer;
	const double *opt; /* of the technique */
	int n;		   /* images */
	float *state;	   /* NULL when it needs none */
	uint64_t seed, step;
	size_t first;	       /* number of the first image within the whole batch */
	struct et_arena *work; /* scratch; measuring: count and touch nothing, as operators do */
};

/*
 * A backward: dx is overwritten, dw added to; either may be NULL = not wanted. With in_patches, dy
 * is one value for each patch of the mode's output grid, its mean there: [n, gh, gw, k]. With
 * out_patches dx shall be one value for each patch of its input grid, on which it is constant.
 */
struct et_backward {
	const void *saved; /* what `save` left; x itself without `save` */
	const float *w;
	float *dy; /* may be used as scratch */
	float *dx, *dw;
	bool in_patches, out_patches;
};

/* SGD as the optimizer does it: g = dw + weight_decay*w; v = momentum*v + g; w -= lr*v. */
struct et_rule {
	float lr, momentum, weight_decay;
};

/* ---- a technique ----------------------------------------------------------------------------- */

struct et_mode {
	const char *name;      /* as typed in a recipe */
	const char *help;      /* one line, no full stop */
	const char *reference; /* paper, or NULL */
	enum et_axis axis;
	struct et_mode_key key[ET_MODE_KEYS]; /* those with a name */
	/*
	 * Its dw is the same at every tap of a kernel: gradients are [k][c/groups] (depthwise [c])
	 * then, in memory and for `backward`, and the optimizer meets each of them at all taps.
	 */
	bool flat_dw;
	bool whole_batch; /* micro-batches would change the result */
	bool standing; /* in every recipe that does not say NAME:off; exact's numbers, so it may */

	/*
	 * Can it run on this layer? ET_EUSAGE with the reason if not. Asked for every layer that
	 * trains before anything is allocated.
	 */
	int (*accepts)(const struct et_layer *l, const double *opt, struct et_err *err);
	/* Worst case for n images. Scratch is found by measuring calls of the hooks. */
	void (*plan)(const struct et_layer *l, const double *opt, int n, struct et_need *need);
	/*
	 * Patches: dy matters only by its means over the patches of *out, and dx is constant on
	 * the patches of *in. Such gradients can stay on the grid between layers.
	 */
	void (*grids)(const struct et_layer *l, const double *opt, struct et_grid *out,
		      struct et_grid *in);

	/* Once a step, after the first forward of the layer and before its backward: fills state.
	 */
	void (*prepare)(const struct et_call *c, const float *w);
	/* Fills `saved` right after the exact forward of x. NULL: x itself is kept. */
	void (*save)(const struct et_call *c, const float *x, void *saved);
	/* Edits dy [n,p,q,k] in place before both products. The bias has got its gradient by then.
	 */
	void (*delta)(const struct et_call *c, float *dy);
	/* Fills b, of the weights' own layout, with what stands for w in dx. */
	void (*weight_dx)(const struct et_call *c, const float *w, float *b);
	/* Replaces the exact products. */
	void (*backward)(const struct et_call *c, const struct et_backward *b);
	/*
	 * Both exact products at once, in the same bits: for layers of which both are wanted. The
	 * net times it against the products one after the other before the first step, and takes
	 * what is faster; where `always` says so it is not asked.
	 */
	void (*both)(const struct et_call *c, const struct et_conv_pair *p);
	bool (*always)(const double *opt);
	/*
	 * Backward and SGD's step in one pass, without a gradient; only where nothing else must see
	 * the gradient. v may be NULL. dx is from the old w. Returns false when a new weight is NaN
	 * or Inf.
	 */
	bool (*step)(const struct et_call *c, const float *x, const float *dy, float *dx, float *w,
		     float *v, const struct et_rule *rule);
	/* Is the whole mini-batch number `drawn` to be skipped, before anything of it is decoded?
	 */
	bool (*skip_batch)(const double *opt, uint64_t seed, uint64_t drawn);
	/* Does the optimizer go on without a gradient then? NULL: no. */
	bool (*coasts)(const double *opt);
};

/* All modes, "exact" first; terminated by NULL. */
extern const struct et_mode *const et_modes[];

/* The techniques of a layer, by hook; NULL = exact. They point into `on`. */
struct et_hooks {
	struct et_recipe on;
	const struct et_technique *save, *delta, *weight_dx, *backward, *both, *step;
};

/*
 * What of a recipe a layer accepts: techniques that don't accept it are left out, and the first
 * reason is put into *why (code ET_OK when there is none). ET_EUSAGE when two techniques both
 * provide one hook.
 */
int et_hooks_resolve(struct et_hooks *h, const struct et_recipe *recipe, const struct et_layer *l,
		     struct et_err *why, struct et_err *err) ET_MUST_CHECK;
/* The sum of what its techniques need. dx and dw are exact's where no technique says otherwise. */
struct et_need et_hooks_need(const struct et_hooks *h, const struct et_layer *l, int n);

#endif

/*
 * Gradient modes: one technique, one file, one constant struct et_mode. On op, kern and base.
 *
 * A NULL hook means what exact back-propagation does. A recipe is a '+'-joined list of techniques,
 * at most one an axis; a layer holds the union of their hooks.
 */
#ifndef ET_MODE_MODE_H
#define ET_MODE_MODE_H

#include "op/op.h"

/* The axes of a recipe: two techniques on one axis exclude each other. */
enum et_axis {
	ET_AXIS_BACKWARD,
	ET_AXIS_LINEAR,
	ET_AXIS_SAVED,
	ET_AXIS_FORWARD,
	ET_AXIS_STEPS,
	ET_AXES
};

/* What a mode sees of a layer with weights: a convolution, or a linear layer as a 1x1 one. */
struct et_layer {
	const char *name;
	int index;	  /* in the net, for random streams */
	struct et_conv g; /* geometry; h = w = 1 for a linear layer */
	bool linear;
};

struct et_mode {
	const char *name;      /* as typed in a recipe */
	const char *help;      /* one line */
	const char *reference; /* paper, or NULL */
	enum et_axis axis;

	/*
	 * Bytes of what survives from forward to backward instead of x, for n images; with `save`
	 * only.
	 */
	size_t (*saved_bytes)(const struct et_layer *l, int n);
	/* Fills `saved` after the exact forward of x. NULL: x itself is kept. */
	void (*save)(const struct et_ctx *c, const struct et_layer *l, int n, const float *x,
		     void *saved, struct et_arena *work);
	/*
	 * Replaces the exact products. saved is x itself when `save` is NULL. dx is overwritten, dw
	 * added to; either may be NULL = not wanted.
	 */
	void (*backward)(const struct et_ctx *c, const struct et_layer *l, int n, const void *saved,
			 const float *w, const float *dy, float *dx, float *dw,
			 struct et_arena *work);
};

/* All modes, "exact" first; terminated by NULL. */
extern const struct et_mode *const et_modes[];

/* The mode a recipe names. ET_EUSAGE naming the unknown technique and the nearest known one. */
int et_mode_parse(const char *recipe, const struct et_mode **mode,
		  struct et_err *err) ET_MUST_CHECK;

#endif

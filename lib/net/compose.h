/* Private to net: layers of a composite type, appended one after another. */
#ifndef ET_NET_COMPOSE_H
#define ET_NET_COMPOSE_H

#include "net/spec.h"

/*
 * A composite being expanded. The first failure sticks in status, later calls do nothing; names of
 * layers are what the composite is called and a suffix.
 */
struct et_compose {
	struct et_spec_builder *b;
	const char *name;
	struct et_err *err;
	int at;	    /* current layer, or -1 = input: what the next one takes */
	int status; /* of the last call: a layer, or negative after a failure */
	bool norms; /* batch norm behind convolutions; else these have biases */
};

/* A square convolution that keeps the size at stride 1; 0 stands for 1. */
struct et_compose_conv {
	int out, kernel, stride, dilation, groups;
};

/* What is current: its shape. */
struct et_shape et_compose_shape(const struct et_compose *c);
/* Goes on from another layer. */
void et_compose_from(struct et_compose *c, int layer);
/* A layer without attributes. */
void et_compose_plain(struct et_compose *c, const char *suffix, const struct et_type *type);
/* add or concat of those layers. */
void et_compose_join(struct et_compose *c, const char *suffix, const struct et_type *type,
		     const int *in, int n);
void et_compose_conv(struct et_compose *c, const char *suffix, struct et_compose_conv conv);
/* The last layer of a classifier: 1x1 with bias. */
void et_compose_logits(struct et_compose *c, const char *suffix, int out);
/* Nothing where there is no batch norm. */
void et_compose_norm(struct et_compose *c, const char *suffix);
/* Nothing where p is 0. */
void et_compose_dropout(struct et_compose *c, const char *suffix, double p);
/* Means over the tiles of a grid of size x size. */
void et_compose_pool(struct et_compose *c, const char *suffix, int size);
/* Bilinear, to the height and width of `like`; nothing where they are those already. */
void et_compose_resize(struct et_compose *c, const char *suffix, struct et_shape like);

/* ---- keys ------------------------------------------------------------------------------------ */

/*
 * "out_channels" of a block: required, and scaled as the spec says.
 */
int et_compose_width(const struct et_spec_builder *b, const cJSON *o, const char *where, int64_t *v,
		     struct et_err *err) ET_MUST_CHECK;
/* One to `room` whole numbers from 1 to max; those that are there stay when the key is absent. */
int et_compose_list(const cJSON *o, const char *where, const char *key, int max, int *v, int room,
		    int *n, struct et_err *err) ET_MUST_CHECK;

/* ---- the types ------------------------------------------------------------------------------- */

/* blocks.c, heads.c */
extern const struct et_composite et_basic_block, et_inverted_residual, et_fcn, et_aspp, et_psp,
	et_uper;

#endif

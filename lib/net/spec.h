/* Private to net: a spec under construction. */
#ifndef ET_NET_SPEC_H
#define ET_NET_SPEC_H

#include <cjson/cJSON.h>

#include "net/types.h"

#define ET_SIDE_MAX 8192 /* of any picture or feature map */

struct et_spec_builder {
	struct et_spec *spec;
	int cap;
	/* Names that `inputs` may use: of layers, and of composites (their last layer). */
	struct et_name {
		char *name;
		int layer;
	} * names;
	int n_names, cap_names;
};

/* Shape of a layer's output; -1 = the net's input. */
struct et_shape et_spec_shape(const struct et_spec *spec, int layer);

/* Appends a layer, infers its shape; returns its index or a negative status. name is copied. */
int et_spec_add(struct et_spec_builder *b, const char *name, const struct et_type *type,
		const int *in, int n_in, const union et_attr *u, struct et_err *err) ET_MUST_CHECK;
int et_spec_name(struct et_spec_builder *b, const char *name, int layer,
		 struct et_err *err) ET_MUST_CHECK;

/* May a layer, or a part of one, be called so? `key` of `where` holds the name; at most max bytes.
 */
int et_spec_check_name(const char *where, const char *key, const char *name, size_t max,
		       struct et_err *err) ET_MUST_CHECK;

/* A layer by the name that `key` of `where` gives; -1 for "input". */
int et_spec_find(const struct et_spec_builder *b, const char *where, const char *key,
		 const char *name, int *layer, struct et_err *err) ET_MUST_CHECK;
/* ET_EDATA, naming the nearest type. */
int et_spec_unknown_type(const char *where, const char *type, struct et_err *err);

/*
 * Keys of a layer, as et_json_int(). The width: an integer from 1 to max, or the text "classes".
 * "out_channels" of a convolution or block: the same, a number scaled by the spec's width_mult or
 * the layer's min_width_mult, whichever is larger. "size": one or two numbers, or those of a layer
 * that is named.
 */
int et_spec_width(const struct et_spec_builder *b, const cJSON *o, const char *where,
		  const char *key, int64_t max, int64_t *v, struct et_err *err) ET_MUST_CHECK;
int et_spec_channels(const struct et_spec_builder *b, const cJSON *o, const char *where,
		     int64_t max, int64_t *v, struct et_err *err) ET_MUST_CHECK;
int et_spec_size(const struct et_spec_builder *b, const cJSON *o, const char *where, int size[2],
		 struct et_err *err) ET_MUST_CHECK;

/* The object "defaults" of a spec: types and their keys are known. May be NULL. */
int et_spec_check_defaults(const cJSON *defaults, struct et_err *err) ET_MUST_CHECK;
/* A copy of a layer with what it leaves to the defaults of its type; NULL: out of memory. */
cJSON *et_spec_with_defaults(const struct et_spec_builder *b, const cJSON *o, const char *type);

/* Reads element `position` of the array of layers. */
int et_spec_layer(struct et_spec_builder *b, const cJSON *o, int position,
		  struct et_err *err) ET_MUST_CHECK;

/* A type that stands for several layers, whose names begin with its own. */
struct et_composite {
	const char *name;
	const char *const *keys;
	int min_in, max_in;
	/* Appends the layers; returns the index of the last or a negative status. */
	int (*expand)(struct et_spec_builder *b, const char *name, const cJSON *o,
		      const char *where, const int *in, int n_in, struct et_err *err);
};
const struct et_composite *et_composite_find(const char *name);
const struct et_composite *et_composite_at(size_t i);

#endif

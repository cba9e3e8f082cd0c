/*
 * Private to net: what a layer type is, and what its functions get to see of a pass.
 */
#ifndef ET_NET_TYPES_H
#define ET_NET_TYPES_H

#include "net/net.h"

#define ET_IN_MAX 16 /* inputs of one layer */

/* Indices into et_node.param. */
enum { ET_P_WEIGHT, ET_P_BIAS, ET_P_MEAN, ET_P_VAR, ET_P_TRACKED };

/* What backward will look at again. */
enum { ET_KEEP_IN0 = 1, ET_KEEP_IN1 = 2, ET_KEEP_OUT = 4 };

struct et_graph;	/* onnx.h */
struct et_spec_builder; /* spec.h */

struct et_exec {
	struct et_net *net;
	struct et_program *program;
	const struct et_pass *pass;
	struct et_arena *work;
	int n;	   /* images */
	int image; /* the first of them within the pass: where tensors are those of all */
	bool back; /* in backward */
};

struct et_type {
	const char *name;
	const char *const *keys; /* beyond name, type, inputs; NULL-terminated, may be NULL */
	int min_in, max_in;
	/* Reads the keys of a JSON object, a layer of b's spec, into u. NULL: there are none. */
	int (*parse)(const struct et_spec_builder *b, const struct cJSON *o, const char *where,
		     union et_attr *u, struct et_err *err);
	/* Output shape; completes u. NULL: that of the first input. */
	int (*shape)(union et_attr *u, const struct et_shape *in, int n_in, struct et_shape *out,
		     struct et_err *err);
	bool in_place; /* may write over input 0 forward, and over dy backward */
	unsigned (*keeps)(const struct et_node *node); /* NULL: nothing */
	/* Bytes from forward to backward; NULL: none. */
	size_t (*saved)(const struct et_net *net, const struct et_node *node, int n);
	void (*measure)(struct et_exec *x, const struct et_node *node,
			bool training); /* counts in x->work */
	void (*forward)(struct et_exec *x, struct et_node *node);
	void (*backward)(struct et_exec *x, struct et_node *node);
	double (*mac)(const struct et_node *node); /* of one image's forward; NULL: not counted */
	/* Can all passes over input 0 take a prologue? NULL: no. */
	bool (*prologue)(const struct et_node *node);
	/* Can backward take in batch norm on either side of the layer (et_fused)? NULL: no. */
	bool (*walks)(const struct et_net *net, const struct et_node *node);
	void (*onnx)(struct et_graph *x, const struct et_node *node); /* its nodes: onnx.h */
};

const struct et_type *et_type_find(const char *name);
/* The i-th type, NULL past the last. */
const struct et_type *et_type_at(size_t i);

extern const struct et_type et_type_conv2d, et_type_linear, et_type_batchnorm2d, et_type_relu,
	et_type_relu6, et_type_hardswish, et_type_sigmoid, et_type_maxpool2d, et_type_avgpool2d,
	et_type_global_avgpool2d, et_type_adaptive_avgpool2d, et_type_add, et_type_mul,
	et_type_concat, et_type_upsample2d, et_type_dropout, et_type_flatten, et_type_loss;

/* ---- what a pass gives to a layer: pointers into the arenas ---------------------------------- */

/* Values of a tensor by number (0 = the input); NULL when this pass does not write it out. */
float *et_tensor(const struct et_exec *x, int tensor);
/* An input's, the output's values. */
const float *et_in(const struct et_exec *x, const struct et_node *node, int i);
/*
 * Input 0 of a type with a prologue: its values; or, when it is not written out, those it is made
 * from, and in *pro how. Returns pro in that case, else NULL.
 */
bool et_by_prologue(const struct et_exec *x, const struct et_node *node); /* is it not? */
const struct et_prologue *et_in_prologue(const struct et_exec *x, const struct et_node *node,
					 struct et_prologue *pro, const float **in);
float *et_out(const struct et_exec *x, const struct et_node *node);
/* What forward left for backward; NULL when this pass has no backward or this node takes no part in
 * it. */
void *et_saved(const struct et_exec *x, const struct et_node *node);
/*
 * The patches that the gradient of a tensor is given on, one value each; NULL: it has a value for
 * every pixel. Types that don't ask for it never meet such a gradient (chain.c).
 */
const struct et_grid *et_patches(const struct et_net *net, int tensor);
/* Values of the gradient of a node's output for the images of this pass. */
size_t et_dy_count(const struct et_exec *x, const struct et_node *node);
/* Gradient of the output; nobody needs it after this node's backward. */
float *et_dy(const struct et_exec *x, const struct et_node *node);
/*
 * Where to write the gradient of input i: NULL when it is not wanted. et_dx_end() adds it to what
 * other layers contributed. For an in_place type and i = 0 it is the array of dy, so the inputs of
 * a layer are gone through from the last to the first.
 */
float *et_dx_begin(const struct et_exec *x, const struct et_node *node, int i);
void et_dx_end(const struct et_exec *x, const struct et_node *node, int i);
/* Value and gradient of a parameter; NULL when there is none, or it does not train. */
const float *et_value(const struct et_exec *x, const struct et_node *node, int which);
float *et_value_grad(const struct et_exec *x, const struct et_node *node, int which);

static inline struct et_shape et_in_shape(const struct et_net *net, const struct et_node *node,
					  int i)
{
	int t = node->in[i];
	return t ? net->nodes[t - 1].out : net->input;
}

/*
 * What the program fused into a convolution: batch norm with constant statistics, an activation,
 * and a residual tensor, applied in its epilogue; into a batch norm: an activation. -1 or NONE
 * where there is nothing.
 */
struct et_fused {
	int bn;	      /* node */
	int residual; /* tensor */
	enum et_act act;
	int out;     /* the tensor that it writes */
	int moments; /* node of the batch norm that wants those of the output */
	/*
	 * Backward, of a convolution that makes both products in one walk: the batch norm behind it
	 * that dy comes through on the way, and the one before it whose sums it gathers. Of a batch
	 * norm: dx is left to the convolution before it; sums come from the one behind it.
	 */
	int through, sums;
	bool left, summed;
};
const struct et_fused *et_fused_of(const struct et_exec *x, const struct et_node *node);

/* scale and shift of batch norm with running statistics: gamma/sqrt(var+eps), beta - mean*scale. */
void et_bn_constants(const struct et_net *net, const struct et_node *bn, float *scale,
		     float *shift);

/*
 * What batch norm keeps when backward goes through it, [c] each: from forward, and from its
 * readers' backward (s1, s2) and its own (a, b, d) until its maker's; see et_bn_gather(),
 * et_bn_grad.
 */
struct et_norm_kept {
	float *mean, *invstd, *scale, *shift, *a, *b, *d;
	double *s1, *s2;
};
struct et_norm_kept et_norm_kept(const struct et_exec *x, const struct et_node *bn);
/* y = what batch norm, and the activation absorbed into it, make of its input; after its forward.
 */
void et_norm_apply(const struct et_exec *x, const struct et_node *bn, float *y);

/* ---- gradients on patches: chain.c ----------------------------------------------------------- */

/*
 * Decides for every tensor whether its gradient has one value a patch: between layers whose modes
 * work on the same patches, through activations, batch norm with constants and adds. Two kinds: a
 * value that is the gradient at every pixel of its patch, and one that is the mean of it. Fills
 * net->grid.
 */
void et_net_chain(struct et_net *net);

/* ---- modes: modes.c -------------------------------------------------------------------------- */

/* What the layers' modes need for batches of n images: state, shapes of gradients, fused updates.
 */
void et_net_plan_modes(struct et_net *net, int n);
/* The call of a hook; t is one of the node's. */
struct et_call et_call_of(const struct et_exec *x, const struct et_node *node,
			  const struct et_technique *t);

/*
 * Before the first step, with all memory there: which layers make both products at once
 * (node->walks), by the mode's word or by the time that it takes. choose.c
 */
void et_net_choose(struct et_net *net);

/* ---- measuring of modes: probe.c ------------------------------------------------------------- */

/* Each does nothing where nobody asked (node->probe). */
/* Exact's dx from dy, in x->work, where dx is wanted; counts its memory when measuring. */
const float *et_probe_dx(struct et_exec *x, const struct et_node *node, const float *dy,
			 const float *dx);
/* Zeros of dy as the products see it. */
void et_probe_dy(const struct et_exec *x, const struct et_node *node, const float *dy);
/* Adds up the mode's dx against exact's. */
void et_probe_compare(const struct et_exec *x, const struct et_node *node, const float *dx,
		      const float *exact);

#endif

/*
 * Private to net: the order of work of a pass and where its tensors lie. Forward of node i happens
 * at time i, the loss at n, backward of node i at 2n - i. Every tensor, gradient and saved thing
 * has a slot in the live arena for a span of times; slots that never live together share memory.
 */
#ifndef ET_NET_PROGRAM_H
#define ET_NET_PROGRAM_H

#include "net/types.h"

struct et_slot {
	size_t bytes, at;
	int begin, end; /* first and last time it is in use */
};

/* Nodes from the end of the segment before to this end run for `chunk` images at a time. */
struct et_segment {
	int end, chunk;
};

/* How the gradient of one input of one node is written. */
enum et_dx {
	ET_DX_NONE,  /* not wanted */
	ET_DX_OWN,   /* first contribution, straight to its slot */
	ET_DX_ALIAS, /* first contribution, in dy's own slot */
	ET_DX_TEMP,  /* to a temporary, then added */
	ET_DX_DY     /* in dy's own slot, then added */
};

/*
 * A tensor that batch norm makes of an input that backward keeps. Convolutions that can apply it
 * while reading never see it; for other layers it is written in forward, and again in backward.
 */
struct et_lazy {
	int bn;		  /* node; -1: an ordinary tensor */
	bool written;	  /* in forward: a layer reads it as it is */
	int again, until; /* nodes of the first and the last backward that reads it; -1: none */
	int slot;	  /* of what is made again */
};

struct et_program {
	bool training;
	int batch;
	int *y, *g;		/* [n+1] slots of tensors and their gradients; -1 = none */
	int *save;		/* [n] */
	int *dw;		/* [n] gradients of parameters that are updated at once */
	int *first;		/* [n+1] index of a node's first input in dx and temp */
	enum et_dx *dx;		/* by node and input */
	int *temp;		/* slots, likewise */
	struct et_fused *fused; /* [n] */
	bool *skip;		/* [n] forward is done by an earlier node */
	bool *absorbed;		/* [n] backward too */
	struct et_lazy *lazy;	/* [n+1] */
	int prefix;		/* nodes before this one do the same to a picture in every step */
	int *cut, n_cut;	/* tensors that they make and later ones read */
	size_t features; /* floats of the cut tensors, of one image; 0: no convolution there */
	struct et_segment *segments; /* the last ends with the net */
	int n_segments;
	bool *whole; /* [n+1] the tensor's memory is for the whole batch, not for a chunk */
	struct et_slot *slots;
	int n_slots, cap_slots;
	size_t live;  /* bytes of the live arena */
	size_t saved; /* of those, alive between forward and backward */
	size_t work;  /* bytes of the work arena */
};

/* The tensor whose gradient is a node's dy: that of the activation absorbed into it, or its own. */
static inline int et_dy_tensor(const struct et_program *p, const struct et_node *node)
{
	return node->type == &et_type_batchnorm2d ? p->fused[node->index].out : node->index + 1;
}

/* Floats from the gradient of one parameter to the next's in the slot of their node. */
static inline size_t et_dw_stride(const struct et_param *p)
{
	return et_ceil_div(et_param_grads(p), 16) * 16;
}

int et_program_make(struct et_program **program, struct et_net *net, bool training, int batch,
		    struct et_err *err) ET_MUST_CHECK;
void et_program_free(struct et_program *p);

/*
 * Gradients of a node's parameters that are updated at once: there, and 0, from before its backward
 * until they have been used, or have not. pass.c
 */
void et_gradients_open(const struct et_exec *x, const struct et_node *node);
void et_gradients_close(const struct et_exec *x, const struct et_node *node, bool use);

/* Batch norm in training: what is absorbed into it, and which tensors need not be kept. lazy.c */
void et_program_lazy(struct et_program *p, const struct et_net *net);

/* Finds prefix, cut and features. False: out of memory. */
bool et_program_cut(struct et_program *p, const struct et_net *net);

/* Finds the segments; after et_program_cut(). False: out of memory. */
bool et_program_chunk(struct et_program *p, const struct et_net *net);
/* The segment that a node is in, and its first node. */
const struct et_segment *et_segment_of(const struct et_program *p, int node);
int et_segment_begin(const struct et_program *p, const struct et_segment *s);

/* Gives every slot its place; returns the total. Slots of overlapping spans don't overlap. */
size_t et_slots_place(struct et_slot *slots, int n);

#endif

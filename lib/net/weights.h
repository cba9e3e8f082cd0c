/* Private to net: which tensors of a file are which parameters of a network. */
#ifndef ET_NET_WEIGHTS_H
#define ET_NET_WEIGHTS_H

#include "net/net.h"

/*
 * The tensors of a file under the names that a network may have for them: without the prefixes that
 * wrappers add, and with torchvision's names where the file has timm's MobileNetV2. Names that are
 * a network's own as they stand are never changed.
 */
struct et_names {
	const struct et_st *st;
	char **name;	     /* [st->n], each owned */
	const char *renamed; /* whose names were turned into torchvision's; NULL: nobody's */
};
int et_names_open(struct et_names *names, const struct et_net *net, const struct et_st *st,
		  struct et_err *err) ET_MUST_CHECK;
void et_names_close(struct et_names *names);

/* Is that the name of a parameter of the network? */
bool et_names_param(const struct et_net *net, const char *name);
/* The tensor for a parameter of that name: index into st->tensors, or -1. */
ptrdiff_t et_names_find(const struct et_names *names, const char *param);

/*
 * The batch norm behind a convolution in the file, for networks that have it folded: of
 * "conv1.weight" that is bn1, of "conv.0.weight" 1 beside it, of "expand.conv.weight" expand.bn.
 * The convolution is sought as NAME and as NAME.conv. True when its weight, and the four tensors of
 * a batch norm, are there; then all are indices into st->tensors, tracked may be -1.
 */
struct et_names_pair {
	ptrdiff_t weight, bias; /* bias: the convolution's own, or -1 */
	ptrdiff_t gamma, beta, mean, var, tracked;
};
bool et_names_norm(const struct et_names *names, const char *conv, struct et_names_pair *pair);

#endif

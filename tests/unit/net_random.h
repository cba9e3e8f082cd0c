/* Random nets: every layer type, tensors read by several layers, blocks, branches that meet. */
#ifndef TEST_NET_RANDOM_H
#define TEST_NET_RANDOM_H

#include "net_case.h"

struct random_net {
	char *text;	 /* the spec */
	char *trainable; /* some of its layers with weights, or "" */
	int last;	 /* or the last so many convolutions */
};

/* smooth: only differentiable layers. The same numbers make the same net. */
struct random_net random_net(struct et_rng *r, bool smooth);

#endif

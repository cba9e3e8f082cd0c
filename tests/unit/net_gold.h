/* PyTorch's numbers for whole nets: cases of tests/gold/net-*.safetensors, made by net.py there. */
#ifndef TEST_NET_GOLD_H
#define TEST_NET_GOLD_H

#include "gold.h"
#include "net_case.h"

/* The spec a case was computed from. */
const char *net_gold_spec(const struct gold_case *c);
/* A parameter's numbers of one kind ("p" before, "grad", "after", "end"), in memory's layout. */
float *net_gold_param(const struct gold_case *c, const char *kind, const struct et_param *p);
/* Sets all parameters to those before. */
void net_gold_load(const struct gold_case *c, struct et_net *net);
/* n pictures in memory's layout. */
float *net_gold_pictures(const struct gold_case *c, const struct et_net *net, const char *name,
			 int n);
/* Fails when got is off by more than a share of want's largest. */
void net_gold_check(const char *what, const float *got, const float *want, size_t n, double most);

#endif

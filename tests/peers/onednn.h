/* One convolution by oneDNN 2.x, in the memory layouts that oneDNN itself likes best. */
#ifndef PEERS_ONEDNN_H
#define PEERS_ONEDNN_H

#include "ours.h"

struct onednn_conv;

/*
 * Tensors are PyTorch's: x[n,c,h,w], w[k,c/groups,kh,kw], dy[n,k,p,q]; they are reordered here,
 * once, to what each of the three primitives asked for. automatic: oneDNN may choose Winograd;
 * otherwise it computes directly. Any failure ends the program with one line.
 */
struct onednn_conv *onednn_open(const struct et_conv *g, int n, bool automatic, const float *x,
				const float *w, const float *dy);
void onednn_close(struct onednn_conv *o);

/* Computes y, dx or dw, without any reordering. */
void onednn_run(struct onednn_conv *o, enum pass pass);
/* The result of the last run, in PyTorch's layout. */
void onednn_result(struct onednn_conv *o, enum pass pass, float *out);
/* The implementation oneDNN chose, such as "jit:avx512_core". */
const char *onednn_name(const struct onednn_conv *o, enum pass pass);
/* "2.6.3" and the threads' runtime. */
const char *onednn_version(void);

#endif

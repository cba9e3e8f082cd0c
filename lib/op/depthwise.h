/* Private to op: depthwise convolution, row by row on the kernels of kern. Arguments as in op.h. */
#ifndef ET_OP_DEPTHWISE_H
#define ET_OP_DEPTHWISE_H

#include "op/op.h"

/* Of the epilogue, scale, residual and activation are applied after each row while it is in cache.
 */
void et_depthwise_forward(const struct et_ctx *x, const struct et_conv *g, int n, const float *in,
			  const float *w, const struct et_epilogue *epi, float *y);
void et_depthwise_data(const struct et_ctx *x, const struct et_conv *g, int n, const float *dy,
		       const float *w, float *dx);
void et_depthwise_weight(const struct et_ctx *x, const struct et_conv *g, int n, const float *in,
			 const float *dy, float *dw);

#endif

/*
 * Exact operators on float32 NHWC tensors, forward and backward, and the one parallel GEMM. On kern
 * and base only. OpenMP lives here: threads split outputs, never sums, and never at places that
 * depend on their number, so that the same bits come out for any number of threads.
 *
 * Conventions. n is the number of images of this call. x, y, dx, dy are contiguous [n,h,w,c].
 * Forward, an image's results do not depend on how many others there are in the call, to the bit:
 * chunks of a batch give what the batch gives. (Statistics over the batch are another matter.)
 * Scratch comes from `work`, released before return; when work only measures (base NULL), a
 * function counts what it would need and returns without touching any tensor: that is how plans are
 * made. Shapes were checked when the net was built; nothing here can fail. dx is overwritten;
 * gradients of parameters are added to.
 */
#ifndef ET_OP_OP_H
#define ET_OP_OP_H

#include "base/base.h"
#include "kern/kern.h"

struct et_team; /* threads at work together: team.h */

/* Passed to every operator. */
struct et_ctx {
	const struct et_kern *k;
	int threads;	      /* at least 1 */
	struct et_team *team; /* set by et_team_run() while it runs */
	bool direct;	      /* every convolution as the sum it is: no Winograd */
	int columns;	      /* of a packed block of GEMM's B; 0: et_gemm_fit(k, 0) */
};

static inline bool et_measuring(const struct et_arena *work)
{
	return !work->base;
}

/*
 * Calls fn(arg) with x->threads threads standing by for the operators that fn runs with x: a whole
 * step costs one start and one end of a parallel region. Operators called outside start one each.
 */
void et_team_run(struct et_ctx *x, void (*fn)(void *arg), void *arg);

/*
 * Runs fn(arg, begin, end, thread) over pieces of [0, n) whose bounds are multiples of grain (the
 * last: n); thread < x->threads. Which thread gets which piece, and how many pieces there are,
 * varies: results must not depend on it. They are begun in their order. et_parallel_in: in at most
 * `pieces` pieces, for work that repeats something in each.
 */
void et_parallel(const struct et_ctx *x, size_t n, size_t grain,
		 void (*fn)(void *arg, size_t begin, size_t end, int thread), void *arg);
void et_parallel_in(const struct et_ctx *x, size_t pieces, size_t n, size_t grain,
		    void (*fn)(void *arg, size_t begin, size_t end, int thread), void *arg);

/*
 * Grain for work element by element. Vectors and scalar tails may round differently, so that pieces
 * must end where a vector ends; words of 32 bits must not be shared.
 */
#define ET_GRAIN 8192
/* Grain for rows that are worked on alone: any would do; a thread should have more than that to do.
 */
static inline size_t et_row_grain(size_t row_floats)
{
	return et_ceil_div(ET_GRAIN, et_max(row_floats, 1));
}

/* Mean and biased variance of each channel of a convolution's output, [k]. */
struct et_moments {
	float *mean, *var;
};

/* What happens to a result on its way to memory: act(v * scale[ch] + shift[ch] + residual); members
 * may be NULL. */
struct et_epilogue {
	const float *scale, *shift; /* per output channel */
	const float *residual;	    /* shape of the output */
	enum et_act act;
	const struct et_moments *moments; /* filled with those of what is written */
};

/* ---- GEMM ------------------------------------------------------------------------------------ */

/*
 * Rows of an im2col matrix, gathered while packing, never written out: row m = (img, i, j) of an
 * n x gh x gw grid; column (t, ch) is src[img, i*sh + y[t], j*sw + x[t], c0 + ch], through the
 * prologue, or 0 outside.
 * A plain matrix is the special case gh = gw = h = w = 1 with one tap at 0,0.
 */
struct et_gather {
	const float *src;
	int n, h, w, c; /* of src; c = floats from one pixel to the next */
	int c0, cn;	/* channels used */
	int gh, gw, sh, sw;
	int taps;
	const int16_t *y, *x;	       /* [taps] offsets */
	const struct et_prologue *pro; /* of src's c channels; NULL: values as they are */
};
/* The rows of a plain matrix of `of` columns, at columns from .. from+count. */
struct et_gather et_gather_matrix(const float *src, size_t rows, int of, int from, int count);

/* Where row m = (img, i, j) of C goes: c + ((img*h + i*sh + y0)*w + j*sw + x0)*ld. */
struct et_scatter {
	int h, w, sh, sw, y0, x0;
};

/*
 * C[m, 0..cols) (acc ? += : =) A[m, :] * B, epilogue applied at the end. B is depth x cols; column
 * order of A is (tap, channel). B element (p, j) is b[p*ldb + j], or b[j*ldb + p] when bt, except
 * that tap t of A meets the rows of B (its columns when bt) that begin at b + tap_b[t] when tap_b
 * is not NULL.
 */
struct et_gemm_rows {
	struct et_gather a;
	const float *b;
	size_t ldb;
	bool bt;
	const size_t *tap_b;
	float *c;
	size_t ldc;
	const struct et_scatter *to; /* NULL: row m at c + m*ldc */
	int cols;
	bool acc;
	const struct et_epilogue *epi; /* may be NULL; residual has C's layout; moments: of all rows
					  of C, so not with `to` */
};
void et_gemm_rows(const struct et_ctx *x, const struct et_gemm_rows *g, struct et_arena *work);
/*
 * Columns of a packed block of B, whole panels, for a thread that has so many bytes of the second
 * cache; 0: unknown. They don't change a bit.
 */
int et_gemm_fit(const struct et_kern *k, uint64_t cache);

/*
 * C[rows, depth of b's columns] += D^T * A, summed over all grid rows m: c[i*ldc + (t*cn + ch)] +=
 * sum over m of d[m*ldd + i] * A[m, (t, ch)]. The weight gradient.
 */
struct et_gemm_sum {
	struct et_gather a;
	const float *d;
	size_t ldd;
	int rows;
	float *c;
	size_t ldc;
};
void et_gemm_sum(const struct et_ctx *x, const struct et_gemm_sum *g, struct et_arena *work);

/* ---- convolution and linear ------------------------------------------------------------------ */

/*
 * torch.nn.Conv2d with zero padding. Weights are [k][kh][kw][c/groups] (OHWI), except depthwise
 * (groups == c == k), where they are [kh][kw][c]. A linear layer is the 1x1 case with h = w = 1:
 * its [out][in] weights have PyTorch's own layout.
 */
struct et_conv {
	int h, w, c;
	int k;
	int kh, kw, sh, sw, ph, pw, dh, dw;
	int groups;
	int p, q; /* output height and width */
};

/* Fills p and q; ET_EDATA when a side would be smaller than 1 or the groups don't divide c and k.
 */
int et_conv_shape(struct et_conv *g, struct et_err *err) ET_MUST_CHECK;
static inline bool et_conv_depthwise(const struct et_conv *g)
{
	return g->groups > 1 && g->groups == g->c && g->k == g->c;
}
/* Number of weights: k * kh * kw * c / groups. */
size_t et_conv_weights(const struct et_conv *g);
/* Multiply-adds of one image's forward. */
double et_conv_mac(const struct et_conv *g);

/*
 * So many images at once make a forward pass's use of the weights outweigh what is done to them
 * first, packing or Winograd's transform, by far.
 */
int et_conv_images(const struct et_ctx *x, const struct et_conv *g);

/*
 * Can the products over x of this shape take a prologue? Then they have the bits that they have
 * when et_affine() and et_act_forward() write act(x*scale + shift) out first. Both scale and shift
 * are there.
 */
bool et_conv_takes_prologue(const struct et_conv *g);
/*
 * y[n,p,q,k] = x (*) w, then the epilogue (bias is epi->shift). pro and epi may be NULL. When
 * measuring, what they point to may be NULL, but not they themselves.
 */
void et_conv_forward(const struct et_ctx *x, const struct et_conv *g, int n, const float *in,
		     const struct et_prologue *pro, const float *w, const struct et_epilogue *epi,
		     float *y, struct et_arena *work);
/* dx[n,h,w,c] = convT(dy, w). */
void et_conv_data(const struct et_ctx *x, const struct et_conv *g, int n, const float *dy,
		  const float *w, float *dx, struct et_arena *work);
/* dw += sum over n,p,q of dy * x; pro (may be NULL) as in forward. */
void et_conv_weight(const struct et_ctx *x, const struct et_conv *g, int n, const float *in,
		    const struct et_prologue *pro, const float *dy, float *dw,
		    struct et_arena *work);
/*
 * et_conv_data and et_conv_weight in one walk over dy, which is used for both while it is in the
 * cache: the same bits, by what the machine is like faster or slower. Only where
 * et_conv_walks_both(). Weights beyond ET_BOTH_WEIGHTS fill the cache that dy shall stay in.
 */
#define ET_BOTH_WEIGHTS 65536
bool et_conv_walks_both(const struct et_conv *g);
struct et_bn_grad;
struct et_bn_sums;
/* What both products are of: dx is overwritten, dw added to. */
struct et_conv_pair {
	const float *in;
	const struct et_prologue *pro; /* what in goes through, or NULL */
	const float *dy, *w;
	float *dx, *dw;
	/*
	 * Batch norm on either side, where it is with the gradient in the cache already; NULL where
	 * there is none. Behind: dy is the gradient of what batch norm makes of this convolution's
	 * output, and goes through it before it is used. Before: batch norm makes what this
	 * convolution reads of `in`, and wants its sums over dx.
	 */
	const struct et_bn_grad *through;
	const struct et_bn_sums *sums;
};
/* Neither through nor sums: in whatever way is best that has their bits and needs no more scratch
 * than either. */
void et_conv_backward(const struct et_ctx *x, const struct et_conv *g, int n,
		      const struct et_conv_pair *pair, struct et_arena *work);
/*
 * For depthwise convolutions too. When measuring, pro, through and sums say by being there whether
 * they will be.
 */
void et_conv_both(const struct et_ctx *x, const struct et_conv *g, int n,
		  const struct et_conv_pair *pair, struct et_arena *work);
/* sum[c] += sum over rows of x[rows, c]: the bias gradient. */
void et_channel_sum(const struct et_ctx *x, size_t rows, int c, const float *in, float *sum,
		    struct et_arena *work);

/*
 * Sums of |in| and of in*in over n values, in double: over fixed blocks, joined in their order, so
 * that threads do not change a bit. NaN when there is one.
 */
double et_sum_abs(const struct et_ctx *x, size_t n, const float *in, struct et_arena *work);
double et_sum_squares(const struct et_ctx *x, size_t n, const float *in, struct et_arena *work);

/* Conversion of weights between memory and PyTorch's OIHW (or [out][in]); n = et_conv_weights(). */
void et_conv_to_torch(const struct et_conv *g, const float *w, float *torch);
void et_conv_from_torch(const struct et_conv *g, const float *torch, float *w);

/*
 * The sum of a convolution's weights over the taps of a kernel: out has the layout of weights with
 * keep_h ? kh : 1 by keep_w ? kw : 1 taps, which must be fewer.
 */
void et_conv_tap_sum(const struct et_ctx *x, const struct et_conv *g, bool keep_h, bool keep_w,
		     const float *w, float *out);

/* ---- patches: gradients of one value a patch ------------------------------------------------- */

/*
 * A picture of h x w cut into gh x gw patches of side_h x side_w, the first of which begins at row
 * -pad_h and column -pad_w. Of a patch exists what is inside the picture; with negative pads,
 * pixels at the rim belong to no patch. Values of patches are [n, gh, gw, c].
 */
struct et_grid {
	int h, w, side_h, side_w, gh, gw, pad_h, pad_w;
};
/* gh x gw patches centred on the picture: pad = ceil((gh*side - h)/2). Each must meet it. */
struct et_grid et_grid_make(int h, int w, int side_h, int side_w, int gh, int gw);
bool et_grid_same(const struct et_grid *a, const struct et_grid *b);
/* out = sum over the patch of in, divided by `by`; by = 0: by the number of its pixels. */
void et_patch_pool(const struct et_ctx *x, const struct et_grid *g, int n, int c, const float *in,
		   float by, float *out);
/* out[pixel] = the value of its patch, 0 where there is none. */
void et_patch_spread(const struct et_ctx *x, const struct et_grid *g, int n, int c,
		     const float *patch, float *out);
/* sum[c] += sum over all pixels, from the means of patches. */
void et_patch_total(const struct et_ctx *x, const struct et_grid *g, int n, int c,
		    const float *mean, float *sum, struct et_arena *work);
/*
 * et_act_forward that counts, for each patch (of at most 255 pixels) and channel, where the
 * gradient passes; and its backward on the grid, from a dy that is constant on patches to the mean
 * of dx: dx = dy * count / pixels.
 */
void et_act_count(const struct et_ctx *x, enum et_act act, const struct et_grid *g, int n, int c,
		  const float *in, float *y, uint8_t *count);
void et_act_share(const struct et_ctx *x, const struct et_grid *g, int n, int c,
		  const uint8_t *count, const float *dy, float *dx);
/* out[patch] = alpha * v[n, c]: every patch the same. */
void et_patch_fill(const struct et_ctx *x, const struct et_grid *g, int n, int c, float alpha,
		   const float *v, float *out);

/* ---- batch norm ------------------------------------------------------------------------------ */

/* mean[c] and biased var[c] over rows of x[rows, c]. */
void et_bn_stats(const struct et_ctx *x, size_t rows, int c, const float *in, float *mean,
		 float *var, struct et_arena *work);
/* y = act(in * scale[ch] + shift[ch]); y may be in. */
void et_affine(const struct et_ctx *x, size_t rows, int c, const float *in,
	       const struct et_prologue *p, float *y);
/*
 * Gradients of y = (x - mean) * invstd * gamma + beta. batch: mean and invstd are this batch's and
 * dx flows through them; else they are constants and dx = dy * gamma * invstd. dx, dgamma, dbeta
 * may be NULL; dx may be dy. after (may be NULL): dy is the gradient of the activation that
 * follows, act(x * scale + shift) with scale = gamma * invstd; where that is flat, dy counts as 0.
 * in may be NULL when neither batch nor dgamma nor an activation is wanted.
 */
void et_bn_backward(const struct et_ctx *x, size_t rows, int c, const float *in, const float *dy,
		    const float *mean, const float *invstd, const float *gamma, bool batch,
		    const struct et_prologue *after, float *dx, float *dgamma, float *dbeta,
		    struct et_arena *work);

/*
 * The same in three parts, for layers beside batch norm that have its tensors in the cache anyway.
 *
 * What dx depends on, sums over all rows: s1 = sum of dy', s2 = sum of dy' * (in - mean), where dy'
 * is dy, but 0 where the activation `after` is flat.
 */
struct et_bn_sums {
	const float *mean;
	const struct et_prologue *after; /* or NULL */
	double *s1, *s2;		 /* [c], overwritten */
};
void et_bn_gather(const struct et_ctx *x, size_t rows, int c, const float *in, const float *dy,
		  const struct et_bn_sums *sums, struct et_arena *work);
/* dx = a*dy' + b*in + d, by channel. */
struct et_bn_grad {
	const float *in;
	const struct et_prologue *after; /* or NULL */
	const float *a, *b, *d;
};
/* a, b, d [c]; dgamma and dbeta (may be NULL) are added to. */
void et_bn_slopes(size_t rows, int c, const struct et_bn_sums *sums, const float *invstd,
		  const float *gamma, bool batch, float *a, float *b, float *d, float *dgamma,
		  float *dbeta);
void et_bn_through(const struct et_ctx *x, size_t rows, int c, const struct et_bn_grad *grad,
		   const float *dy, float *dx);

/* ---- activations and other elementwise operators; outputs may be inputs ---------------------- */

/* Words of 32 bits for n elements. */
static inline size_t et_bit_words(size_t n)
{
	return (n + 31) / 32;
}
/* ReLU, ReLU6; bits (may be NULL) = where the gradient passes. NaN passes. */
void et_act_forward(const struct et_ctx *x, enum et_act act, size_t n, const float *in, float *y,
		    uint32_t *bits);
/* dx = bit ? dy : 0. */
void et_mask(const struct et_ctx *x, size_t n, const uint32_t *bits, const float *dy, float *dx);
void et_hardswish_forward(const struct et_ctx *x, size_t n, const float *in, float *y);
void et_hardswish_backward(const struct et_ctx *x, size_t n, const float *in, const float *dy,
			   float *dx);
/* y = 1 / (1 + exp(-x)); backward from y: dx = dy * y * (1 - y). */
void et_sigmoid_forward(const struct et_ctx *x, size_t n, const float *in, float *y);
void et_sigmoid_backward(const struct et_ctx *x, size_t n, const float *y, const float *dy,
			 float *dx);
/* y = a + b. */
void et_add_forward(const struct et_ctx *x, size_t n, const float *a, const float *b, float *y);
void et_copy(const struct et_ctx *x, size_t n, const float *a, float *y);
/* y = alpha * a. */
void et_scale(const struct et_ctx *x, size_t n, float alpha, const float *a, float *y);
/*
 * y = a * b with b of a's shape, or (gate) b [n,1,1,c] for a [n,hw,c]. Backward: da = dy*b,
 * db = dy*a (summed over hw for a gate); da, db may be NULL, may be a and b, and must not be dy.
 */
void et_mul_forward(const struct et_ctx *x, int n, size_t hw, int c, bool gate, const float *a,
		    const float *b, float *y);
void et_mul_backward(const struct et_ctx *x, int n, size_t hw, int c, bool gate, const float *a,
		     const float *b, const float *dy, float *da, float *db);
/*
 * Inverted dropout: element i of layer `layer` in step `step` is kept when its Philox number is >=
 * p, and scaled by 1/(1-p); a dropped NaN or Inf gives NaN, as in PyTorch. bits as for ReLU;
 * backward is et_mask then et_scale. first = index of this call's first element within the whole
 * batch, so that micro-batches draw the same numbers.
 */
void et_dropout_forward(const struct et_ctx *x, float p, uint64_t seed, uint64_t step,
			uint32_t layer, size_t first, size_t n, const float *in, float *y,
			uint32_t *bits);
/* Copies channels: dst[r, d0 + i] = src[r, s0 + i], i < m; rows of dc and sc floats. concat and its
 * backward. Here and below, outputs are other memory than inputs. */
void et_copy_channels(const struct et_ctx *x, size_t rows, const float *src, int sc, int s0,
		      float *dst, int dc, int d0, int m);
/* y[n, c*hw] in (channel, pixel) order from x[n, hw, c], PyTorch's flatten; and back. */
void et_flatten(const struct et_ctx *x, int n, size_t hw, int c, const float *in, float *y);
void et_unflatten(const struct et_ctx *x, int n, size_t hw, int c, const float *dy, float *dx);

/* ---- pooling and resizing -------------------------------------------------------------------- */

struct et_pool {
	int h, w, c, kh, kw, sh, sw, ph, pw, p, q;
	bool ceil_mode;
	bool include_pad; /* average: PyTorch's count_include_pad */
};
/* Fills p and q by PyTorch's rule; ET_EDATA when empty, padding above half the kernel, or a window
 * of more than 255. */
int et_pool_shape(struct et_pool *g, struct et_err *err) ET_MUST_CHECK;
/* index (may be NULL): a*kw + b of the chosen tap. The first maximum wins; NaN wins over numbers,
 * as in PyTorch. */
void et_maxpool_forward(const struct et_ctx *x, const struct et_pool *g, int n, const float *in,
			float *y, uint8_t *index);
void et_maxpool_backward(const struct et_ctx *x, const struct et_pool *g, int n, const float *dy,
			 const uint8_t *index, float *dx);
void et_avgpool_forward(const struct et_ctx *x, const struct et_pool *g, int n, const float *in,
			float *y);
void et_avgpool_backward(const struct et_ctx *x, const struct et_pool *g, int n, const float *dy,
			 float *dx);
/* AdaptiveAvgPool2d from h x w to p x q: window floor(i*h/p) .. ceil((i+1)*h/p). Global pooling is
 * p = q = 1. */
void et_adaptive_forward(const struct et_ctx *x, int n, int h, int w, int c, int p, int q,
			 const float *in, float *y);
void et_adaptive_backward(const struct et_ctx *x, int n, int h, int w, int c, int p, int q,
			  const float *dy, float *dx);
/*
 * torch.nn.functional.interpolate from h x w to p x q, align_corners=False, with the size ratio h/p
 * as scale.
 */
enum et_upsample { ET_UPSAMPLE_NEAREST, ET_UPSAMPLE_BILINEAR };
void et_upsample_forward(const struct et_ctx *x, enum et_upsample mode, int n, int h, int w, int c,
			 int p, int q, const float *in, float *y);
void et_upsample_backward(const struct et_ctx *x, enum et_upsample mode, int n, int h, int w, int c,
			  int p, int q, const float *dy, float *dx);

/* ---- loss ------------------------------------------------------------------------------------ */

/*
 * Softmax cross-entropy over rows of k logits (a row an image, or a pixel), as
 * torch.nn.CrossEntropyLoss with weight, label_smoothing and ignore_index. With w_y = weight[label]
 * (1 without weights), l = (1-s) * w_y * -log p_y  +  s/k * sum over j of w_j * -log p_j summed
 * over rows whose label is not `ignore`, divided by `norm` = the sum of w_y over the whole batch
 * (given by the caller, so that micro-batches add up to one batch).
 */
struct et_loss {
	int k;
	int ignore;	     /* a label, or -1 for none */
	float smoothing;     /* s */
	const float *weight; /* [k] or NULL */
};
struct et_loss_sum {
	double loss;	/* already divided by norm */
	size_t correct; /* rows whose largest logit (the first of equals) is the label */
	size_t rows;	/* rows not ignored */
};
/* The sum of w_y over rows not ignored. */
double et_loss_norm(const struct et_loss *l, size_t rows, const int32_t *label);
/*
 * Adds to *sum, nothing when all rows are ignored; dlogits (may be NULL, may be logits) = gradient.
 * NaN logits give a NaN loss.
 */
void et_loss_forward(const struct et_ctx *x, const struct et_loss *l, size_t rows,
		     const float *logits, const int32_t *label, double norm, float *dlogits,
		     struct et_loss_sum *sum, struct et_arena *work);

#endif

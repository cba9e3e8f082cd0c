/*
 * Kernels: numbers only. The same C source is compiled once for each instruction set; each unit
 * exports one table. No threads, no malloc, no libc but memcpy in kernels; they cannot fail,
 * because shapes were checked when the net was built. Pointers need no alignment beyond a float's.
 * Nothing reads or writes outside the ranges given here.
 */
#ifndef ET_KERN_KERN_H
#define ET_KERN_KERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Rows of a packed A panel in "row" order are this many floats apart: room for the largest KC. */
#define ET_KC_MAX 272
#define ET_MR_MAX 14
#define ET_NR_MAX 32

enum et_act { ET_ACT_NONE, ET_ACT_RELU, ET_ACT_RELU6 };

/*
 * What happens to an input on its way from memory into a product: act(v * scale[ch] + shift[ch]).
 * Padding stays 0. So batch norm and activation before a convolution need not be written out.
 */
struct et_prologue {
	const float *scale, *shift; /* per input channel */
	enum et_act act;
};

/* One row of pooling; see max_forward. */
struct et_dw_row {
	int c;		    /* channels, contiguous */
	int q;		    /* output pixels in the row */
	int w;		    /* input pixels in a row */
	int kw, sw, pw, dw; /* taps, stride, padding, dilation along the row */
};

/* Rows of a depthwise convolution; see dw_forward. */
struct et_dw {
	int c; /* channels worked on, contiguous */
	int q; /* output pixels in a row */
	int w; /* input pixels in a row */
	int kh, kw, sw, pw,
		dw;    /* taps; stride, padding (may be negative), dilation along the row */
	size_t xs, ys; /* floats from one pixel to the next, in input and output rows */
	ptrdiff_t ws;  /* floats from one tap's weights to the next; mirrored: negative */
};

/* What happens to an output row before it is written: the epilogue of op.h. */
struct et_dw_end {
	const float *scale, *shift; /* [c] */
	const float *res;	    /* as y, and other memory */
	enum et_act act;
};

/* A rectangle of pixels with a weight for each row and each column; see window. */
struct et_window {
	int rows, cols;
	size_t row, pixel;	  /* floats from one row to the next, from one pixel to the next */
	const float *wrow, *wcol; /* [rows], [cols]; both NULL: all 1 */
	float count;		  /* what the sum is divided by */
};

/* A piece of a linear layer's weights and what one pass over them needs; see one_pass. */
struct et_one_pass {
	size_t rows, cols; /* cols: a multiple of vl */
	size_t n, ld;	   /* images; floats from one row of w and v to the next */
	const float *x;	   /* [n][cols] */
	const float *dy;   /* [rows][n] */
	float *dx;	   /* [n][cols], added to */
	float *w, *v;	   /* [rows][cols]; v may be NULL */
	float lr, momentum, weight_decay, gscale;
};

/*
 * A square of pixels of which rows i0..i1 and columns j0..j1 exist; the others are padding. The
 * first that exists is at x; row and pixel are floats to the next.
 */
struct et_wino_tile {
	const float *x;
	size_t row, pixel;
	int i0, i1, j0, j1;
};

/*
 * Consecutive depths of the first row of a tile; see gemm_s. next: memory of which 16 floats a
 * depth are asked for meanwhile, not read: of the next tile.
 */
struct et_stretch {
	const float *a;
	size_t len;
	const float *next;
};

struct et_kern {
	const char *name; /* generic, avx2, avx512, neon */
	int vl;		  /* floats in a vector */
	int mr, nr, kc;	  /* tile of the micro-kernel; depth of a packed block */
	int nc;		  /* columns of a packed block where caches are unknown: a multiple of nr */

	/*
	 * c[i*ldc + j] (acc ? += : =) sum over p < k of A(i,p) * b[p*nr + j], i < mr, j < nr.
	 * gemm_k: A(i,p) = a[p*mr + i]. gemm_r: A packed by pack_r, in an order of the unit's own.
	 */
	void (*gemm_k)(size_t k, const float *a, const float *b, float *c, size_t ldc, bool acc);
	void (*gemm_r)(size_t k, const float *a, const float *b, float *c, size_t ldc, bool acc);
	/*
	 * The same for the first `vectors` vectors of each row alone, 1 <= vectors <= nr/vl: narrow
	 * layers and last panels. Bit for bit what the whole tile has there.
	 */
	void (*gemm_kv)(size_t k, const float *a, const float *b, float *c, size_t ldc, bool acc,
			int vectors);
	void (*gemm_rv)(size_t k, const float *a, const float *b, float *c, size_t ldc, bool acc,
			int vectors);

	/* gemm_kv on A where it lies: A(i,p) = a[p*lda + i]. The same bits. */
	void (*gemm_dv)(size_t k, const float *a, size_t lda, const float *b, float *c, size_t ldc,
			bool acc, int vectors);

	/* Where gemm_r has A(i,p) in its panels: a[i*r_row + p*r_depth]. */
	int r_row, r_depth;

	/*
	 * gemm_rv on rows where they lie: A(i,p) = s[0].a[i*lda + p] for p < s[0].len, then the
	 * next segment. Bit for bit what gemm_rv makes of the packed rows. NULL where tiles want
	 * their rows packed.
	 */
	void (*gemm_s)(size_t segments, const struct et_stretch *s, size_t lda, const float *b,
		       float *c, size_t ldc, bool acc, int vectors);

	/* Packs depths k0..k0+len of mr rows, rows[i] pointing at the row's len contiguous values;
	 * NULL: zeros.
	 */
	void (*pack_r)(float *dst, size_t k0, size_t len, const float *const *rows);
	/*
	 * The same of act(v * scale[p] + shift[p]), p < len, the bits of affine and act; rows[i]
	 * NULL: zeros, which stay zeros.
	 */
	void (*pack_rp)(float *dst, size_t k0, size_t len, const float *const *rows,
			const struct et_prologue *pro);
	/* k rows of cols <= mr values, src rows ld apart, to dst[p*mr + i], zeros beyond cols. */
	void (*pack_k)(float *dst, size_t k, const float *src, size_t ld, size_t cols);
	/* The same for B: dst[p*nr + j] = src[p*ld + j], zeros beyond cols <= nr. */
	void (*pack_b)(float *dst, size_t k, const float *src, size_t ld, size_t cols);
	/* Transposed: dst[p*nr + j] = src[j*ld + p], zeros beyond cols. */
	void (*pack_bt)(float *dst, size_t k, const float *src, size_t ld, size_t cols);
	/* dst[p*ld + j] = rows[p] ? rows[p][off + j] : 0, j < cols: gathered rows of any width. */
	void (*pack_rows)(float *dst, size_t ld, size_t k, const float *const *rows, size_t off,
			  size_t cols);
	/* The same of act(v * scale[off + j] + shift[off + j]), the bits of affine and act. */
	void (*pack_rows_p)(float *dst, size_t ld, size_t k, const float *const *rows, size_t off,
			    size_t cols, const struct et_prologue *pro);
	/*
	 * One row of a finished tile: v = t[j] (+ y[j] if acc); v = v*scale[j] + shift[j]; v +=
	 * res[j]; y[j] = act(v), j < n. scale, shift, res may each be NULL.
	 */
	void (*store)(size_t n, const float *t, float *y, bool acc, const float *scale,
		      const float *shift, const float *res, enum et_act act);

	/*
	 * ---- Winograd: F(m x m, 3x3), m = 2 or 4, n = m+2; y = A^T [(G w G^T) . (B^T x B)] A ----
	 * The tap (i, j) of a tile or filter in Winograd's domain has the number i*n + j.
	 */
	/*
	 * v[at[tap] + ch] = (B^T d B)[tap], d = act(x*scale[ch] + shift[ch]) at n x n pixels of c
	 * channels, 0 in the padding. scale, shift may be NULL. Writes whole vectors: c rounded up
	 * to vl floats for each tap, zeros beyond c.
	 */
	void (*wino_input)(int m, size_t c, const struct et_wino_tile *t, const float *scale,
			   const float *shift, enum et_act act, float *v, const size_t *at);
	/* The same for A d A^T of m x m pixels. */
	void (*wino_output_t)(int m, size_t c, const struct et_wino_tile *t, float *z,
			      const size_t *at);
	/*
	 * y = act((A^T M A)*scale + shift + res) at to's m x m pixels of k channels, those below i1
	 * and j1; M[tap] at v + tap*ld, k rounded up to vl floats. res is laid out as y.
	 */
	void (*wino_output)(int m, size_t k, const float *v, size_t ld,
			    const struct et_wino_tile *to, float *y, const float *scale,
			    const float *shift, const float *res, enum et_act act);
	/*
	 * Row `row` of G w G^T for count (a multiple of vl) filters side by side, tap t of which
	 * begin at w + t*ws: column j at u + j*us.
	 */
	void (*wino_filter)(int m, int row, size_t count, const float *w, size_t ws, float *u,
			    size_t us);
	/* w + t*ws += (G^T U G)[t], taps of U at us floats; rounded up to vl of each are read. */
	void (*wino_filter_t)(int m, size_t count, const float *u, size_t us, float *w, size_t ws);
	/* An mr x nr tile of c[i*ldc + j] (add ? += : =) sum over p < k of a[p*lda+i]*b[p*ldb+j].
	 */
	void (*wino_sum)(size_t k, const float *a, size_t lda, const float *b, size_t ldb, float *c,
			 size_t ldc, bool add);

	/* ---- element by element, n values; x and y may be the same array
	 * ----------------------------- */
	void (*add)(size_t n, const float *a, const float *b, float *y); /* y = a + b */
	void (*mul)(size_t n, const float *a, const float *b, float *y); /* y = a * b */
	void (*axpy)(size_t n, float alpha, const float *x, float *y);	 /* y += alpha * x */
	void (*scale)(size_t n, float alpha, const float *x, float *y);	 /* y = alpha * x */
	/*
	 * y = act(x) for ReLU or ReLU6; bit i of bits (LSB first) = the gradient passes: x > 0 (and
	 * x < 6). NaN stays NaN and passes. n must be a multiple of 32 except at the end of the
	 * array; bits may be NULL.
	 */
	void (*act)(size_t n, const float *x, float *y, uint32_t *bits, enum et_act act);
	void (*mask)(size_t n, const uint32_t *bits, const float *dy,
		     float *dx);			       /* dx = bit ? dy : 0 */
	void (*hardswish)(size_t n, const float *x, float *y); /* y = x * min(max(x+3,0),6) / 6 */
	void (*hardswish_bwd)(size_t n, const float *x, const float *dy, float *dx);

	/* ---- per channel: rows of c contiguous values
	 * ------------------------------------------------ */
	/* y = act(x * scale[ch] + shift[ch]); y may be x. */
	void (*affine)(size_t rows, size_t c, const float *x, const struct et_prologue *p,
		       float *y);
	/* sum[ch] = sum over rows of x; overwrites. */
	void (*col_sum)(size_t rows, size_t c, const float *x, float *sum);
	/*
	 * mean[ch] over rows rows > 0 of x, ld floats apart, and sq[ch] = the sum of (x -
	 * mean[ch])^2; overwrites.
	 */
	void (*col_moments)(size_t rows, size_t ld, size_t c, const float *x, float *mean,
			    float *sq);
	/*
	 * s1[ch] = sum dy', s2[ch] = sum dy' * (x - mean[ch]); overwrites. dy' is dy where p's
	 * activation lets the gradient pass at x * scale[ch] + shift[ch], 0 elsewhere; p may be
	 * NULL: dy itself. Rows of x and dy are ld floats apart.
	 */
	void (*col_bn_bwd)(size_t rows, size_t c, size_t ld, const float *x, const float *dy,
			   const float *mean, const struct et_prologue *p, float *s1, float *s2);
	/* dx = a[ch]*dy' + b[ch]*x + d[ch], its rows `to` floats apart. It may be dy. */
	void (*bn_dx)(size_t rows, size_t c, size_t ld, const float *x, const float *dy,
		      const float *a, const float *b, const float *d, const struct et_prologue *p,
		      float *dx, size_t to);

	/* ---- depthwise convolution, a row or two of output at a time; w[kh][kw][c]
	 * ------------------------ */
	/*
	 * y[q][c] = act(v * scale[ch] + shift[ch] + res[q][c]) with v = the sum over the row
	 * pointers xr[0..kh) that are not NULL and taps inside the row of xr[a][(j*sw - pw +
	 * b*dw)*xs + ch] * w[(a*kw + b)*ws + ch]; without a scale the sum starts from the shift.
	 * rows = 2: a second row of output at y + yrow meets xr[1..kh]. Bit for bit as one by one.
	 */
	void (*dw_forward)(const struct et_dw *g, int rows, const float *const *xr, const float *w,
			   const struct et_dw_end *end, float *y, size_t yrow);
	/*
	 * One row of dx, overwritten: dyr[a] is the row of dy that tap row a of this input row
	 * meets, or NULL. dx[i][c] = sum over a, b with (i + pw - b*dw) divisible by sw, quotient j
	 * inside [0,q), of dyr[a][j] * w[a][b]. With sw = 1 that is a forward with mirrored taps.
	 */
	void (*dw_data)(const struct et_dw *g, const float *const *dyr, const float *w, float *dx);
	/*
	 * dw[(a*kw + b)*ws + slot] += sum over j of xr[a][...] * dy[j][ch]. slot = ch up to the
	 * last whole vector; what channels are left have the last slots of one more: ws is at least
	 * c rounded up to vl. Slots before those are left with anything.
	 */
	void (*dw_weight)(const struct et_dw *g, const float *const *xr, const float *dy,
			  float *dw);
	/* y = act(x * scale[ch] + shift[ch]), rows of c values that are xs and ys floats apart. */
	void (*affine_act)(size_t rows, size_t c, const float *x, size_t xs, const float *scale,
			   const float *shift, enum et_act act, float *y, size_t ys);

	/* ---- patches: rows x cols pixels of c channels, rows `row` floats apart ---- */
	/* y = act(x), which may be x; count[ch] = pixels that pass the gradient, by act's rule. */
	void (*act_count)(int rows, int cols, size_t row, size_t c, const float *x, float *y,
			  uint8_t *count, enum et_act act);
	/* dx = dy * count * by, n values. */
	void (*share)(size_t n, const uint8_t *count, float by, const float *dy, float *dx);
	/* y[ch] = the sum of rows rows of x, ld floats apart, c values each. */
	void (*row_sum)(size_t rows, size_t ld, size_t c, const float *x, float *y);

	/* ---- reductions and updates
	 * ------------------------------------------------------------------ */
	double (*sumsq)(size_t n, const float *x); /* sum of squares */
	/*
	 * g' = gscale*g + wd*w; v = mu*v + g' (v may be NULL when mu is 0); w -= lr*v. PyTorch's
	 * SGD. Returns false when any new weight is NaN or Inf.
	 */
	bool (*sgd)(size_t n, float *w, const float *g, float *v, float lr, float mu, float wd,
		    float gscale);
	/*
	 * dx += dy^T w, a chain of sums over the rows in their order; then sgd with g = dy x, a
	 * chain over the images: bit for bit what gemm and sgd make of it.
	 */
	bool (*one_pass)(const struct et_one_pass *p);
	/*
	 * PyTorch's Adam(W): g' = gscale*g (+ l2*w); m = b1*m + (1-b1)*g'; v = b2*v + (1-b2)*g'^2;
	 * w = w*decay - step * m / (sqrt(v)*vscale + eps).
	 */
	bool (*adam)(size_t n, float *w, const float *g, float *m, float *v, float gscale, float l2,
		     float decay, float b1, float b2, float step, float vscale, float eps);

	/* ---- gates: per channel, rows of c values that are ld floats apart
	 * --------------------------- */
	/* y = x * s[ch]; y has x's layout. */
	void (*row_mul)(size_t rows, size_t c, size_t ld, const float *x, const float *s, float *y);
	/* sum[ch] = sum over rows of x * y; overwrites. */
	void (*col_dot)(size_t rows, size_t c, size_t ld, const float *x, const float *y,
			float *sum);

	/* ---- pooling and resizing; rows as for depthwise kernels, dilation unused
	 * -------------------- */
	/*
	 * One row of output: y[q][c] = the largest over the row pointers xr[0..kh) that are not
	 * NULL and the kw taps inside the row; the first of equals, but a later NaN before all.
	 * index (may be NULL) = a*kw + b of that tap. Every window has a tap inside.
	 */
	void (*max_forward)(const struct et_dw_row *g, int kh, const float *const *xr, float *y,
			    uint8_t *index);
	/*
	 * One row of dx, overwritten: the sum of dy over the windows whose index names this pixel.
	 * dyr[a] and ixr[a] are the rows of dy and index that tap row a of this input row meets, or
	 * both NULL.
	 */
	void (*max_backward)(const struct et_dw_row *g, int kh, const float *const *dyr,
			     const uint8_t *const *ixr, float *dx);
	/*
	 * One pixel of c channels: y[ch] (acc ? += : =) the sum over the window's rows a and
	 * columns b of wrow[a] * wcol[b] * x[a*row + b*pixel + ch], divided by count.
	 */
	void (*window)(const struct et_window *g, size_t c, const float *x, bool acc, float *y);
	/*
	 * n pixels of c channels between two rows of w: with v(i) = (1-down)*x0[i] + down*x1[i],
	 * y[j] = (1-part[j]) * v(lo[j]) + part[j] * v(lo[j]+1), the last pixel standing in for one
	 * beyond it. lo never decreases.
	 */
	void (*lerp_row)(size_t n, const int *lo, const float *part, int w, size_t c,
			 const float *x0, const float *x1, float down, float *y);

	/* ---- exponentials: exp within 1 ulp, sigmoid within 2.5; NaN stays NaN
	 * ----------------------- */
	void (*sigmoid)(size_t n, const float *x, float *y); /* y = 1 / (1 + exp(-x)) */
	void (*sigmoid_bwd)(size_t n, const float *y, const float *dy,
			    float *dx);		    /* dx = dy * y * (1 - y) */
	float (*row_max)(size_t n, const float *x); /* n > 0; NaN when there is one */
	/* y = exp(x - top), y may be NULL or x; returns the sum of them. */
	float (*exp_sum)(size_t n, const float *x, float top, float *y);

	/* ---- dropout ---- */
	/* out[4*i + j] = word j of et_philox(key, counter) with counter[0] + i, i < n. */
	void (*philox)(const uint32_t key[2], const uint32_t counter[4], size_t n, uint32_t *out);
	/* Bit i of bits (may be NULL) = number[i]>>8 >= least; y = x * (bit ? keep : 0). n as for
	 * act. */
	void (*drop)(size_t n, const uint32_t *number, uint32_t least, float keep, const float *x,
		     float *y, uint32_t *bits);

	/* ---- sign symmetry and pruning: NaN stays NaN in all of them ---- */
	double (*abs_sum)(size_t n, const float *x); /* sum of |x| */
	/* y = bound * (2r - 1), r = number>>8 / 2^24 in [0,1), as et_rng_unit() makes it. */
	void (*uniform)(size_t n, const uint32_t *number, float bound, float *y);
	/*
	 * b = |by * m| * sign(w), |by| * sign(w) with m NULL; b may be m or w. Where w is 0, of
	 * either sign, or NaN, b is w: with m = |w| and by = 1 it is w bit for bit.
	 */
	void (*sign)(size_t n, float by, const float *m, const float *w, float *b);
	/*
	 * u[i] in (0,1), a hash of (key, first + i): odd multiples of 2^-24, so that the share of u
	 * below any a in [0,1] is a within 2^-24 without leaning to a side.
	 */
	void (*noise)(size_t n, const uint32_t key[2], uint32_t first, float *u);
	/*
	 * Unbiased rounding of what is smaller than tau: |x| < tau becomes sign(x)*tau where
	 * u*tau < |x|, else 0. The rest keeps its bits; with tau 0 or NaN that is everything.
	 */
	void (*prune)(size_t n, const float *u, float tau, float *x);
};

extern const struct et_kern et_kern_generic;
#if defined(__x86_64__)
extern const struct et_kern et_kern_avx2, et_kern_avx512;
#elif defined(__aarch64__) || defined(__arm__)
extern const struct et_kern et_kern_neon;
#endif

/*
 * The table for an instruction set by name, or with NULL the best this processor has. NULL when the
 * name is unknown or the processor lacks it.
 */
const struct et_kern *et_kern_select(const char *name);
/* The i-th table that this processor can run, best first; NULL past the last. */
const struct et_kern *et_kern_at(size_t i);
/* Names compiled in, whether or not this processor has them: "generic avx2 avx512". */
const char *et_kern_names(void);

#endif

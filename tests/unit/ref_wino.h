/*
 * How far a Winograd convolution in float may be off: the oracle's convolution has the values, and
 * these the magnitudes. With B, G, A made from the points by Lagrange's formula in double, every
 * error of rounding is a few eps of the sum of absolute values that passes there, and reaches the
 * result through the absolute values of the transforms behind it:
 *
 *     |got - y| <= few eps * |A^T| [ sum over c of (|G| |w| |G^T|) . (|B^T| |d| |B|) ] |A|
 *
 * and for weights few eps * |G^T| [ sum over tiles of (|A| |dy| |A^T|) . (|B^T| |d| |B|) ] |G|.
 */
#ifndef TEST_REF_WINO_H
#define TEST_REF_WINO_H

#include "ref.h"

struct ref_wino {
	int m, n;			    /* sides of an output and an input tile */
	double bt[6][6], g[6][3], at[4][6]; /* y = at [(g w g') . (bt d bt')] at' */
};
/* m = 2 or 4. */
struct ref_wino ref_wino_make(int m);
/* mag[n,p,q,k] for x[n,h,w,c] and weights w[k][3][3][c]. */
void ref_wino_rows(const struct ref_wino *f, int n, int h, int w, int c, int ph, int pw, int p,
		   int q, int k, const float *x, const float *weights, double *mag);
/* mag[k][3][3][c] for x[n,h,w,c] and dy[n,p,q,k]. */
void ref_wino_sum(const struct ref_wino *f, int n, int h, int w, int c, int ph, int pw, int p,
		  int q, int k, const float *x, const float *dy, double *mag);

#endif

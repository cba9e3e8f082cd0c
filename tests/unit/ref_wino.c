#include <stdlib.h>

#include "ref_wino.h"

/* Coefficients of the product of (x - p[l]) over l != skip, lowest first. */
static int product(int points, const double *p, int skip, double *c)
{
	int degree = 0;
	c[0] = 1;
	for (int l = 0; l < points; l++) {
		if (l == skip)
			continue;
		c[++degree] = 0;
		for (int i = degree; i >= 0; i--)
			c[i] = (i ? c[i - 1] : 0) - p[l] * (i < degree ? c[i] : 0);
	}
	return degree;
}

struct ref_wino ref_wino_make(int m)
{
	const double two[] = {0, 1, -1}, four[] = {0, 2.0 / 3, -2.0 / 3, 1.5, -1.5};
	struct ref_wino f = {.m = m, .n = m + 2};
	const double *p = m == 2 ? two : four;
	int finite = m + 1;

	for (int i = 0; i < finite; i++) {
		double c[7], norm = 1;
		int degree = product(finite, p, i, c);
		for (int j = 0; j <= degree; j++)
			f.bt[i][j] = c[j];
		for (int l = 0; l < finite; l++)
			norm *= l == i ? 1 : p[i] - p[l];
		for (int j = 0; j < 3; j++)
			f.g[i][j] = pow(p[i], j) / norm;
		for (int j = 0; j < m; j++)
			f.at[j][i] = pow(p[i], j);
	}
	double c[7];
	int degree = product(finite, p, -1, c);
	for (int j = 0; j <= degree; j++)
		f.bt[finite][j] = c[j];
	f.g[finite][2] = 1;
	f.at[m - 1][finite] = 1;
	return f;
}

/* out = |a| x |a'| with a of rows x cols (transposed: its transpose), rows of a 6 apart or so. */
static void both_sides(int rows, int cols, const double *a, int ri, int ci, const double *x,
		       double *out)
{
	double half[6][6];
	for (int i = 0; i < rows; i++)
		for (int j = 0; j < cols; j++) {
			half[i][j] = 0;
			for (int l = 0; l < cols; l++)
				half[i][j] += fabs(a[i * ri + l * ci]) * x[l * cols + j];
		}
	for (int i = 0; i < rows; i++)
		for (int j = 0; j < rows; j++) {
			out[i * rows + j] = 0;
			for (int l = 0; l < cols; l++)
				out[i * rows + j] += half[i][l] * fabs(a[j * ri + l * ci]);
		}
}

static double at(const float *x, int img, int h, int w, int c, int y, int xx, int ch)
{
	if (y < 0 || y >= h || xx < 0 || xx >= w)
		return 0;
	return fabs((double)x[((size_t)(img * h + y) * (size_t)w + (size_t)xx) * (size_t)c +
			      (size_t)ch]);
}

/* |B^T| |d| |B| of every tile and channel: [tiles][c][36]. */
static double *inputs(const struct ref_wino *f, int n, int h, int w, int c, int ph, int pw, int th,
		      int tw, const float *x)
{
	double *v = calloc((size_t)(n * th * tw * c), 36 * sizeof(double)), d[36];
	for (int t = 0; t < n * th * tw; t++)
		for (int ch = 0; ch < c; ch++) {
			int y0 = t % (th * tw) / tw * f->m - ph, x0 = t % tw * f->m - pw;
			for (int i = 0; i < f->n; i++)
				for (int j = 0; j < f->n; j++)
					d[i * f->n + j] =
						at(x, t / (th * tw), h, w, c, y0 + i, x0 + j, ch);
			both_sides(f->n, f->n, &f->bt[0][0], 6, 1, d,
				   v + (size_t)(t * c + ch) * 36);
		}
	return v;
}

void ref_wino_rows(const struct ref_wino *f, int n, int h, int w, int c, int ph, int pw, int p,
		   int q, int k, const float *x, const float *weights, double *mag)
{
	int th = (p + f->m - 1) / f->m, tw = (q + f->m - 1) / f->m, taps = f->n * f->n;
	double *v = inputs(f, n, h, w, c, ph, pw, th, tw, x);
	double *u = calloc((size_t)c, 36 * sizeof(double));

	for (int o = 0; o < k; o++) {
		for (int ch = 0; ch < c; ch++) {
			double g[9];
			for (int t = 0; t < 9; t++)
				g[t] = fabs((double)weights[(o * 9 + t) * c + ch]);
			both_sides(f->n, 3, &f->g[0][0], 3, 1, g, u + (size_t)ch * 36);
		}
		for (int t = 0; t < n * th * tw; t++) {
			double s[36] = {0}, y[16];
			for (int ch = 0; ch < c; ch++)
				for (int i = 0; i < taps; i++)
					s[i] += u[ch * 36 + i] *
						v[(size_t)(t * c + ch) * 36 + (size_t)i];
			both_sides(f->m, f->n, &f->at[0][0], 6, 1, s, y);
			for (int i = 0; i < f->m; i++)
				for (int j = 0; j < f->m; j++) {
					int oy = t % (th * tw) / tw * f->m + i,
					    ox = t % tw * f->m + j;
					if (oy < p && ox < q)
						mag[((t / (th * tw) * p + oy) * q + ox) * k + o] =
							y[i * f->m + j];
				}
		}
	}
	free(u);
	free(v);
}

void ref_wino_sum(const struct ref_wino *f, int n, int h, int w, int c, int ph, int pw, int p,
		  int q, int k, const float *x, const float *dy, double *mag)
{
	int th = (p + f->m - 1) / f->m, tw = (q + f->m - 1) / f->m, taps = f->n * f->n;
	double *v = inputs(f, n, h, w, c, ph, pw, th, tw, x);
	double *z = calloc((size_t)(n * th * tw), 36 * sizeof(double));

	for (int o = 0; o < k; o++) {
		for (int t = 0; t < n * th * tw; t++) {
			double d[16];
			for (int i = 0; i < f->m; i++)
				for (int j = 0; j < f->m; j++)
					d[i * f->m + j] = at(dy, t / (th * tw), p, q, k,
							     t % (th * tw) / tw * f->m + i,
							     t % tw * f->m + j, o);
			both_sides(f->n, f->m, &f->at[0][0], 1, 6, d, z + (size_t)t * 36);
		}
		for (int ch = 0; ch < c; ch++) {
			double s[36] = {0}, g[9];
			for (int t = 0; t < n * th * tw; t++)
				for (int i = 0; i < taps; i++)
					s[i] += z[t * 36 + i] *
						v[(size_t)(t * c + ch) * 36 + (size_t)i];
			both_sides(3, f->n, &f->g[0][0], 1, 3, s, g);
			for (int t = 0; t < 9; t++)
				mag[(o * 9 + t) * c + ch] = g[t];
		}
	}
	free(z);
	free(v);
}

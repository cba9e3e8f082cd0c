/* Moving values about: channels of concatenations, and PyTorch's order of a flattened picture. */
#include <string.h>

#include "op/op.h"

struct channels {
	const float *src;
	float *dst;
	size_t sc, dc, m;
};

static void copy_rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct channels *j = arg;
	(void)thread;
	for (size_t r = begin; r < end; r++)
		memcpy(j->dst + r * j->dc, j->src + r * j->sc, j->m * sizeof(float));
}

void et_copy_channels(const struct et_ctx *x, size_t rows, const float *src, int sc, int s0,
		      float *dst, int dc, int d0, int m)
{
	struct channels j = {.src = src + s0,
			     .dst = dst + d0,
			     .sc = (size_t)sc,
			     .dc = (size_t)dc,
			     .m = (size_t)m};
	if (m == sc && m == dc)
		et_copy(x, rows * j.m, src, dst);
	else
		et_parallel(x, rows, et_row_grain(j.m), copy_rows, &j);
}

/* A tile's side: 16 floats are a cache line. */
#define TILE 16

struct transpose {
	size_t rows, cols; /* of the source */
	const float *src;
	float *dst;
};

/* Pieces are bands of TILE rows of the result, that is columns of the source. */
static void transpose_bands(void *arg, size_t begin, size_t end, int thread)
{
	const struct transpose *t = arg;
	size_t bands = et_ceil_div(t->cols, TILE);
	(void)thread;

	for (size_t u = begin; u < end; u++) {
		const float *src = t->src + u / bands * t->rows * t->cols;
		float *dst = t->dst + u / bands * t->rows * t->cols;
		size_t c0 = u % bands * TILE, c1 = et_min(c0 + TILE, t->cols);
		for (size_t r0 = 0; r0 < t->rows; r0 += TILE) {
			size_t r1 = et_min(r0 + TILE, t->rows);
			for (size_t c = c0; c < c1; c++)
				for (size_t r = r0; r < r1; r++)
					dst[c * t->rows + r] = src[r * t->cols + c];
		}
	}
}

/* n matrices of rows x cols. */
static void transpose(const struct et_ctx *x, int n, size_t rows, size_t cols, const float *src,
		      float *dst)
{
	struct transpose t = {.rows = rows, .cols = cols, .src = src, .dst = dst};
	if (rows == 1 || cols == 1)
		et_copy(x, (size_t)n * rows * cols, src, dst);
	else
		et_parallel(x, (size_t)n * et_ceil_div(cols, TILE), et_row_grain(TILE * rows),
			    transpose_bands, &t);
}

void et_flatten(const struct et_ctx *x, int n, size_t hw, int c, const float *in, float *y)
{
	transpose(x, n, hw, (size_t)c, in, y);
}

void et_unflatten(const struct et_ctx *x, int n, size_t hw, int c, const float *dy, float *dx)
{
	transpose(x, n, (size_t)c, hw, dy, dx);
}

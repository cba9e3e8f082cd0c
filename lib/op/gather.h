/* Private to op: packing of gathered rows; see struct et_gather in op.h. */
#ifndef ET_OP_GATHER_H
#define ET_OP_GATHER_H

#include "op/op.h"

/* A row of the grid: its image and its place in it. */
struct et_cursor {
	const float *img;
	int i, j;
};
void et_cursor_open(struct et_cursor *k, const struct et_gather *a, size_t m);
void et_cursor_next(struct et_cursor *k, const struct et_gather *a);

/*
 * Packs depths [k0, k0+kb) of rows m .. m+rows (rows <= mr; the rest zeros) as one A panel in the
 * order of gemm_r. dst holds mr * ET_KC_MAX floats.
 */
void et_gather_rows(const struct et_kern *k, const struct et_gather *a, size_t m, size_t rows,
		    size_t k0, size_t kb, float *dst);

#define ET_STRETCHES 64

/*
 * The same depths of rows m .. m+rows where they lie, for gemm_s: segments of the first row and how
 * far the others are from it. Returns how many, or 0 when the rows must be packed: some of them are
 * padding, they do not lie at one distance, or through a prologue.
 */
size_t et_gather_in_place(const struct et_gather *a, size_t m, size_t rows, size_t k0, size_t kb,
			  struct et_stretch at[ET_STRETCHES], size_t *lda);

/*
 * Packs columns [col, col+cols) of rows m .. m+kb (kb <= kc) as B panels: dst[(panel*kb + p)*nr +
 * j], zeros beyond cols in the last panel.
 */
void et_gather_columns(const struct et_kern *k, const struct et_gather *a, size_t m, size_t kb,
		       size_t col, size_t cols, float *dst);

#endif

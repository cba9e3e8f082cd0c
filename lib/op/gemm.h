/* Private to op: what both products of the GEMM share; see gemm.c. */
#ifndef ET_OP_GEMM_H
#define ET_OP_GEMM_H

#include "op/gather.h"

/*
 * Into how many pieces to cut a side of n elements. Each piece packs the other operand again, which
 * costs about 16/n of its work, so that more pieces than threads are only for long sides, and then
 * as many for each; and a GEMM of a few microseconds is not worth handing out.
 */
static inline size_t et_gemm_pieces(const struct et_ctx *x, size_t n, double mac)
{
	size_t t = (size_t)x->threads;
	return mac < 1 << 18 ? 1 : t * et_max(1, et_min(4, n / 1024 / t));
}

/* Columns of B in a block. */
static inline size_t et_gemm_columns(const struct et_ctx *x)
{
	return (size_t)(x->columns ? x->columns : et_gemm_fit(x->k, 0));
}

/* Up to so many panels of B, rows of A are used where they lie: packing them is not worth it. */
#define ET_IN_PLACE_PANELS 8

/* Packing buffers of all threads: a panel of A, a block of B. */
struct et_packs {
	float *a, *b;
	size_t a_stride, b_stride;
};

static inline struct et_packs et_packs_alloc(const struct et_ctx *x, size_t cols,
					     struct et_arena *work)
{
	struct et_packs p;
	size_t nr = (size_t)x->k->nr, threads = (size_t)x->threads;

	p.a_stride = (size_t)x->k->mr * ET_KC_MAX;
	p.b_stride = et_min(et_gemm_columns(x), et_ceil_div(cols, nr) * nr) * (size_t)x->k->kc;
	p.a = et_arena_alloc(work, threads * p.a_stride, sizeof(float));
	p.b = et_arena_alloc(work, threads * p.b_stride, sizeof(float));
	return p;
}

/*
 * kb depths of up to mr rows of A for tiles against a block of B: where they lie, when they can be
 * used there and few columns meet them, or packed.
 */
struct et_panel {
	size_t kb, lda, segments; /* segments 0: packed */
	struct et_stretch at[ET_STRETCHES];
	const float *packed;
};
/* Of rows m .. m+rows, depths from k0 on, against `cols` columns; pa: room to pack them. */
static inline void et_panel_open(struct et_panel *p, const struct et_kern *k,
				 const struct et_gather *a, size_t m, size_t rows, size_t k0,
				 size_t kb, size_t cols, float *pa)
{
	p->kb = kb;
	p->segments = 0;
	p->packed = pa;
	if (k->gemm_s && cols <= ET_IN_PLACE_PANELS * (size_t)k->nr && rows == (size_t)k->mr)
		p->segments = et_gather_in_place(a, m, rows, k0, kb, p->at, &p->lda);
	if (!p->segments)
		et_gather_rows(k, a, m, rows, k0, kb, pa);
}
static inline void et_panel_tile(const struct et_panel *p, const struct et_kern *k, const float *pb,
				 float *c, size_t ldc, bool acc, int vectors)
{
	if (p->segments)
		k->gemm_s(p->segments, p->at, p->lda, pb, c, ldc, acc, vectors);
	else
		k->gemm_rv(p->kb, p->packed, pb, c, ldc, acc, vectors);
}

/*
 * kb depths of `rows` rows of d^T, ld floats apart, for gemm_dv against `cols` columns: where they
 * lie, or packed to pa. They are packed when many columns meet them, when a tile has fewer rows,
 * and when depths evict each other from the cache.
 */
static inline const float *et_sum_rows(const struct et_kern *k, const float *d, size_t ld,
				       size_t rows, size_t kb, size_t cols, float *pa, size_t *lda)
{
	if (rows == (size_t)k->mr && cols <= ET_IN_PLACE_PANELS * (size_t)k->nr && ld % 1024) {
		*lda = ld;
		return d;
	}
	k->pack_k(pa, kb, d, ld, rows);
	*lda = (size_t)k->mr;
	return pa;
}

/*
 * Up to mr rows of C (acc ? += : =) those of d^T, as et_sum_rows() gives them, times a packed block
 * of B of kb depths and `cols` columns.
 */
void et_sum_tiles(const struct et_kern *k, const float *a, size_t lda, size_t rows, size_t kb,
		  const float *pb, size_t cols, float *c, size_t ldc, bool acc);

/*
 * How et_gemm_sum sums up for C of rows x cols, over `depth` pixels: over blocks of so many, whole
 * tiles and at most kc, evenly when there are few and C is small; and, where several blocks are a
 * chunk, each chunk's blocks apart, to be added to C then. There are at most `most` blocks, which
 * more pixels do not make fewer.
 */
struct et_gemm_cut {
	size_t block, chunk; /* pixels; the same, or chunk a multiple */
	size_t most;
};
struct et_gemm_cut et_gemm_cut(const struct et_kern *k, size_t rows, size_t cols, size_t depth);

#endif

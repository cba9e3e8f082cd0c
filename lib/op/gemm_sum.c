/*
 * The GEMM's other product, C += D^T * gathered rows: the sum runs over pixels, of which there are
 * many, while C is often small. Then the pixels are cut into a few chunks, each summed apart and
 * the sums joined in their order: threads that share out chunks pack nothing twice, and find work
 * where C alone has too little to share. How many is a matter of the shape alone.
 */
#include "op/gemm.h"

/* Chunks are worth it from so many pixels each, and as long as their sums are together so small. */
#define CHUNK_BLOCKS 4 /* of kc */
#define CHUNK_FLOATS (300 << 10)
#define CHUNKS	     8

struct sum_job {
	const struct et_ctx *x;
	const struct et_gemm_sum *g;
	struct et_packs p;
	size_t rows, cols, depth; /* of C; pixels */
	bool by_rows;
	size_t block, chunks, chunk; /* pixels in a block, in a chunk */
	size_t parts, part;	     /* of C's longer side; and its length */
	float *sums;		     /* [chunks][rows][cols], when there are several */
};

void et_sum_tiles(const struct et_kern *k, const float *a, size_t lda, size_t rows, size_t kb,
		  const float *pb, size_t cols, float *c, size_t ldc, bool acc)
{
	const size_t nr = (size_t)k->nr, vl = (size_t)k->vl;
	float tile[ET_MR_MAX * ET_NR_MAX];

	for (size_t j = 0; j < cols; j += nr) {
		size_t width = et_min(nr, cols - j);
		int vectors = (int)et_ceil_div(width, vl);
		if (rows == (size_t)k->mr && width % vl == 0) {
			k->gemm_dv(kb, a, lda, pb + j * kb, c + j, ldc, acc, vectors);
			continue;
		}
		k->gemm_dv(kb, a, lda, pb + j * kb, tile, nr, false, vectors);
		for (size_t r = 0; r < rows; r++)
			k->store(width, tile + r * nr, c + r * ldc + j, acc, NULL, NULL, NULL,
				 ET_ACT_NONE);
	}
}

/* Rows [i0,i1) and columns [n0,n1) of the sum over one chunk's pixels. */
static void sum_block(const struct sum_job *j, size_t chunk, size_t i0, size_t i1, size_t n0,
		      size_t n1, float *pa, float *pb)
{
	const struct et_kern *k = j->x->k;
	const struct et_gemm_sum *g = j->g;
	const size_t mr = (size_t)k->mr, nc = et_gemm_columns(j->x);
	const size_t from = chunk * j->chunk, to = et_min(from + j->chunk, j->depth);
	float *c = j->sums ? j->sums + chunk * j->rows * j->cols : g->c;
	const size_t ldc = j->sums ? j->cols : g->ldc;

	for (size_t jc = n0; jc < n1; jc += nc) {
		size_t nb = et_min(nc, n1 - jc);
		for (size_t pc = from; pc < to; pc += j->block) {
			size_t kb = et_min(j->block, to - pc);
			bool acc = !j->sums || pc > from;
			et_gather_columns(k, &g->a, pc, kb, jc, nb, pb);
			for (size_t ic = i0; ic < i1; ic += mr) {
				size_t rows = et_min(mr, i1 - ic), lda;
				const float *a = et_sum_rows(k, g->d + pc * g->ldd + ic, g->ldd,
							     rows, kb, nb, pa, &lda);
				et_sum_tiles(k, a, lda, rows, kb, pb, nb, c + ic * ldc + jc, ldc,
					     acc);
			}
		}
	}
}

static void sum_pieces(void *arg, size_t begin, size_t end, int thread)
{
	const struct sum_job *j = arg;
	float *pa = j->p.a + (size_t)thread * j->p.a_stride;
	float *pb = j->p.b + (size_t)thread * j->p.b_stride;

	for (size_t i = begin; i < end; i++) {
		size_t from = i % j->parts * j->part, to = from + j->part;
		if (j->by_rows)
			sum_block(j, i / j->parts, from, et_min(to, j->rows), 0, j->cols, pa, pb);
		else
			sum_block(j, i / j->parts, 0, j->rows, from, et_min(to, j->cols), pa, pb);
	}
}

static void join_rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct sum_job *j = arg;
	(void)thread;

	for (size_t i = begin; i < end; i++)
		for (size_t s = 0; s < j->chunks; s++) {
			float *c = j->g->c + i * j->g->ldc;
			j->x->k->add(j->cols, c, j->sums + (s * j->rows + i) * j->cols, c);
		}
}

/* So many chunks or fewer; not more for fewer pixels, so that scratch for many does for few. */
static size_t chunks_at_most(const struct et_kern *k, size_t rows, size_t cols, size_t depth)
{
	size_t blocks = et_ceil_div(depth, (size_t)k->kc);

	return et_min(et_min(blocks / CHUNK_BLOCKS, CHUNK_FLOATS / (rows * cols)), CHUNKS);
}

struct et_gemm_cut et_gemm_cut(const struct et_kern *k, size_t rows, size_t cols, size_t depth)
{
	const size_t mr = (size_t)k->mr, full = (size_t)k->kc / mr * mr;
	struct et_gemm_cut c = {.most = et_ceil_div(depth, full)};
	size_t chunks = chunks_at_most(k, rows, cols, depth);

	if (c.most < 32 && rows * cols <= ET_BOTH_WEIGHTS)
		c.most = et_min(et_ceil_div(c.most, 4) * 4, et_ceil_div(depth, 2 * mr));
	c.block = et_ceil_div(et_ceil_div(depth, c.most), mr) * mr;
	c.chunk = chunks < 2 ? c.block : et_ceil_div(et_ceil_div(depth, c.block), chunks) * c.block;
	return c;
}

/* What the threads beyond the chunks' number share of C. */
static void cut_sides(struct sum_job *j)
{
	size_t side, grain;
	double mac = (double)j->rows * (double)j->cols * (double)j->depth;

	j->by_rows = j->rows > j->cols;
	side = j->by_rows ? j->rows : j->cols;
	grain = (size_t)(j->by_rows ? j->x->k->mr : j->x->k->nr);
	j->parts = j->chunks > 1 ? et_ceil_div((size_t)j->x->threads, j->chunks)
				 : et_gemm_pieces(j->x, side, mac);
	j->part = et_ceil_div(et_ceil_div(side, grain), j->parts) * grain;
	j->parts = et_ceil_div(side, j->part);
}

void et_gemm_sum(const struct et_ctx *x, const struct et_gemm_sum *g, struct et_arena *work)
{
	size_t mark = et_arena_mark(work);
	struct sum_job j = {.x = x, .g = g, .rows = (size_t)g->rows};

	j.cols = (size_t)g->a.taps * (size_t)g->a.cn;
	j.depth = (size_t)g->a.n * (size_t)g->a.gh * (size_t)g->a.gw;
	struct et_gemm_cut cut = et_gemm_cut(x->k, j.rows, j.cols, j.depth);
	/* `delta` makes a linear layer's C in pieces: their size must not matter. */
	if (g->a.gh * g->a.gw == 1)
		cut.block = cut.chunk = (size_t)x->k->kc;
	j.block = cut.block;
	j.chunk = cut.chunk > cut.block ? cut.chunk : j.depth;
	j.chunks = et_ceil_div(j.depth, j.chunk);
	cut_sides(&j);
	j.p = et_packs_alloc(x, j.cols, work);
	if (j.chunks > 1)
		j.sums = et_arena_alloc(
			work, chunks_at_most(x->k, j.rows, j.cols, j.depth) * j.rows * j.cols,
			sizeof(float));
	if (!et_measuring(work)) {
		size_t pieces = j.chunks * j.parts;
		et_parallel_in(x, pieces, pieces, 1, sum_pieces, &j);
		if (j.chunks > 1)
			et_parallel(x, j.rows, et_row_grain(j.chunks * j.cols), join_rows, &j);
	}
	et_arena_release(work, mark);
}

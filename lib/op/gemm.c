/*
 * The one parallel GEMM: blocks for the caches around the micro-kernel. Each thread owns a
 * rectangle of C and packs both operands for itself, so that threads never wait for each other; the
 * split is along the side whose doubled packing costs less. The order of summation of an element of
 * C is that of depth blocks of kc, whatever the split: the same bits for any number of threads.
 *
 * Around the tiles: a block of B, kc deep and as wide as a part of the second cache, is packed
 * once; then each panel of A, mr rows, is packed into the first cache and meets all of it.
 */
#include "op/gemm.h"
#include "op/moments.h"

/* Panels of B in a block at least: as often is a packed panel of A used. And columns at most: more
 * were not faster in any cache. */
#define LEAST_PANELS 8
#define MOST_COLUMNS 512

struct rows_job {
	const struct et_ctx *x;
	const struct et_gemm_rows *g;
	struct et_packs p;
	size_t m, n;
	bool by_rows;
	struct et_moment_blocks *moments; /* of blocks of C's rows, gathered while these are near */
};

static size_t out_offset(const struct et_gemm_rows *g, size_t m)
{
	const struct et_scatter *s = g->to;
	if (!s)
		return m * g->ldc;
	size_t gw = (size_t)g->a.gw, plane = (size_t)g->a.gh * gw;
	size_t img = m / plane, i = m % plane / gw, j = m % gw;
	return ((img * (size_t)s->h + i * (size_t)s->sh + (size_t)s->y0) * (size_t)s->w +
		j * (size_t)s->sw + (size_t)s->x0) *
	       g->ldc;
}

static void pack_weights(const struct et_kern *k, const struct et_gemm_rows *g, size_t k0,
			 size_t kb, size_t j0, size_t cols, float *dst)
{
	size_t nr = (size_t)k->nr, cn = (size_t)g->a.cn;

	for (size_t j = 0; j < cols; j += nr, dst += nr * kb) {
		size_t width = et_min(nr, cols - j);
		if (!g->tap_b && g->bt) {
			k->pack_bt(dst, kb, g->b + (j0 + j) * g->ldb + k0, g->ldb, width);
			continue;
		}
		if (!g->tap_b) {
			k->pack_b(dst, kb, g->b + k0 * g->ldb + j0 + j, g->ldb, width);
			continue;
		}
		for (size_t done = 0; done < kb;) {
			size_t t = (k0 + done) / cn, row = (k0 + done) % cn;
			size_t len = et_min(cn - row, kb - done);
			const float *b = g->b + g->tap_b[t];
			if (g->bt)
				k->pack_bt(dst + done * nr, len, b + (j0 + j) * g->ldb + row,
					   g->ldb, width);
			else
				k->pack_b(dst + done * nr, len, b + row * g->ldb + j0 + j, g->ldb,
					  width);
			done += len;
		}
	}
}

static void store_tile(const struct et_kern *k, const struct et_gemm_rows *g, const float *tile,
		       size_t m, size_t rows, size_t j, size_t cols, bool acc, bool last)
{
	const struct et_epilogue *e = last ? g->epi : NULL;

	for (size_t i = 0; i < rows; i++) {
		size_t at = out_offset(g, m + i) + j;
		k->store(cols, tile + i * (size_t)k->nr, g->c + at, acc,
			 e && e->scale ? e->scale + j : NULL, e && e->shift ? e->shift + j : NULL,
			 e && e->residual ? e->residual + at : NULL, e ? e->act : ET_ACT_NONE);
	}
}

/* A panel of A against a block of B: rows ic.., columns jc.. of C. */
struct block {
	size_t ic, rows, jc, nb, pc, kb;
	bool acc, last; /* add to C; the last depth, whose results get the epilogue */
	struct et_panel a;
};

/* Does the epilogue change results? Moments are gathered behind the tiles. */
static bool changes(const struct et_epilogue *e)
{
	return e && (e->scale || e->shift || e->residual || e->act != ET_ACT_NONE);
}

static void rows_tiles(const struct et_kern *k, const struct et_gemm_rows *g, const float *pb,
		       const struct block *b)
{
	const size_t nr = (size_t)k->nr, vl = (size_t)k->vl;
	bool plain = !g->to && !(b->last && changes(g->epi)) && b->rows == (size_t)k->mr;
	float buffer[ET_MR_MAX * ET_NR_MAX];

	for (size_t j = 0; j < b->nb; j += nr) {
		size_t cols = et_min(nr, b->nb - j);
		int vectors = (int)et_ceil_div(cols, vl);
		if (plain && cols % vl == 0) {
			et_panel_tile(&b->a, k, pb + j * b->kb, g->c + b->ic * g->ldc + b->jc + j,
				      g->ldc, b->acc, vectors);
			continue;
		}
		et_panel_tile(&b->a, k, pb + j * b->kb, buffer, nr, false, vectors);
		store_tile(k, g, buffer, b->ic, b->rows, b->jc + j, cols, b->acc, b->last);
	}
}

/* Blocks of rows that end with row `end` or before it, from row `from` on; returns where the next
 * one begins. */
static size_t finish_moments(const struct rows_job *j, const struct block *b, size_t from,
			     size_t end)
{
	const struct et_moment_blocks *m = j->moments;
	const struct et_gemm_rows *g = j->g;

	while (from < end && et_min(from + m->block, j->m) <= end) {
		et_moments_block(m, from / m->block, g->c + from * g->ldc + b->jc, g->ldc, b->jc,
				 b->nb);
		from += m->block;
	}
	return from;
}

/* One thread's rectangle: rows [m0,m1), columns [n0,n1); m0 begins a block of moments. */
static void rows_block(const struct rows_job *j, size_t m0, size_t m1, size_t n0, size_t n1,
		       float *pa, float *pb)
{
	const struct et_kern *k = j->x->k;
	const struct et_gemm_rows *g = j->g;
	const size_t mr = (size_t)k->mr, kc = (size_t)k->kc, nc = et_gemm_columns(j->x);
	const size_t depth = (size_t)g->a.taps * (size_t)g->a.cn;
	struct block b;

	for (b.jc = n0; b.jc < n1; b.jc += nc) {
		b.nb = et_min(nc, n1 - b.jc);
		for (b.pc = 0; b.pc < depth; b.pc += kc) {
			size_t finished = m0;
			b.kb = et_min(kc, depth - b.pc);
			b.acc = g->acc || b.pc;
			b.last = b.pc + b.kb == depth;
			pack_weights(k, g, b.pc, b.kb, b.jc, b.nb, pb);
			for (b.ic = m0; b.ic < m1; b.ic += mr) {
				b.rows = et_min(mr, m1 - b.ic);
				et_panel_open(&b.a, k, &g->a, b.ic, b.rows, b.pc, b.kb, b.nb, pa);
				rows_tiles(k, g, pb, &b);
				if (b.last && j->moments)
					finished = finish_moments(j, &b, finished, b.ic + b.rows);
			}
		}
	}
}

static void rows_piece(void *arg, size_t begin, size_t end, int thread)
{
	const struct rows_job *j = arg;
	float *pa = j->p.a + (size_t)thread * j->p.a_stride;
	float *pb = j->p.b + (size_t)thread * j->p.b_stride;

	if (j->by_rows)
		rows_block(j, begin, end, 0, j->n, pa, pb);
	else
		rows_block(j, 0, j->m, begin, end, pa, pb);
}

/* Blocks of whole tiles. */
static size_t moment_rows(const struct rows_job *j)
{
	size_t mr = (size_t)j->x->k->mr;
	return et_ceil_div(et_block_rows(j->m, j->n), mr) * mr;
}

void et_gemm_rows(const struct et_ctx *x, const struct et_gemm_rows *g, struct et_arena *work)
{
	size_t mark = et_arena_mark(work);
	struct rows_job j = {.x = x, .g = g, .n = (size_t)g->cols};
	const struct et_moments *want = g->epi ? g->epi->moments : NULL;
	struct et_moment_blocks moments;

	j.m = (size_t)g->a.n * (size_t)g->a.gh * (size_t)g->a.gw;
	j.by_rows = j.m >= j.n;
	size_t side = j.by_rows ? j.m : j.n;
	size_t grain = (size_t)(j.by_rows ? x->k->mr : x->k->nr);
	double mac = (double)j.m * (double)j.n * g->a.taps * g->a.cn;
	j.p = et_packs_alloc(x, j.n, work);
	if (want) {
		moments = et_moments_open(x, j.m, j.n, moment_rows(&j), work);
		j.moments = &moments;
		grain = j.by_rows ? moments.block : grain;
	}
	if (!et_measuring(work)) {
		et_parallel_in(x, et_gemm_pieces(x, side, mac), side, grain, rows_piece, &j);
		if (want)
			et_moments_join(&moments, want->mean, want->var);
	}
	et_arena_release(work, mark);
}

int et_gemm_fit(const struct et_kern *k, uint64_t cache)
{
	const size_t nr = (size_t)k->nr, panel = nr * (size_t)k->kc * sizeof(float);

	if (!cache)
		return k->nc;
	/* Half of it: rows of A and C pass through the rest. */
	size_t panels = et_max((size_t)(cache / 2) / panel, LEAST_PANELS);
	return (int)(et_min(panels, MOST_COLUMNS / nr) * nr);
}

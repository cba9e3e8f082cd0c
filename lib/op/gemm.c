/*
 * The one parallel GEMM: blocks for the caches around the micro-kernel. Each thread owns a
 * rectangle of C and packs both operands for itself, so that threads never wait for each other; the
 * split is along the side whose doubled packing costs less. The order of summation of an element of
 * C is that of depth blocks of kc, whatever the split: the same bits for any number of threads.
 */
#include "op/gather.h"

/*
 * Into how many pieces to cut a side of n elements. Each piece packs the other operand again, which
 * costs about 16/n of its work, so that more pieces than threads are only for long sides, and then
 * as many for each; and a GEMM of a few microseconds is not worth handing out.
 */
static size_t pieces_of(const struct et_ctx *x, size_t n, double mac)
{
	size_t t = (size_t)x->threads;
	return mac < 1 << 18 ? 1 : t * et_max(1, et_min(4, n / 1024 / t));
}

/* A thread's packing buffers. */
struct packs {
	float *a, *b;
	size_t a_stride, b_stride;
};

static struct packs packs_alloc(const struct et_kern *k, size_t threads, size_t cols,
				struct et_arena *work)
{
	struct packs p;
	size_t nr = (size_t)k->nr;

	p.a_stride = (size_t)k->mc * ET_KC_MAX;
	p.b_stride = et_min((size_t)k->nc, et_ceil_div(cols, nr) * nr) * (size_t)k->kc;
	p.a = et_arena_alloc(work, threads * p.a_stride, sizeof(float));
	p.b = et_arena_alloc(work, threads * p.b_stride, sizeof(float));
	return p;
}

/* ---- C = gathered rows x B ------------------------------------------------------------------- */

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
		if (g->bt) {
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
			k->pack_b(dst + done * nr, len, g->b + g->tap_b[t] + row * g->ldb + j0 + j,
				  g->ldb, width);
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

/* A block of A against a block of B, both packed: rows ic.., columns jc.. of C. */
struct block {
	size_t ic, mb, jc, nb, kb;
	bool acc, last; /* add to C; the last depth, whose results get the epilogue */
};

static void rows_tiles(const struct et_kern *k, const struct et_gemm_rows *g, const float *pa,
		       const float *pb, const struct block *b)
{
	const size_t mr = (size_t)k->mr, nr = (size_t)k->nr, vl = (size_t)k->vl;
	bool plain = !g->to && !(b->last && g->epi);
	float tile[ET_MR_MAX * ET_NR_MAX];

	for (size_t i = 0; i < b->mb; i += mr) {
		size_t rows = et_min(mr, b->mb - i);
		const float *ap = pa + i * ET_KC_MAX;
		for (size_t j = 0; j < b->nb; j += nr) {
			size_t cols = et_min(nr, b->nb - j);
			int vectors = (int)et_ceil_div(cols, vl);
			if (plain && rows == mr && cols % vl == 0) {
				float *c = g->c + (b->ic + i) * g->ldc + b->jc + j;
				k->gemm_rv(b->kb, ap, pb + j * b->kb, c, g->ldc, b->acc, vectors);
				continue;
			}
			k->gemm_rv(b->kb, ap, pb + j * b->kb, tile, nr, false, vectors);
			store_tile(k, g, tile, b->ic + i, rows, b->jc + j, cols, b->acc, b->last);
		}
	}
}

/* One thread's rectangle: rows [m0,m1), columns [n0,n1). */
static void rows_block(const struct et_kern *k, const struct et_gemm_rows *g, size_t m0, size_t m1,
		       size_t n0, size_t n1, float *pa, float *pb)
{
	const size_t mr = (size_t)k->mr, kc = (size_t)k->kc;
	const size_t depth = (size_t)g->a.taps * (size_t)g->a.cn;
	struct block b;

	for (b.jc = n0; b.jc < n1; b.jc += (size_t)k->nc) {
		b.nb = et_min((size_t)k->nc, n1 - b.jc);
		for (size_t pc = 0; pc < depth; pc += kc) {
			b.kb = et_min(kc, depth - pc);
			b.acc = g->acc || pc;
			b.last = pc + b.kb == depth;
			pack_weights(k, g, pc, b.kb, b.jc, b.nb, pb);
			for (b.ic = m0; b.ic < m1; b.ic += (size_t)k->mc) {
				b.mb = et_min((size_t)k->mc, m1 - b.ic);
				for (size_t i = 0; i < b.mb; i += mr)
					et_gather_rows(k, &g->a, b.ic + i, et_min(mr, b.mb - i), pc,
						       b.kb, pa + i * ET_KC_MAX);
				rows_tiles(k, g, pa, pb, &b);
			}
		}
	}
}

struct rows_job {
	const struct et_ctx *x;
	const struct et_gemm_rows *g;
	struct packs p;
	size_t m, n;
	bool by_rows;
};

static void rows_piece(void *arg, size_t begin, size_t end, int thread)
{
	const struct rows_job *j = arg;
	float *pa = j->p.a + (size_t)thread * j->p.a_stride;
	float *pb = j->p.b + (size_t)thread * j->p.b_stride;

	if (j->by_rows)
		rows_block(j->x->k, j->g, begin, end, 0, j->n, pa, pb);
	else
		rows_block(j->x->k, j->g, 0, j->m, begin, end, pa, pb);
}

void et_gemm_rows(const struct et_ctx *x, const struct et_gemm_rows *g, struct et_arena *work)
{
	size_t mark = et_arena_mark(work);
	struct rows_job j = {.x = x, .g = g, .n = (size_t)g->cols};

	j.m = (size_t)g->a.n * (size_t)g->a.gh * (size_t)g->a.gw;
	j.by_rows = j.m >= j.n;
	size_t side = j.by_rows ? j.m : j.n;
	double mac = (double)j.m * (double)j.n * g->a.taps * g->a.cn;
	j.p = packs_alloc(x->k, (size_t)x->threads, j.n, work);
	if (!et_measuring(work) && j.p.b)
		et_parallel_in(x, pieces_of(x, side, mac), side,
			       (size_t)(j.by_rows ? x->k->mr : x->k->nr), rows_piece, &j);
	et_arena_release(work, mark);
}

/* ---- C += D^T x gathered rows ---------------------------------------------------------------- */

static void sum_tiles(const struct et_kern *k, const struct et_gemm_sum *g, const float *pa,
		      const float *pb, const struct block *b)
{
	const size_t mr = (size_t)k->mr, nr = (size_t)k->nr, vl = (size_t)k->vl;
	float tile[ET_MR_MAX * ET_NR_MAX];

	for (size_t i = 0; i < b->mb; i += mr) {
		size_t rows = et_min(mr, b->mb - i);
		const float *ap = pa + i * b->kb;
		float *c = g->c + (b->ic + i) * g->ldc + b->jc;
		for (size_t j = 0; j < b->nb; j += nr) {
			size_t cols = et_min(nr, b->nb - j);
			int vectors = (int)et_ceil_div(cols, vl);
			if (rows == mr && cols % vl == 0) {
				k->gemm_kv(b->kb, ap, pb + j * b->kb, c + j, g->ldc, true, vectors);
				continue;
			}
			k->gemm_kv(b->kb, ap, pb + j * b->kb, tile, nr, false, vectors);
			for (size_t r = 0; r < rows; r++)
				k->add(cols, c + r * g->ldc + j, tile + r * nr, c + r * g->ldc + j);
		}
	}
}

/* One thread's rectangle: rows [i0,i1) of C, columns [n0,n1). */
static void sum_block(const struct et_kern *k, const struct et_gemm_sum *g, size_t i0, size_t i1,
		      size_t n0, size_t n1, float *pa, float *pb)
{
	const size_t mr = (size_t)k->mr, kc = (size_t)k->kc;
	const size_t m = (size_t)g->a.n * (size_t)g->a.gh * (size_t)g->a.gw;
	struct block b = {.acc = true};

	for (b.jc = n0; b.jc < n1; b.jc += (size_t)k->nc) {
		b.nb = et_min((size_t)k->nc, n1 - b.jc);
		for (size_t pc = 0; pc < m; pc += kc) {
			b.kb = et_min(kc, m - pc);
			et_gather_columns(k, &g->a, pc, b.kb, b.jc, b.nb, pb);
			for (b.ic = i0; b.ic < i1; b.ic += (size_t)k->mc) {
				const float *d = g->d + pc * g->ldd + b.ic;
				b.mb = et_min((size_t)k->mc, i1 - b.ic);
				for (size_t i = 0; i < b.mb; i += mr)
					k->pack_k(pa + i * b.kb, b.kb, d + i, g->ldd,
						  et_min(mr, b.mb - i));
				sum_tiles(k, g, pa, pb, &b);
			}
		}
	}
}

struct sum_job {
	const struct et_ctx *x;
	const struct et_gemm_sum *g;
	struct packs p;
	size_t m, n;
	bool by_rows;
};

static void sum_piece(void *arg, size_t begin, size_t end, int thread)
{
	const struct sum_job *j = arg;
	float *pa = j->p.a + (size_t)thread * j->p.a_stride;
	float *pb = j->p.b + (size_t)thread * j->p.b_stride;

	if (j->by_rows)
		sum_block(j->x->k, j->g, begin, end, 0, j->n, pa, pb);
	else
		sum_block(j->x->k, j->g, 0, j->m, begin, end, pa, pb);
}

void et_gemm_sum(const struct et_ctx *x, const struct et_gemm_sum *g, struct et_arena *work)
{
	size_t mark = et_arena_mark(work);
	struct sum_job j = {.x = x, .g = g, .m = (size_t)g->rows};

	j.n = (size_t)g->a.taps * (size_t)g->a.cn;
	j.by_rows = j.m > j.n;
	size_t side = j.by_rows ? j.m : j.n;
	double mac = (double)j.m * (double)j.n * g->a.n * g->a.gh * g->a.gw;
	j.p = packs_alloc(x->k, (size_t)x->threads, j.n, work);
	if (!et_measuring(work) && j.p.b)
		et_parallel_in(x, pieces_of(x, side, mac), side,
			       (size_t)(j.by_rows ? x->k->mr : x->k->nr), sum_piece, &j);
	et_arena_release(work, mark);
}

/*
 * Both gradients of a 1x1 convolution in one walk over dy. Apart, dx = dy*w and dw = dy'*x read dy
 * from memory twice; here a block of kc pixels of it is used for both while it is in the cache.
 *
 * The bits are those of the two GEMMs: an element of dx is a chain over depth blocks of kc filters;
 * an element of dw has sums over pixels added to it in the order of the pixels, each over a block
 * of kc or a chunk of several, as et_gemm_sum has them. Threads take these in that order and leave
 * the sums of each in a ring, from which whoever comes by adds them to dw, in their order.
 */
#include <sched.h>
#include <stdatomic.h>

#include "op/gemm.h"

struct ring {
	size_t slots;
	float *sums;		/* [slots][k][c] */
	_Atomic uint32_t *full; /* [slots] 1 + the chunk whose sums are there */
	_Atomic uint32_t next;	/* the chunk that dw needs next */
	atomic_flag busy;	/* somebody adds */
};

struct walk {
	const struct et_ctx *x;
	struct et_gather dy, in; /* plain matrices */
	size_t pixels, depth, cols;
	size_t chunk; /* pixels summed apart */
	const float *w;
	float *dx, *dw;
	float *packed_w, *pa, *pb;
	size_t pb_stride;
	struct ring ring;
};

bool et_conv_walks_both(const struct et_conv *g)
{
	return g->kh == 1 && g->kw == 1 && g->sh == 1 && g->sw == 1 && g->ph == 0 && g->pw == 0 &&
	       g->groups == 1 && g->h * g->w > 1 && et_conv_weights(g) <= ET_BOTH_WEIGHTS;
}

static struct et_gather matrix(const float *src, size_t rows, int cols)
{
	static const int16_t zero;
	return (struct et_gather){.src = src,
				  .n = (int)rows,
				  .h = 1,
				  .w = 1,
				  .c = cols,
				  .cn = cols,
				  .gh = 1,
				  .gw = 1,
				  .sh = 1,
				  .sw = 1,
				  .taps = 1,
				  .y = &zero,
				  .x = &zero};
}

/* ---- the ring -------------------------------------------------------------------------------- */

static bool ready(struct ring *r)
{
	uint32_t next = atomic_load(&r->next);
	return atomic_load(&r->full[next % r->slots]) == next + 1;
}

/* Adds what is next, as long as it is there and nobody else is at it. */
static void drain(struct walk *v)
{
	struct ring *r = &v->ring;
	size_t count = v->depth * v->cols;

	/* Who leaves looks again: what came meanwhile found the flag set and was left to him. */
	while (ready(r) && !atomic_flag_test_and_set(&r->busy)) {
		while (ready(r)) {
			uint32_t next = atomic_load(&r->next);
			v->x->k->add(count, v->dw, r->sums + next % r->slots * count, v->dw);
			atomic_store(&r->next, next + 1);
		}
		atomic_flag_clear(&r->busy);
	}
}

/* A place for the sums of a chunk. Those before it are done or at work: one of them will be next.
 */
static float *place(struct walk *v, uint32_t chunk)
{
	struct ring *r = &v->ring;

	while (chunk - atomic_load(&r->next) >= r->slots) {
		drain(v);
		sched_yield();
	}
	return r->sums + chunk % r->slots * v->depth * v->cols;
}

/* ---- one block of pixels --------------------------------------------------------------------- */

/* c[k][c] (acc ? += : =) the sum over pixels m.. of dy' x. */
static void weight_block(const struct walk *v, size_t m, size_t count, float *pa, float *pb,
			 float *c, bool acc)
{
	const struct et_kern *k = v->x->k;
	const size_t mr = (size_t)k->mr, nr = (size_t)k->nr, vl = (size_t)k->vl, n = v->cols;
	float tile[ET_MR_MAX * ET_NR_MAX];

	et_gather_columns(k, &v->in, m, count, 0, n, pb);
	for (size_t i = 0; i < v->depth; i += mr) {
		size_t rows = et_min(mr, v->depth - i);
		k->pack_k(pa, count, v->dy.src + m * v->depth + i, v->depth, rows);
		for (size_t j = 0; j < n; j += nr) {
			size_t cols = et_min(nr, n - j);
			int vectors = (int)et_ceil_div(cols, vl);
			float *to = c + i * n + j;
			if (rows == mr && cols % vl == 0) {
				k->gemm_kv(count, pa, pb + j * count, to, n, acc, vectors);
				continue;
			}
			k->gemm_kv(count, pa, pb + j * count, tile, nr, false, vectors);
			for (size_t r = 0; r < rows; r++)
				k->store(cols, tile + r * nr, to + r * n, acc, NULL, NULL, NULL,
					 ET_ACT_NONE);
		}
	}
}

/* dx[m..] = dy[m..] * w. */
static void data_block(const struct walk *v, size_t m, size_t count, float *pa)
{
	const struct et_kern *k = v->x->k;
	const size_t mr = (size_t)k->mr, nr = (size_t)k->nr, vl = (size_t)k->vl, n = v->cols;
	const size_t wide = et_ceil_div(n, nr) * nr;
	float tile[ET_MR_MAX * ET_NR_MAX];

	for (size_t i = 0; i < count; i += mr) {
		size_t rows = et_min(mr, count - i);
		for (size_t at = 0; at < v->depth; at += (size_t)k->kc) {
			size_t kb = et_min((size_t)k->kc, v->depth - at);
			const float *pw = v->packed_w + at * wide;
			et_gather_rows(k, &v->dy, m + i, rows, at, kb, pa);
			for (size_t j = 0; j < n; j += nr) {
				size_t cols = et_min(nr, n - j);
				int vectors = (int)et_ceil_div(cols, vl);
				float *to = v->dx + (m + i) * n + j;
				if (rows == mr && cols % vl == 0) {
					k->gemm_rv(kb, pa, pw + j * kb, to, n, at > 0, vectors);
					continue;
				}
				k->gemm_rv(kb, pa, pw + j * kb, tile, nr, false, vectors);
				for (size_t r = 0; r < rows; r++)
					k->store(cols, tile + r * nr, to + r * n, at > 0, NULL,
						 NULL, NULL, ET_ACT_NONE);
			}
		}
	}
}

static void chunks(void *arg, size_t begin, size_t end, int thread)
{
	struct walk *v = arg;
	const struct et_kern *k = v->x->k;
	const size_t kc = (size_t)k->kc;
	float *pa = v->pa + (size_t)thread * (size_t)k->mr * ET_KC_MAX;
	float *pb = v->pb + (size_t)thread * v->pb_stride;

	for (size_t i = begin; i < end; i++) {
		size_t from = i * v->chunk, to = et_min(from + v->chunk, v->pixels);
		float *sums = v->ring.slots ? place(v, (uint32_t)i) : v->dw;
		for (size_t m = from; m < to; m += kc) {
			size_t count = et_min(kc, to - m);
			weight_block(v, m, count, pa, pb, sums, !v->ring.slots || m > from);
			data_block(v, m, count, pa);
		}
		if (v->ring.slots) {
			atomic_store(&v->ring.full[i % v->ring.slots], (uint32_t)i + 1);
			drain(v);
		}
	}
}

/* ---- all of them ----------------------------------------------------------------------------- */

/* w as panels of nr columns, a depth block of kc filters after the other. */
static void pack_weights(const struct walk *v)
{
	const struct et_kern *k = v->x->k;
	const size_t nr = (size_t)k->nr, kc = (size_t)k->kc;
	float *to = v->packed_w;

	for (size_t at = 0; at < v->depth; at += kc) {
		size_t kb = et_min(kc, v->depth - at);
		for (size_t j = 0; j < v->cols; j += nr, to += nr * kb)
			k->pack_b(to, kb, v->w + at * v->cols + j, v->cols,
				  et_min(nr, v->cols - j));
	}
}

void et_conv_both(const struct et_ctx *x, const struct et_conv *g, int n, const float *in,
		  const struct et_prologue *pro, const float *dy, const float *w, float *dx,
		  float *dw, struct et_arena *work)
{
	const size_t mark = et_arena_mark(work), threads = (size_t)x->threads;
	const size_t nr = (size_t)x->k->nr, kc = (size_t)x->k->kc;
	struct walk v = {.x = x,
			 .pixels = (size_t)n * (size_t)g->h * (size_t)g->w,
			 .depth = (size_t)g->k,
			 .cols = (size_t)g->c,
			 .w = w,
			 .dx = dx,
			 .dw = dw};
	size_t wide = et_ceil_div(v.cols, nr) * nr, count;
	struct ring *r = &v.ring;
	bool several;

	v.dy = matrix(dy, v.pixels, g->k);
	v.in = matrix(in, v.pixels, g->c);
	v.in.pro = pro;
	v.pb_stride = wide * kc;
	v.packed_w = et_arena_alloc(work, wide * v.depth, sizeof(float));
	v.pa = et_arena_alloc(work, threads * (size_t)x->k->mr * ET_KC_MAX, sizeof(float));
	v.pb = et_arena_alloc(work, threads * v.pb_stride, sizeof(float));
	v.chunk = et_gemm_sum_chunk(x->k, v.depth, v.cols, v.pixels);
	several = v.chunk > 0;
	if (!several)
		v.chunk = kc;
	count = et_ceil_div(v.pixels, v.chunk);
	/* One thread alone adds blocks to dw itself. */
	r->slots = threads > 1 ? 2 * threads : several;
	r->sums = et_arena_alloc(work, r->slots * v.depth * v.cols, sizeof(float));
	r->full = et_arena_alloc(work, r->slots, sizeof(*r->full));
	if (!et_measuring(work) && r->full) {
		for (size_t i = 0; i < r->slots; i++)
			atomic_init(&r->full[i], 0);
		atomic_init(&r->next, 0);
		atomic_flag_clear(&r->busy);
		pack_weights(&v);
		et_parallel_in(x, count, count, 1, chunks, &v);
	}
	et_arena_release(work, mark);
}

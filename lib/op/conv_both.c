/*
 * Both gradients of a 1x1 convolution in one walk over dy. Apart, dx = dy*w and dw = dy'*x read dy
 * from memory twice; here a block of pixels of it is used for both while it is in the cache. So is
 * what batch norm behind the convolution makes of dy, which memory then never sees, and what batch
 * norm before it wants to know of dx.
 *
 * The bits are those of the two GEMMs: an element of dx is a chain over depth blocks of kc filters;
 * an element of dw has sums of blocks or chunks of pixels added to it in the order of the pixels,
 * as et_gemm_sum has them. Threads take blocks in that order and leave the sums of each in a ring,
 * from which whoever comes by adds them up, in their order.
 */
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "op/depthwise.h"
#include "op/gemm.h"
#include "op/norm_sums.h"

struct ring {
	size_t slots;
	float *sums;		/* [slots][k][c] */
	_Atomic uint32_t *full; /* [slots] 1 + the block whose sums are there */
	_Atomic uint32_t next;	/* the block that dw needs next */
	atomic_flag busy;	/* somebody adds */
};

struct walk {
	const struct et_ctx *x;
	const struct et_conv_pair *p;
	struct et_gather in; /* a plain matrix */
	size_t pixels, depth, cols;
	struct et_gemm_cut cut;
	float *packed_w, *pa, *pb, *through; /* the latter three by thread */
	float *chunk;			     /* sums of one, where it is not a block */
	size_t pb_stride;
	struct et_norm_blocks sums;
	struct ring ring;
};

bool et_conv_walks_both(const struct et_conv *g)
{
	return g->kh == 1 && g->kw == 1 && g->sh == 1 && g->sw == 1 && g->ph == 0 && g->pw == 0 &&
	       g->groups == 1 && g->h * g->w > 1 && et_conv_weights(g) <= ET_BOTH_WEIGHTS;
}

/* ---- the ring -------------------------------------------------------------------------------- */

static bool ready(struct ring *r)
{
	uint32_t next = atomic_load(&r->next);
	return atomic_load(&r->full[next % r->slots]) == next + 1;
}

/* Adds the sums of block b to those of its chunk, and these, when it is their last, to dw. */
static void add_block(const struct walk *v, size_t b, const float *sums)
{
	const size_t count = v->depth * v->cols, per = v->cut.chunk / v->cut.block;
	const size_t last = (v->pixels - 1) / v->cut.block;
	float *dw = v->p->dw;

	if (!v->chunk) {
		v->x->k->add(count, dw, sums, dw);
		return;
	}
	if (b % per)
		v->x->k->add(count, v->chunk, sums, v->chunk);
	else
		memcpy(v->chunk, sums, count * sizeof(float));
	if (b == last || b % per == per - 1)
		v->x->k->add(count, dw, v->chunk, dw);
}

/* Adds what is next, as long as it is there and nobody else is at it. */
static void drain(struct walk *v)
{
	struct ring *r = &v->ring;

	/* Who leaves looks again: what came meanwhile found the flag set and was left to him. */
	while (ready(r) && !atomic_flag_test_and_set(&r->busy)) {
		while (ready(r)) {
			uint32_t next = atomic_load(&r->next);
			add_block(v, next, r->sums + next % r->slots * v->depth * v->cols);
			atomic_store(&r->next, next + 1);
		}
		atomic_flag_clear(&r->busy);
	}
}

/* A place for the sums of a block. Blocks before it are done or at work: one of them will be next.
 */
static float *place(struct walk *v, uint32_t block)
{
	struct ring *r = &v->ring;

	while (block - atomic_load(&r->next) >= r->slots) {
		drain(v);
		sched_yield();
	}
	return r->sums + block % r->slots * v->depth * v->cols;
}

/* ---- one block of pixels --------------------------------------------------------------------- */

/* c[k][c] (acc ? += : =) the sum over `count` pixels from m on of dy' x. */
static void weight_block(const struct walk *v, const float *dy, size_t m, size_t count, float *pa,
			 float *pb, float *c, bool acc)
{
	const struct et_kern *k = v->x->k;
	const size_t mr = (size_t)k->mr, n = v->cols;

	et_gather_columns(k, &v->in, m, count, 0, n, pb);
	for (size_t i = 0; i < v->depth; i += mr) {
		size_t rows = et_min(mr, v->depth - i), lda;
		const float *a = et_sum_rows(k, dy + i, v->depth, rows, count, n, pa, &lda);
		et_sum_tiles(k, a, lda, rows, count, pb, n, c + i * n, n, acc);
	}
}

/* Rows i.. of dx from filters at.. of a depth block. */
static void data_panel(const struct walk *v, const struct et_gather *dy, size_t i, size_t rows,
		       size_t at, float *pa, float *dx)
{
	const struct et_kern *k = v->x->k;
	const size_t nr = (size_t)k->nr, vl = (size_t)k->vl, n = v->cols;
	const size_t kb = et_min((size_t)k->kc, v->depth - at);
	const float *pw = v->packed_w + at * (et_ceil_div(n, nr) * nr);
	struct et_panel panel;
	float tile[ET_MR_MAX * ET_NR_MAX];

	et_panel_open(&panel, k, dy, i, rows, at, kb, n, pa);
	for (size_t j = 0; j < n; j += nr) {
		size_t cols = et_min(nr, n - j);
		bool whole = rows == (size_t)k->mr && cols % vl == 0;
		et_panel_tile(&panel, k, pw + j * kb, whole ? dx + j : tile, whole ? n : nr,
			      whole && at, (int)et_ceil_div(cols, vl));
		for (size_t r = 0; r < rows && !whole; r++)
			k->store(cols, tile + r * nr, dx + r * n + j, at > 0, NULL, NULL, NULL,
				 ET_ACT_NONE);
	}
}

/* dx = dy * w, `count` pixels. */
static void data_block(const struct walk *v, const float *dy, size_t count, float *pa, float *dx)
{
	const size_t mr = (size_t)v->x->k->mr, n = v->cols;
	const struct et_gather from = et_gather_matrix(dy, count, (int)v->depth, 0, (int)v->depth);

	for (size_t i = 0; i < count; i += mr) {
		size_t rows = et_min(mr, count - i);
		for (size_t at = 0; at < v->depth; at += (size_t)v->x->k->kc)
			data_panel(v, &from, i, rows, at, pa, dx + i * n);
	}
}

/* The gradient of this convolution's output for a block of pixels: dy itself, or behind batch norm
 * what that makes of it. */
static const float *gradient(const struct walk *v, size_t m, size_t count, int thread)
{
	const struct et_bn_grad *g = v->p->through;
	const float *dy = v->p->dy + m * v->depth;

	if (!g)
		return dy;
	float *to = v->through + (size_t)thread * (size_t)v->x->k->kc * v->depth;
	v->x->k->bn_dx(count, v->depth, v->depth, g->in + m * v->depth, dy, g->a, g->b, g->d,
		       g->after, to, v->depth);
	return to;
}

static void blocks(void *arg, size_t begin, size_t end, int thread)
{
	struct walk *v = arg;
	const struct et_kern *k = v->x->k;
	float *pa = v->pa + (size_t)thread * (size_t)k->mr * ET_KC_MAX;
	float *pb = v->pb + (size_t)thread * v->pb_stride;

	for (size_t b = begin; b < end; b++) {
		size_t m = b * v->cut.block, count = et_min(v->cut.block, v->pixels - m);
		float *dx = v->p->dx + m * v->cols;
		const float *dy = gradient(v, m, count, thread);
		if (v->ring.slots) {
			float *sums = place(v, (uint32_t)b);
			weight_block(v, dy, m, count, pa, pb, sums, false);
			atomic_store(&v->ring.full[b % v->ring.slots], (uint32_t)b + 1);
			drain(v);
		} else {
			weight_block(v, dy, m, count, pa, pb, v->p->dw, true);
		}
		data_block(v, dy, count, pa, dx);
		if (v->p->sums)
			et_norm_block(&v->sums, b, count, v->p->in + m * v->cols, dx);
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
			k->pack_b(to, kb, v->p->w + at * v->cols + j, v->cols,
				  et_min(nr, v->cols - j));
	}
}

void et_conv_both(const struct et_ctx *x, const struct et_conv *g, int n,
		  const struct et_conv_pair *pair, struct et_arena *work)
{
	if (et_conv_depthwise(g)) {
		et_depthwise_both(x, g, n, pair, work);
		return;
	}
	const size_t mark = et_arena_mark(work), threads = (size_t)x->threads;
	const size_t nr = (size_t)x->k->nr, mr = (size_t)x->k->mr, kc = (size_t)x->k->kc;
	struct walk v = {.x = x,
			 .p = pair,
			 .pixels = (size_t)n * (size_t)g->h * (size_t)g->w,
			 .depth = (size_t)g->k,
			 .cols = (size_t)g->c};
	size_t wide = et_ceil_div(v.cols, nr) * nr, count;
	struct ring *r = &v.ring;

	v.cut = et_gemm_cut(x->k, v.depth, v.cols, v.pixels);
	count = et_ceil_div(v.pixels, v.cut.block);
	v.in = et_gather_matrix(pair->in, v.pixels, g->c, 0, g->c);
	v.in.pro = pair->pro;
	/* Scratch is for blocks of any size: a smaller batch may have larger ones. */
	v.pb_stride = wide * kc;
	v.packed_w = et_arena_alloc(work, wide * v.depth, sizeof(float));
	v.pa = et_arena_alloc(work, threads * mr * ET_KC_MAX, sizeof(float));
	v.pb = et_arena_alloc(work, threads * v.pb_stride, sizeof(float));
	if (pair->through)
		v.through = et_arena_alloc(work, threads * kc * v.depth, sizeof(float));
	if (pair->sums)
		v.sums = et_norm_open(x, pair->sums, v.cut.most, v.cols, work);
	if (v.cut.chunk > v.cut.block)
		v.chunk = et_arena_alloc(work, v.depth * v.cols, sizeof(float));
	/* One thread alone adds blocks to dw itself. */
	r->slots = threads > 1 ? 2 * threads : v.cut.chunk > v.cut.block;
	r->sums = et_arena_alloc(work, r->slots * v.depth * v.cols, sizeof(float));
	r->full = et_arena_alloc(work, r->slots, sizeof(*r->full));
	if (!et_measuring(work) && r->full) {
		for (size_t i = 0; i < r->slots; i++)
			atomic_init(&r->full[i], 0);
		atomic_init(&r->next, 0);
		atomic_flag_clear(&r->busy);
		pack_weights(&v);
		et_parallel_in(x, count, count, 1, blocks, &v);
		if (pair->sums)
			et_norm_join(&v.sums, count);
	}
	et_arena_release(work, mark);
}

/*
 * The weight gradient by Winograd: dw = G^T [ sum over tiles of (A dy A^T) . (B^T x B) ] G. A piece
 * of work is a rectangle of output and input channels, whose sums of all taps stay in a thread's
 * cache while blocks of tiles go by; each piece transforms its own channels of them, which costs
 * less than handing them from one thread to another. The blocks are those of the shape and their
 * order is fixed, so neither the pieces nor the threads change a bit.
 */
#include <string.h>

#include "op/team.h"
#include "op/winograd.h"

/* Rows of products are so many floats longer than needed: caches map powers of two to few lines. */
#define PAD 16

struct job {
	const struct et_ctx *x;
	const struct et_wino_sum *g;
	size_t taps, tiles, block; /* tiles in a block */
	struct et_wino_grid in, out;
	size_t kb, cb;	      /* channels of a piece: multiples of mr and nr */
	size_t rows;	      /* pieces along the input channels */
	size_t ldv, ldz, ldu; /* floats from a tile, or row of sums, to the next */
	size_t v_at[ET_WINO_TAPS], z_at[ET_WINO_TAPS], u_tap;
	float *v, *z, *u; /* each thread's: inputs and gradients of a block, sums */
	size_t v_stride, z_stride, u_stride;
};

/* Zeros from column `from` on, to the end of the panels: sums nobody reads, of numbers nobody
 * wrote.
 */
static void clear_columns(size_t rows, size_t ld, size_t from, size_t to, float *x)
{
	for (size_t i = 0; from < to && i < rows; i++)
		memset(x + i * ld + from, 0, (to - from) * sizeof(float));
}

static void one_piece(const struct job *j, size_t k0, size_t c0, float *v, float *z, float *u)
{
	const struct et_wino_sum *g = j->g;
	const struct et_kern *k = j->x->k;
	const struct et_prologue *pro = g->pro;
	size_t mr = (size_t)k->mr, nr = (size_t)k->nr, vl = (size_t)k->vl, c = (size_t)g->s.c;
	size_t kn = et_min(j->kb, (size_t)g->s.k - k0), cn = et_min(j->cb, c - c0);
	size_t kp = et_round_up(kn, mr), cp = et_round_up(cn, nr),
	       depth = et_min(j->block, j->tiles);

	for (size_t t = 0; t < j->taps; t++) {
		clear_columns(depth, j->ldz, et_round_up(kn, vl), kp, z + j->z_at[t]);
		clear_columns(depth, j->ldv, et_round_up(cn, vl), cp, v + j->v_at[t]);
	}
	for (size_t t0 = 0; t0 < j->tiles; t0 += j->block) {
		size_t len = et_min(j->block, j->tiles - t0);
		for (size_t i = 0; i < len; i++) {
			struct et_wino_tile in = et_wino_pick(&j->in, t0 + i);
			struct et_wino_tile out = et_wino_pick(&j->out, t0 + i);
			in.x += c0;
			out.x += k0;
			k->wino_input(g->s.m, cn, &in, pro && pro->scale ? pro->scale + c0 : NULL,
				      pro && pro->shift ? pro->shift + c0 : NULL,
				      pro ? pro->act : ET_ACT_NONE, v + i * j->ldv, j->v_at);
			k->wino_output_t(g->s.m, kn, &out, z + i * j->ldz, j->z_at);
		}
		for (size_t t = 0; t < j->taps; t++)
			for (size_t a = 0; a < cp; a += nr)
				for (size_t b = 0; b < kp; b += mr)
					k->wino_sum(len, z + j->z_at[t] + b, j->ldz,
						    v + j->v_at[t] + a, j->ldv,
						    u + t * j->u_tap + b * j->ldu + a, j->ldu,
						    t0 > 0);
	}
	for (size_t i = 0; i < kn; i++)
		k->wino_filter_t(g->s.m, cn, u + i * j->ldu, j->u_tap,
				 g->dw + (k0 + i) * 9 * c + c0, c);
}

static void pieces(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	size_t t = (size_t)thread;

	for (size_t i = begin; i < end; i++)
		one_piece(j, i / j->rows * j->kb, i % j->rows * j->cb, j->v + t * j->v_stride,
			  j->z + t * j->z_stride, j->u + t * j->u_stride);
}

/* Channels of a block: so that blocks of at most `most` are as equal as multiples of unit can be.
 */
static size_t even(size_t n, size_t most, size_t unit)
{
	size_t units = et_ceil_div(n, unit), fit = et_max(1, most / unit);
	return et_ceil_div(units, et_ceil_div(units, fit)) * unit;
}

static size_t count(const struct job *j)
{
	return et_ceil_div((size_t)j->g->s.k, j->kb) * et_ceil_div((size_t)j->g->s.c, j->cb);
}

static void lay_out(struct job *j)
{
	const struct et_wino_sum *g = j->g;
	const struct et_kern *k = j->x->k;
	size_t mr = (size_t)k->mr, nr = (size_t)k->nr, vl = (size_t)k->vl;
	size_t cache = et_wino_cache(k), c = (size_t)g->s.c, kn = (size_t)g->s.k;
	int n = g->s.m + 2;

	j->taps = (size_t)(n * n);
	j->in = (struct et_wino_grid){.x = g->src,
				      .n = g->s.n,
				      .h = g->s.h,
				      .w = g->s.w,
				      .c = g->s.c,
				      .side = n,
				      .step = g->s.m,
				      .ph = g->s.ph,
				      .pw = g->s.pw,
				      .th = (g->s.p + g->s.m - 1) / g->s.m,
				      .tw = (g->s.q + g->s.m - 1) / g->s.m};
	j->out = j->in;
	j->out.x = g->dy;
	j->out.h = g->s.p;
	j->out.w = g->s.q;
	j->out.c = g->s.k;
	j->out.side = g->s.m;
	j->out.ph = j->out.pw = 0;
	j->tiles = (size_t)g->s.n * (size_t)j->in.th * (size_t)j->in.tw;

	/* Five eighths of the cache for sums of a square or so, the rest and more for a block. */
	size_t area = cache * 5 / 8 / j->taps, side = nr;
	while ((side + nr) * (side + nr) <= area)
		side += nr;
	j->cb = even(c, side, nr);
	j->kb = even(kn, et_max(mr, area / j->cb), mr);
	size_t most = et_max(16, cache * 3 / 4 / j->taps / (j->cb + j->kb));
	j->block = et_ceil_div(j->tiles, et_ceil_div(j->tiles, most));

	/* From here on it may depend on the threads. */
	while (count(j) < (size_t)j->x->threads && (j->cb > nr || j->kb > mr)) {
		if (j->cb > nr)
			j->cb = even(c, j->cb - nr, nr);
		else
			j->kb = even(kn, j->kb - mr, mr);
	}
	j->rows = et_ceil_div(c, j->cb);
	j->ldv = j->cb + PAD;
	j->ldz = et_round_up(j->kb, vl) + PAD;
	j->ldu = j->cb;
	for (size_t t = 0; t < j->taps; t++) {
		j->v_at[t] = t * (j->block * j->ldv + PAD);
		j->z_at[t] = t * (j->block * j->ldz + PAD);
	}
	j->u_tap = j->kb * j->ldu + PAD;
	/* Room for the longest block of any smaller batch. */
	size_t room = et_min(most, j->tiles);
	j->v_stride = j->taps * (room * j->ldv + PAD);
	j->z_stride = j->taps * (room * j->ldz + PAD);
	j->u_stride = j->taps * j->u_tap;
}

void et_wino_sum(const struct et_ctx *x, const struct et_wino_sum *g, struct et_arena *work)
{
	struct job j = {.x = x, .g = g};
	size_t mark = et_arena_mark(work), threads = (size_t)x->threads;

	lay_out(&j);
	j.v = et_arena_alloc(work, threads * j.v_stride, sizeof(float));
	j.z = et_arena_alloc(work, threads * j.z_stride, sizeof(float));
	j.u = et_arena_alloc(work, threads * j.u_stride, sizeof(float));
	if (!et_measuring(work) && j.u)
		et_parallel_in(x, ET_TEAM_PIECES, count(&j), 1, pieces, &j);
	et_arena_release(work, mark);
}

/*
 * Winograd convolution: tiles of the input and filters are transformed, and what was a convolution
 * is (m+2)^2 independent products V[tile][c] * U[c][k], whose results are transformed back.
 *
 * Two orders of work, so that one operand stays in a thread's cache. By tiles: the filters are
 * transformed once and every thread takes blocks of tiles through all three steps. By filters, for
 * deep layers, whose U is many times the cache and the number of their tiles: the input is
 * transformed once, and every thread takes blocks of output channels, whose weights it packs once
 * and transforms a row of taps at a time, just before their products. An element of y is computed
 * the same way in both: depth blocks in their order, then the tile's transform.
 */
#include "op/team.h"
#include "op/winograd_job.h"

size_t et_wino_cache(const struct et_kern *k)
{
	return k->vl >= 8 ? 256 * 1024 : 64 * 1024;
}

/* Input transformed at a time when going by filters, in floats: memory against filters' work. */
#define SPAN_FLOATS (2 * 1024 * 1024)

/* ---- products -------------------------------------------------------------------------------- */

/* Products of some taps of panels of tiles with panels of filters, of one depth block. */
struct product {
	int t0, t1;
	const float *v; /* this depth block's part of the first panel of tiles */
	size_t panels;
	const float *u; /* tap t0 of the first panel of filters */
	size_t u_tap, u_panel, cols;
	size_t len;
	float *m;
	size_t m_tap;
	bool acc;
};

static void multiply(const struct et_wino_job *j, const struct product *p)
{
	const struct et_kern *k = j->x->k;
	size_t mr = (size_t)k->mr, nr = (size_t)k->nr, vl = (size_t)k->vl, ld = j->cols;

	for (int t = p->t0; t < p->t1; t++) {
		const float *u = p->u + (size_t)(t - p->t0) * p->u_tap;
		float *m = p->m + (size_t)t * p->m_tap;
		for (size_t c = 0; c < p->cols; c += nr, u += p->u_panel, m += nr) {
			int vectors = (int)et_ceil_div(et_min(nr, p->cols - c), vl);
			for (size_t i = 0; i < p->panels; i++)
				k->gemm_rv(p->len, p->v + i * j->panel + j->at[t], u,
					   m + i * mr * ld, ld, p->acc, vectors);
		}
	}
}

/* Floats from a tap's products to the next: not a power of two, which caches map to few lines. */
static size_t product_tap(const struct et_wino_job *j, size_t tiles)
{
	return tiles * j->cols + 16;
}

/* Floats from a tap's packed weights to the next, when whole panels of them are packed. */
static size_t weight_tap(const struct et_wino_job *j)
{
	return j->depth * (size_t)j->x->k->nr + 16;
}

/* ---- by tiles -------------------------------------------------------------------------------- */

/* Where the filters of output panel kp and depth block d begin. */
static size_t filters_at(const struct et_wino_job *j, size_t kp, size_t d)
{
	size_t taps = (size_t)j->taps, nr = (size_t)j->x->k->nr;
	return (kp * (size_t)j->g->s.c + d * j->depth) * taps * nr;
}

/* A unit is ET_WINO_CHUNK depths of an output panel. */
static void filter_units(void *arg, size_t begin, size_t end, int thread)
{
	const struct et_wino_job *j = arg;
	const struct et_kern *k = j->x->k;
	size_t nr = (size_t)k->nr, c = (size_t)j->g->s.c, chunks = et_ceil_div(c, ET_WINO_CHUNK);
	size_t ws = ET_WINO_CHUNK * nr;
	float w[9 * ET_WINO_CHUNK * ET_NR_MAX];
	(void)thread;

	for (size_t i = begin; i < end; i++) {
		size_t kp = i / chunks, from = i % chunks * ET_WINO_CHUNK, d = from / j->depth;
		size_t n = et_min(ET_WINO_CHUNK, c - from), tap = et_wino_depth(j, d) * nr;
		float *u = j->u + filters_at(j, kp, d) + (from - d * j->depth) * nr;

		et_wino_pack_filters(j, kp * nr, from, n, w, ws);
		for (int r = 0; r < j->n; r++)
			k->wino_filter(j->g->s.m, r, n * nr, w, ws, u + (size_t)(r * j->n) * tap,
				       tap);
	}
}

static void tile_blocks(void *arg, size_t begin, size_t end, int thread)
{
	const struct et_wino_job *j = arg;
	size_t mr = (size_t)j->x->k->mr, nr = (size_t)j->x->k->nr, kn = (size_t)j->g->s.k;
	float *v = j->v + (size_t)thread * j->v_stride, *m = j->m + (size_t)thread * j->m_stride;

	for (size_t t0 = begin; t0 < end; t0 += j->block) {
		size_t t1 = et_min(end, t0 + j->block), panels = et_ceil_div(t1 - t0, mr);
		for (size_t i = 0; i < panels; i++)
			et_wino_input_panel(j, t0 / mr + i, v + i * j->panel);
		for (size_t k0 = 0; k0 < kn; k0 += j->cols) {
			size_t cols = et_min(j->cols, kn - k0);
			for (size_t d = 0; d < j->depths; d++) {
				struct product p = {
					.t1 = j->taps,
					.v = v + d * j->area,
					.panels = panels,
					.u = j->u + filters_at(j, k0 / nr, d),
					.u_tap = et_wino_depth(j, d) * nr,
					.u_panel = filters_at(j, 1, 0),
					.cols = cols,
					.len = et_wino_depth(j, d),
					.m = m,
					.m_tap = product_tap(j, j->block),
					.acc = d > 0,
				};
				multiply(j, &p);
			}
			for (size_t t = t0; t < t1; t++)
				et_wino_output_tile(j, t, k0, cols, m + (t - t0) * j->cols,
						    product_tap(j, j->block));
		}
	}
}

/* ---- by filters ------------------------------------------------------------------------------ */

static void input_panels(void *arg, size_t begin, size_t end, int thread)
{
	const struct et_wino_job *j = arg;
	size_t first = j->first / (size_t)j->x->k->mr;
	(void)thread;

	for (size_t i = begin; i < end; i++)
		et_wino_input_panel(j, first + i, j->v + i * j->panel);
}

static void filter_blocks(void *arg, size_t begin, size_t end, int thread)
{
	const struct et_wino_job *j = arg;
	size_t mr = (size_t)j->x->k->mr, nr = (size_t)j->x->k->nr;
	float *u = j->u + (size_t)thread * j->u_stride, *m = j->m + (size_t)thread * j->m_stride;
	float *w = j->w + (size_t)thread * j->w_stride;
	size_t ws = weight_tap(j), w_panel = 9 * ws;
	size_t panels = et_ceil_div(j->end - j->first, mr), m_tap = product_tap(j, j->block);

	for (size_t k0 = begin; k0 < end; k0 += j->cols) {
		size_t cols = et_min(j->cols, end - k0);
		for (size_t d = 0; d < j->depths; d++) {
			size_t len = et_wino_depth(j, d), u_tap = len * nr;
			for (size_t c = 0; c < cols; c += nr)
				for (size_t p = 0; p < len; p += ET_WINO_CHUNK)
					et_wino_pack_filters(j, k0 + c, d * j->depth + p,
							     et_min(ET_WINO_CHUNK, len - p),
							     w + c / nr * w_panel + p * nr, ws);
			for (int r = 0; r < j->n; r++) {
				struct product p = {
					.t0 = r * j->n,
					.t1 = (r + 1) * j->n,
					.v = j->v + d * j->area,
					.panels = panels,
					.u = u,
					.u_tap = u_tap,
					.u_panel = (size_t)j->n * u_tap,
					.cols = cols,
					.len = len,
					.m = m,
					.m_tap = m_tap,
					.acc = d > 0,
				};
				for (size_t c = 0; c < cols; c += nr)
					j->x->k->wino_filter(j->g->s.m, r, len * nr,
							     w + c / nr * w_panel, ws,
							     u + c / nr * p.u_panel, u_tap);
				multiply(j, &p);
			}
		}
		for (size_t t = j->first; t < j->end; t++)
			et_wino_output_tile(j, t, k0, cols, m + (t - j->first) * j->cols, m_tap);
	}
}

/* ---- both ------------------------------------------------------------------------------------ */

static void lay_out(struct et_wino_job *j)
{
	const struct et_wino_rows *g = j->g;
	const struct et_kern *k = j->x->k;
	size_t mr = (size_t)k->mr, c = (size_t)g->s.c, taps;

	j->n = g->s.m + 2;
	j->taps = j->n * j->n;
	taps = (size_t)j->taps;
	j->th = (g->s.p + g->s.m - 1) / g->s.m;
	j->tw = (g->s.q + g->s.m - 1) / g->s.m;
	j->tiles = (size_t)g->s.n * (size_t)j->th * (size_t)j->tw;
	j->depths = et_ceil_div(c, (size_t)k->kc);
	j->depth = j->depths > 1 ? et_round_up(et_ceil_div(c, j->depths), ET_WINO_CHUNK) : c;
	j->slot = et_round_up(j->depth, (size_t)k->vl);

	/* As many taps as fit lie side by side in the rows of a panel. */
	size_t together = ET_KC_MAX / j->slot, group = mr * ET_KC_MAX;
	for (size_t t = 0; t < taps; t++)
		j->at[t] = t / together * group + t % together * j->slot * (size_t)k->r_depth;
	j->area = et_ceil_div(taps, together) * group;
	j->panel = j->depths * j->area;
}

/*
 * Blocks as equal as panels allow, of at most `fit` tiles. Returns the room to make for one: for
 * the longest that this or a smaller batch has.
 */
static size_t share_out(struct et_wino_job *j, size_t fit)
{
	size_t mr = (size_t)j->x->k->mr, blocks = et_ceil_div(j->tiles, fit);

	j->block = et_round_up(et_ceil_div(j->tiles, blocks), mr);
	return et_min(fit, et_round_up(j->tiles, mr));
}

/* !run: only the scratch. */
static void by_tiles(struct et_wino_job *j, struct et_arena *work, bool run)
{
	const struct et_kern *k = j->x->k;
	size_t mr = (size_t)k->mr, nr = (size_t)k->nr, taps = (size_t)j->taps;
	size_t kn = (size_t)j->g->s.k, c = (size_t)j->g->s.c, threads = (size_t)j->x->threads;

	j->cols = et_min(et_round_up(64, nr), et_round_up(kn, nr));
	size_t fit = et_max(1, et_wino_cache(k) * 3 / 4 / (taps * (c + j->cols)) / mr) * mr;
	size_t room = share_out(j, fit);
	j->v_stride = room / mr * j->panel;
	j->m_stride = taps * product_tap(j, room);
	j->u = et_arena_alloc(work, et_round_up(kn, nr) * c * taps, sizeof(float));
	j->v = et_arena_alloc(work, threads * j->v_stride, sizeof(float));
	j->m = et_arena_alloc(work, threads * j->m_stride, sizeof(float));
	if (!run || et_measuring(work) || !j->m)
		return;
	et_parallel(j->x, et_ceil_div(kn, nr) * et_ceil_div(c, ET_WINO_CHUNK), 1, filter_units, j);
	et_parallel_in(j->x, ET_TEAM_PIECES, j->tiles, j->block, tile_blocks, j);
}

static void by_filters(struct et_wino_job *j, struct et_arena *work, bool run)
{
	const struct et_kern *k = j->x->k;
	size_t mr = (size_t)k->mr, nr = (size_t)k->nr, taps = (size_t)j->taps;
	size_t kn = (size_t)j->g->s.k, threads = (size_t)j->x->threads;

	/* Packed weights and a row of taps of them stay in cache. */
	size_t cols = et_wino_cache(k) / ((size_t)(9 + j->n) * j->depth) / nr * nr;
	j->cols = et_min(et_max(2 * nr, et_min(cols, et_round_up(64, nr))), et_round_up(kn, nr));
	size_t fit = et_max(1, SPAN_FLOATS / j->panel) * mr;
	size_t room = share_out(j, fit);
	j->u_stride = (size_t)j->n * j->depth * j->cols;
	j->m_stride = taps * product_tap(j, room);
	j->w_stride = j->cols / nr * 9 * weight_tap(j);
	j->u = et_arena_alloc(work, threads * j->u_stride, sizeof(float));
	j->w = et_arena_alloc(work, threads * j->w_stride, sizeof(float));
	j->v = et_arena_alloc(work, room / mr * j->panel, sizeof(float));
	j->m = et_arena_alloc(work, threads * j->m_stride, sizeof(float));
	if (!run || et_measuring(work) || !j->m)
		return;
	for (j->first = 0; j->first < j->tiles; j->first = j->end) {
		j->end = et_min(j->tiles, j->first + j->block);
		et_parallel(j->x, et_ceil_div(j->end - j->first, mr), 1, input_panels, j);
		et_parallel_in(j->x, ET_TEAM_PIECES, kn, j->cols, filter_blocks, j);
	}
}

/* Filters so small that they stay in cache whatever goes by. */
static bool small_filters(const struct et_wino_job *j)
{
	return (double)j->taps * j->g->s.c * j->g->s.k < 2 * (double)et_wino_cache(j->x->k);
}

/*
 * The order that takes less through the caches: the filters once for each block of tiles, or the
 * inputs once for each block of filters, which takes half as long again for every value, measured
 * on one machine: they come from other threads. Fewer images never go from filters to tiles.
 */
static enum et_wino_order order_of(const struct et_wino_job *j)
{
	double cache = (double)et_wino_cache(j->x->k), taps = j->taps;
	double u = taps * j->g->s.c * j->g->s.k, v = taps * j->g->s.c * (double)j->tiles;
	double block = cache / (taps * (j->g->s.c + 64)), mr = j->x->k->mr;

	if (small_filters(j))
		return ET_WINO_BY_TILES;
	return u * (2 + (double)j->tiles / (block < mr ? mr : block)) <=
			       1.5 * v * (1 + j->g->s.k / 64.0)
		       ? ET_WINO_BY_TILES
		       : ET_WINO_BY_FILTERS;
}

void et_wino_rows(const struct et_ctx *x, const struct et_wino_rows *g, struct et_arena *work)
{
	struct et_wino_job j = {.x = x, .g = g};
	size_t mark = et_arena_mark(work);

	lay_out(&j);
	if ((g->order ? g->order : order_of(&j)) == ET_WINO_BY_FILTERS) {
		by_filters(&j, work, true);
	} else {
		/* A smaller batch may go by filters, and its scratch must not exceed this one's. */
		if (!g->order && !small_filters(&j))
			by_filters(&j, work, false);
		et_arena_release(work, mark);
		by_tiles(&j, work, true);
	}
	et_arena_release(work, mark);
}

int et_wino_side(const struct et_conv *g)
{
	if (g->kh != 3 || g->kw != 3 || g->sh != 1 || g->sw != 1 || g->dh != 1 || g->dw != 1 ||
	    g->groups != 1 || g->ph > 2 || g->pw > 2)
		return 0;
	if (g->c < 32 || g->k < 32)
		return 0;
	/* Half of the products spared, and not all of it spent on the filters of a few pixels. */
	long tiles = (long)((g->p + 3) / 4) * ((g->q + 3) / 4), pixels = (long)g->p * g->q;
	return pixels >= 16 && 36 * tiles * 2 <= 9 * pixels ? 4 : 0;
}
